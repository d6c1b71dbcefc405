# shellcheck shell=bash
# Part of deploy/install.sh: what the operator reads, one line a step, and the log of what is noisy.

ok() { printf 'ok     %-9s %s\n' "$1" "$2"; }
note() { printf 'note   %-9s %s\n' "$1" "$2"; }

# Says what is done next; in a dry run, what would be. True when it is to be done.
doing() {
  CHANGES=$((CHANGES + 1))
  if ((DRY_RUN)); then
    printf 'would  %-9s %s\n' "$1" "$2"
    return 1
  fi
  printf 'do     %-9s %s\n' "$1" "$2"
}

# Every end but a good one is explained: TOLD says that it was.
die() {
  TOLD=1
  printf 'install.sh: %s\n' "$@" >&2
  exit 1
}

wrong_usage() {
  TOLD=1
  printf 'install.sh: %s\n' "$1" 'install.sh --help lists the options' >&2
  exit 2
}

# Runs a long or noisy command with its output in the log, and ends with the last of it when the command fails.
quietly() {
  logged "$@" || die "this failed: $(first_words "$@")" "the last lines of $INSTALL_LOG:" "$(tail -n 12 "$INSTALL_LOG")"
}

logged() {
  printf '\n%s  %s\n' "$(date -u +%FT%TZ)" "$*" >>"$INSTALL_LOG"
  "$@" >>"$INSTALL_LOG" 2>&1 </dev/null
}

first_words() {
  printf '%s' "${*:1:6}"
  if (($# > 6)); then printf ' ...'; fi
}
