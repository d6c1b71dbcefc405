# shellcheck shell=bash
# Part of deploy/install.sh: brings a release up, and takes it back when it does not get healthy.

activate() { # folder of service files
  local good good_manager
  good=$(value_in "$APPLIED" release) good_manager=$(value_in "$APPLIED" manager)
  if [[ -r $APPLIED && $(<"$APPLIED") == "$(to_apply "$1")" ]] && serves "$(version_of "$RELEASE")"; then
    ok service "$(version_of "$RELEASE") runs by $MANAGER and is healthy"
    return
  fi
  doing service "$([[ -n $good ]] && printf restart || printf start) by $MANAGER: $(version_of "$RELEASE") on port $(port)" ||
    return 0
  if bring_up "$1"; then
    ok service "healthy: $(health)"
    record "$1" "$good"
  else
    take_back "$good" "$good_manager"
  fi
}

# What runs when all is applied; the file it is kept in is root's.
to_apply() {
  printf 'release=%s\nmanager=%s\nsettings=%s\nfiles=%s\n' "$RELEASE" "$MANAGER" \
    "$([[ ! -r $ENV_FILE ]] || sum_of <"$ENV_FILE")" "$(cat "$1"/* | sum_of)"
}

bring_up() { # folder of service files
  stop_manager "$(other_manager "$MANAGER")" &&
    point "$CURRENT" "releases/$RELEASE" &&
    logged systemctl enable "$(unit "$MANAGER")" &&
    restart_until_healthy "$(version_of "$RELEASE")"
}

# True when the old process is gone and the new one answers as this version, within the time.
restart_until_healthy() { # version
  local end=$((SECONDS + HEALTHY_WITHIN)) restarting
  STARTED=$EPOCHSECONDS EXITS=$(pm2_exits)
  logged systemctl reset-failed "$(unit "$MANAGER")"
  timeout "$HEALTHY_WITHIN" systemctl restart "$(unit "$MANAGER")" >>"$INSTALL_LOG" 2>&1 </dev/null 9>&- &
  restarting=$!
  while kill -0 "$restarting" 2>/dev/null; do
    if gives_up; then
      kill "$restarting"
      return 1
    fi
    sleep 0.1
  done
  wait "$restarting" || return 1
  until serves "$1"; do
    ((SECONDS < end)) && ! gives_up || return 1
    sleep 0.2
  done
}

# systemd says at once that a start failed. PM2 waits for its time to pass, while it tries again and again.
gives_up() { [[ $MANAGER == pm2 ]] && (($(pm2_exits) >= EXITS + 3)); }
pm2_exits() { { cat "$STATE/.pm2/pm2.log" 2>/dev/null || true; } | grep -c 'exited with code \[[1-9]' || true; }

serves() { # version
  systemctl --quiet is-active "$(unit "$MANAGER")" && [[ $(health) =~ \"version\":\ *\"([^\"]*)\" && ${BASH_REMATCH[1]} == "$1" ]]
}

health() { curl --silent --fail --max-time 5 --noproxy '*' "http://$(address):$(port)/health" 2>/dev/null; }

# Where this machine reaches the server.
address() {
  local host
  host=$(setting HOST)
  case $host in
  '' | 0.0.0.0) host=127.0.0.1 ;;
  ::) host='[::1]' ;;
  *:*) host="[$host]" ;;
  esac
  printf '%s' "$host"
}

# Points a link at something else in one step.
point() { # link, target
  ln -sfn "$2" "$1.new" && mv -T "$1.new" "$1"
}

record() { # folder of service files, the release that served before
  if [[ $RELEASES/$RELEASE/deploy != "$1" ]]; then
    rm -rf "$RELEASES/$RELEASE/deploy"
    cp -r "$1" "$RELEASES/$RELEASE/deploy"
  fi
  if [[ -n $2 && $2 != "$RELEASE" && -d $RELEASES/$2 ]]; then point "$PREVIOUS" "releases/$2"; fi
  (umask 077 && to_apply "$1" >"$APPLIED.new" && mv "$APPLIED.new" "$APPLIED")
  printf 'DOMAIN=%s\nNGINX=%s\nPROCESS_MANAGER=%s\nBUILD=%s\n' "$DOMAIN" "$NGINX" "$MANAGER" "$BUILD" >"$CHOICES"
}

take_back() { # the release that was healthy, its process manager
  local failed=$RELEASE failed_manager=$MANAGER
  printf 'install.sh: %s is not healthy; the last it said:\n' "$(version_of "$failed")" >&2
  last_words >&2
  if [[ -z $1 || ! -d $RELEASES/$1 ]]; then
    stop_manager "$failed_manager"
    die "No release served before, so the server is stopped now. Correct what it says and run this again"
  fi
  printf 'install.sh: going back to %s\n' "$1" >&2
  take_back_settings
  RELEASE=$1 MANAGER=$2 PORT='' # the settings say which, again
  put_service_files "$RELEASES/$RELEASE/deploy"
  if bring_up "$RELEASES/$RELEASE/deploy"; then
    [[ $failed == "$RELEASE" ]] || rm -rf "${RELEASES:?}/$failed"
    die "Rolled back: $(version_of "$RELEASE") serves again on port $(port), with the settings it had"
  fi
  die "$(version_of "$RELEASE") does not get healthy again either: $(how_to_look)"
}

last_words() {
  if [[ $MANAGER == pm2 ]]; then
    tail -qn 10 "$LOGS/error.log" "$LOGS/out.log" 2>/dev/null || true
  else
    journalctl --no-pager --output=cat --lines=15 --since="@$STARTED" --unit=onlycare-socket || true
  fi
}

how_to_look() {
  if [[ $MANAGER == pm2 ]]; then printf 'sudo tail %s/out.log %s/error.log' "$LOGS" "$LOGS"; else printf 'journalctl -u onlycare-socket'; fi
}

# Stops one process manager's service and takes it out of the start of the machine.
stop_manager() {
  local unit
  unit=$(unit "$1")
  [[ -e $UNITS/$unit.service ]] || return 0
  doing service "stop the one that $1 runs" || return 0
  logged systemctl disable --now "$unit" || true
  rm -f "$UNITS/$unit.service"
  logged systemctl daemon-reload
}
