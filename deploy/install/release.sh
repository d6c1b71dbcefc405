# shellcheck shell=bash
# Part of deploy/install.sh: a release is a folder with a venv of its own, never changed once it is complete.

make_release() {
  local version wheel=$WHEEL how="from ${WHEEL##*/}: some seconds"
  remove_unfinished
  RELEASE=$(finished_release)
  if [[ -n $RELEASE ]]; then
    ok release "$RELEASE is there$(! is_older_checkout || printf ', and stays: this checkout is older')"
    return
  fi
  version=$(wanted_version)
  RELEASE=$version-$(date -u +%Y%m%d%H%M%S)
  if [[ -z $WHEEL ]]; then
    how="compiled from this checkout: about two minutes"
    [[ $BUILD == compiled ]] || how="built from this checkout, uncompiled: half a minute"
  fi
  doing release "$version $how" || return 0
  if [[ -z $WHEEL ]]; then
    build_wheel
    wheel=$(echo "$OPT"/build/onlycare_socket-*.whl)
  fi
  fill_release "$RELEASES/$RELEASE" "$version" "$wheel"
}

# The name of a complete release that is what is asked for, or nothing.
finished_release() {
  local folder wanted
  if keeps_current; then
    basename "$(readlink "$CURRENT")"
    return
  fi
  wanted=$(wanted_origin)
  for folder in "$CURRENT" "$RELEASES"/*; do
    if [[ -f $folder/origin && $(<"$folder/origin") == "$wanted" ]]; then
      basename "$(readlink -f "$folder")"
      return
    fi
  done
}

# Who installed a wheel and now changes a setting from a checkout of that version, or of an older one, wants the setting
# changed and nothing else. A --wheel may be older: that is said on purpose.
keeps_current() {
  local origin version
  [[ -z $WHEEL && -f $CURRENT/origin ]] || return 1
  origin=$(<"$CURRENT/origin") version=$(version_of "$(basename "$(readlink "$CURRENT")")")
  if [[ $version == "$(wanted_version)" ]]; then
    [[ $origin == "$(common_origin)"$'\nwheel '* ]]
  else
    [[ $origin == "$(python_origin)"$'\n'* ]] && dpkg --compare-versions "$version" gt "$(wanted_version)"
  fi
}

is_older_checkout() { [[ -z $WHEEL ]] && dpkg --compare-versions "$(version_of "$RELEASE")" gt "$(wanted_version)"; }

# What a release is made from, in words that can be compared.
wanted_origin() {
  common_origin
  if [[ -n $WHEEL ]]; then
    printf 'wheel %s\n' "$(sum_of <"$WHEEL")"
  else
    printf 'source %s %s\n' "$BUILD" "$(sources | sum_of)"
  fi
}

common_origin() {
  python_origin
  printf 'requirements %s\n' "$(sum_of <"$CHECKOUT/requirements.txt")"
}

# Empty before Python is installed: no release was made with that.
python_origin() {
  printf 'python %s\n' "$([[ ! -x $PYTHON ]] || "$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}

sum_of() { sha256sum | cut -d' ' -f1; }

readonly SOURCES=(src web hatch_build.py pyproject.toml README.md LICENSE requirements-build.txt)

# Name and sum of every file that the wheel is built from.
sources() {
  cd "$CHECKOUT"
  find "${SOURCES[@]}" -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
}

wanted_version() {
  if [[ -n $WHEEL ]]; then
    local name=${WHEEL##*/onlycare_socket-}
    name=${name#onlycare_socket-}
    printf '%s' "${name%%-*}"
  else
    sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$CHECKOUT/src/onlycare_socket/__init__.py"
  fi
}

version_of() { printf '%s' "${1%-*}"; } # of a release's name

# Builds from a copy, so that nothing of root's is left in the checkout.
build_wheel() {
  local build=$OPT/build compile=true
  [[ $BUILD == compiled ]] || compile=false
  rm -rf "$build"
  mkdir -p "$build/source"
  (cd "$CHECKOUT" && tar -c --exclude=__pycache__ "${SOURCES[@]}") | tar -x -C "$build/source" --no-same-owner
  make_venv "$build/venv"
  # The compiler reads the types of what the server uses.
  into_venv "$build/venv" --require-hashes -r "$CHECKOUT/requirements.txt" -r "$CHECKOUT/requirements-build.txt"
  quietly env --chdir="$build/source" "HATCH_BUILD_HOOK_ENABLE_CUSTOM=$compile" \
    "$build/venv/bin/python" -m hatchling build --target wheel --directory "$build"
}

fill_release() { # folder, version, wheel
  local said
  make_venv "$1"
  into_venv "$1" --require-hashes -r "$CHECKOUT/requirements.txt"
  into_venv "$1" --no-deps --no-index "$3"
  logged "$1/bin/python" -m pip check ||
    die "this wheel needs other packages than requirements.txt beside it: $("$1/bin/python" -m pip check | head -n 3)" \
      "Run the install.sh of the checkout that the wheel was built from"
  said=$("$1/bin/$NAME" --version 2>>"$INSTALL_LOG") || die "the wheel's command does not run; see $INSTALL_LOG"
  [[ $said == "$2 "* ]] || die "the wheel calls itself $2, and its command says $said"
  wanted_origin >"$1/origin.new"
  sync -f "$1"
  mv "$1/origin.new" "$1/origin" # from now on it is complete
  rm -rf "$OPT/build"
  ok release "$RELEASE ($said)"
}

make_venv() { quietly "$PYTHON" -m venv --clear "$1"; }

# Wheels only: to build a package on a server would take a compiler, and tools that no hash was checked of.
into_venv() {
  local venv=$1
  shift
  quietly "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --only-binary :all: "$@"
}

remove_unfinished() {
  local folder
  for folder in "$RELEASES"/* "$OPT/build"; do
    [[ -d $folder && ! -f $folder/origin && ! $folder -ef $CURRENT ]] || continue
    if doing release "remove $folder, which a run that was stopped left unfinished"; then rm -rf "$folder"; fi
  done
}

# Keeps the one that runs, the one before, and the newest of the others.
remove_old_releases() {
  local name kept=2 here
  here=" $(basename "$(readlink "$CURRENT" || true)") $(basename "$(readlink "$PREVIOUS" || true)") "
  for name in $(releases_newest_first); do
    [[ $here != *" $name "* ]] || continue
    if ((++kept > KEPT_RELEASES)) && doing release "remove $name: the newest $KEPT_RELEASES are kept"; then
      rm -rf "${RELEASES:?}/$name"
    fi
  done
}

releases_newest_first() {
  local folder
  for folder in "$RELEASES"/*; do
    if [[ -d $folder ]]; then printf '%s %s\n' "${folder##*-}" "${folder##*/}"; fi
  done | sort -rn | cut -d' ' -f2
}
