# shellcheck shell=bash
# Part of deploy/install.sh: whether it may run here, and what it needs of the host: packages, ports, a user, folders.

require_root() { ((EUID == 0)) || die "this needs root: sudo $0 ..."; }

require_system() {
  local id version name oldest
  id=$(os_release ID) version=$(os_release VERSION_ID) name=$(os_release PRETTY_NAME)
  case $id in
  debian) oldest=12 ;;
  ubuntu) oldest=24.04 ;;
  *) die "this is ${name:-an unknown system}; expected Debian 12 or newer, or Ubuntu 24.04 or newer" ;;
  esac
  # Debian testing has no number and is newer.
  [[ -z $version ]] || dpkg --compare-versions "$version" ge "$oldest" ||
    die "this is $name; expected Debian 12 or newer, or Ubuntu 24.04 or newer"
  [[ -d /run/systemd/system ]] || die "systemd does not run here. For containers there is deploy/docker"
  ok system "$name"
}

os_release() { value_in /etc/os-release "$1"; }

require_space() {
  local free
  free=$(df --output=avail -BM /opt /var 2>/dev/null | tail -n +2 | tr -dc '0-9\n' | sort -n | head -n 1)
  ((free >= FREE_MEGABYTES)) || die "only $free MB are free in /opt or /var; $FREE_MEGABYTES are needed"
  ok space "$free MB free"
}

require_files() {
  local file files=("$HERE/onlycare-socket.service" "$HERE/ecosystem.config.js" "$HERE/logrotate/onlycare-socket"
    "$HERE/nginx-websocket.conf" "$HERE/nginx-websocket-upstream.conf" "$HERE/nginx-websocket-locations.conf"
    "$CHECKOUT/requirements.txt")
  if [[ -z $WHEEL ]]; then
    files+=("$CHECKOUT/requirements-build.txt" "$CHECKOUT/pyproject.toml" "$CHECKOUT/src/onlycare_socket/__init__.py")
  else
    files+=("$WHEEL")
  fi
  for file in "${files[@]}"; do
    [[ -r $file ]] || die "$file is missing; this script runs from a whole checkout of onlycare-socket"
  done
}

# One run at a time. The lock goes with this process and with what it started, such as a pip that outlives it.
lock() {
  ((!DRY_RUN)) || return 0
  exec 9>/run/lock/onlycare-socket-install.lock
  flock -n 9 || die "another install.sh is running, or what one that was killed had started; wait for it to end"
}

open_work() {
  ((DRY_RUN)) || rm -rf /run/onlycare-socket-install.?????? # of a run that was killed
  WORK=$(mktemp -d /run/onlycare-socket-install.XXXXXX)
  trap close_work EXIT
  trap 'die "stopped half-way; run it again and it goes on from here"' INT TERM
  ((DRY_RUN)) || (umask 077 && : >>"$INSTALL_LOG")
}

close_work() {
  local status=$?
  rm -rf "$WORK"
  ((status == 0 || TOLD)) ||
    printf 'install.sh: stopped by an error it did not expect; %s may say more. Running it again is safe\n' "$INSTALL_LOG" >&2
}

install_packages() {
  local missing=() package
  for package in $(wanted_packages); do
    installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    ok packages "all there"
  elif doing packages "install with apt: ${missing[*]}"; then
    apt_install "${missing[@]}" 9>&- # services that a package starts do not hold the lock
  fi
  require_python
}

apt_install() {
  quietly dpkg --configure -a # after an apt that was killed
  logged apt-get -q -o DPkg::Lock::Timeout=120 update || note packages "apt-get update failed; trying all the same"
  quietly apt-get -qy -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
}

wanted_packages() {
  local packages=(python3 python3-venv ca-certificates openssl curl iproute2)
  if [[ -z $WHEEL && $BUILD == compiled && -z $(finished_release) ]]; then packages+=(gcc python3-dev libc6-dev); fi
  if [[ $NGINX == yes ]]; then packages+=(nginx); fi
  if [[ $MANAGER == pm2 ]]; then
    packages+=(logrotate)
    have node || packages+=(nodejs)
    have pm2 || have npm || packages+=(npm)
  fi
  printf '%s\n' "${packages[@]}"
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }
have() { command -v "$1" >/dev/null; }

require_python() {
  if [[ ! -x $PYTHON ]] && ((DRY_RUN)); then return; fi
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$PYTHON is older than 3.11"
}

install_pm2() {
  [[ $MANAGER == pm2 ]] || return 0
  if have pm2; then
    ok pm2 "there: $(command -v pm2)"
  elif doing pm2 "install pm2 $PM2_VERSION with npm"; then
    quietly npm install --global --no-audit --no-fund --loglevel=error "pm2@$PM2_VERSION"
  fi
}

require_ports() {
  local port
  port=$(port)
  if ! have ss; then
    note ports "not looked at: ss is not there yet"
    return
  fi
  find_listener "$port"
  [[ -z $LISTENER || $LISTENER_USER == "$NAME" ]] ||
    die "port $port is in use by $LISTENER; stop that, or choose another one (--port 3002 beside the old Node server)"
  if [[ $NGINX == yes ]]; then
    require_port_for_nginx 80
    require_port_for_nginx 443
    require_port_for_nginx "$LARAVEL_PORT"
  fi
  ok ports "$port is free or ours"
}

require_port_for_nginx() {
  find_listener "$1"
  [[ -z $LISTENER || $LISTENER == "nginx "* ]] ||
    die "port $1 is in use by $LISTENER and nginx needs it; stop that, or leave nginx alone with --no-nginx"
}

# Finds who listens on a port: LISTENER is empty when nobody does.
find_listener() {
  local found
  LISTENER='' LISTENER_USER=''
  found=$(ss -Hltnp "sport = :$1")
  [[ -n $found ]] || return 0
  LISTENER="another program"
  if [[ $found =~ \(\(\"([^\"]*)\",pid=([0-9]+) ]]; then
    LISTENER="${BASH_REMATCH[1]} (process ${BASH_REMATCH[2]})"
    LISTENER_USER=$(stat -c %U "/proc/${BASH_REMATCH[2]}" 2>/dev/null || true)
  fi
}

port() {
  local set
  set=$(setting PORT)
  printf '%s' "${PORT:-${set:-3001}}"
}

make_user() {
  if id -u "$NAME" >/dev/null 2>&1; then
    ok user "$NAME"
  elif doing user "make the system user $NAME"; then
    quietly useradd --system --user-group --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin "$NAME"
  fi
}

make_folders() {
  make_folder root:root 755 "$OPT"
  make_folder root:root 755 "$RELEASES"
  make_folder "root:$NAME" 750 "$ETC"
  make_folder "$NAME:$NAME" 750 "$STATE"
  make_folder "$NAME:adm" 2750 "$LOGS" # setgid: Debian's adm may read the logs
}

make_folder() { # owner, mode, folder
  if [[ $(stat -c '%U:%G %a' "$3" 2>/dev/null) == "$1 $2" ]]; then return; fi
  if doing folder "$3 ($1, mode $2)"; then install -d -o "${1%:*}" -g "${1#*:}" -m "$2" "$3"; fi
}
