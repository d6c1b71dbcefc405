#!/usr/bin/env bash
# Installs onlycare-socket on Debian 12+ or Ubuntu 24.04+. Run it again to bring the installation up to date.
#
# - It asks nothing. What it is told once (--domain, --process-manager, --no-nginx) it remembers.
# - Every step looks at what is there, so a second run changes nothing, and one that was killed half-way is mended by
#   the next.
# - A release is complete before it is switched to. One that does not get healthy is taken back, settings included.
# - A file that somebody edited is never overwritten. The line of nginx that says which port gets the calls is theirs.
# - The secret is never printed, and never an argument or in the environment of a program.
set -euo pipefail
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME CDPATH
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

readonly NAME=onlycare-socket
readonly OPT=/opt/onlycare-socket
readonly RELEASES=$OPT/releases
readonly CURRENT=$OPT/current
readonly PREVIOUS=$OPT/previous # the release that served before this one
readonly APPLIED=$OPT/applied   # what was last seen to be healthy
readonly PRISTINE=$OPT/pristine # files as they were installed, to see which ones somebody edited
readonly ETC=/etc/onlycare-socket
readonly ENV_FILE=$ETC/onlycare-socket.env
readonly CHOICES=$ETC/install.conf
readonly STATE=/var/lib/onlycare-socket
readonly LOGS=/var/log/onlycare-socket
readonly COMMAND=/usr/local/bin/onlycare-socket
readonly UNITS=/etc/systemd/system
readonly ECOSYSTEM=$OPT/ecosystem.config.js
readonly LOGROTATE=/etc/logrotate.d/onlycare-socket
readonly UPSTREAM=/etc/nginx/conf.d/onlycare-socket-upstream.conf
readonly SNIPPET=/etc/nginx/snippets/onlycare-socket-locations.conf
readonly SITE=/etc/nginx/sites-available/onlycare-socket.conf
readonly SITE_LINK=/etc/nginx/sites-enabled/onlycare-socket.conf
readonly LARAVEL_PORT=3003 # where nginx takes Laravel's own calls, on loopback
readonly INSTALL_LOG=/var/log/onlycare-socket-install.log
readonly PYTHON=/usr/bin/python3
readonly PM2_VERSION=7.0.4
readonly KEPT_RELEASES=3
readonly FREE_MEGABYTES=1000 # a release takes 110, its build 200 more, PM2's packages 400
readonly HEALTHY_WITHIN=30   # seconds

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CHECKOUT=${HERE%/*}

ACTION=install DOMAIN='' LARAVEL_URL='' SECRET_FILE='' SECRET='' ORIGINS='' ORIGINS_GIVEN=0 PORT='' MANAGER='' WHEEL=''
NGINX='' BUILD='' DRY_RUN=0 PURGE=0
WORK=''       # scratch folder of this run, in memory
RELEASE=''    # name of the release to run
STARTED=0     # when the service was last started, in Unix seconds
EXITS=0       # how often PM2 had seen the server fail by then
TOLD=0        # 1 when the reason for a bad end was told
CHANGES=0     # how many things this run changed, or would change

# shellcheck source=install/words.sh
. "$HERE/install/words.sh"
# shellcheck source=install/options.sh
. "$HERE/install/options.sh"
# shellcheck source=install/host.sh
. "$HERE/install/host.sh"
# shellcheck source=install/release.sh
. "$HERE/install/release.sh"
# shellcheck source=install/settings.sh
. "$HERE/install/settings.sh"
# shellcheck source=install/files.sh
. "$HERE/install/files.sh"
# shellcheck source=install/service.sh
. "$HERE/install/service.sh"
# shellcheck source=install/nginx.sh
. "$HERE/install/nginx.sh"
# shellcheck source=install/firewall.sh
. "$HERE/install/firewall.sh"
# shellcheck source=install/uninstall.sh
. "$HERE/install/uninstall.sh"

usage() {
  cat <<END
Usage: sudo deploy/install.sh [options]

Installs onlycare-socket on Debian 12+ or Ubuntu 24.04+, or brings it up to date. The first run needs --domain (or
--no-nginx) and --laravel-url; later runs remember. It asks nothing, and run twice it changes nothing.

  --domain NAME           the name phones connect to; nginx serves it with TLS
  --laravel-url URL       address of the Laravel backend, such as https://api.example.com
  --secret-file FILE      the secret shared with Laravel, first line of FILE; without it one is made
  --allowed-origins LIST  web pages on other hosts that may connect, separated by commas ('' for none)
  --port NUMBER           where the server listens, on loopback (default 3001; 3002 beside the old Node server)
  --process-manager NAME  systemd (default) or pm2; given another one than before, it changes over
  --wheel FILE            install this wheel; without it one is built from the checkout this script lies in
  --pure                  build without compiling, now and in later runs: needs no gcc, and the server runs slower
  --compiled              compile again after --pure
  --no-nginx              leave nginx alone, now and in later runs, until --domain is given again

  --dry-run               say what would be done, and change nothing
  --rollback              go back to the release that served before
  --uninstall             remove the server; settings, data and logs stay
  --uninstall --purge     remove those as well, and the user
  -h, --help              show this

Exit codes: 0 done, 1 failed (the last lines say why), 2 wrong usage.
What took long is told in full in $INSTALL_LOG.

Examples:
  sudo deploy/install.sh --domain calls.example.com --laravel-url https://api.example.com
  sudo deploy/install.sh --port 3002 --no-nginx --laravel-url https://api.example.com    beside the old server
  sudo deploy/install.sh --wheel onlycare_socket-1.1.0-cp311-cp311-linux_x86_64.whl      an upgrade
END
}

install_or_upgrade() {
  recall_choices
  require_enough_said
  require_system
  require_files
  require_space
  read_secret
  install_packages
  require_ports
  make_user
  make_folders
  make_release
  write_settings
  check_settings
  install_pm2
  prepare_service_files
  put_service_files "$WORK/files"
  activate "$WORK/files"
  set_firewall
  set_nginx
  remove_old_releases
  look_through_nginx
  say_what_is_next
}

say_what_is_next() {
  local version
  version=$(version_of "$RELEASE")
  if ((DRY_RUN)); then
    printf '\nDry run: nothing was changed. A run would do %s things.\n' "$CHANGES"
  elif ((CHANGES == 0)); then
    printf '\nNothing to do: %s %s serves on port %s by %s.\n' "$NAME" "$version" "$(port)" "$MANAGER"
  else
    printf '\nDone: %s %s serves on port %s by %s.\n' "$NAME" "$version" "$(port)" "$MANAGER"
    if [[ $ACTION == install ]]; then next_steps; fi
  fi
}

next_steps() {
  local pm2='' laravel_port=$LARAVEL_PORT
  [[ $NGINX == yes ]] || laravel_port=$(port)
  if [[ $MANAGER == pm2 ]]; then
    pm2="
  PM2's list      sudo -u $NAME env PM2_HOME=$STATE/.pm2 pm2 list"
  fi
  cat <<END

Next:
  look at it      sudo onlycare-socket status
  check it all    sudo onlycare-socket doctor$pm2
  log             $(how_to_look)
  Laravel's .env  WEBSOCKET_ENABLED=true
                  WEBSOCKET_URL=http://localhost:$laravel_port
                  WEBSOCKET_PUBLIC_URL=https://${DOMAIN:-<the name phones connect to>}
                  WEBSOCKET_SECRET=<LARAVEL_API_SECRET of $ENV_FILE>
docs/UPDATE_LARAVEL_ENV.md explains them, docs/DEPLOYMENT_CHECKLIST.md goes on from here.
END
}

roll_back() {
  recall_choices
  [[ -L $PREVIOUS && -f $PREVIOUS/origin && -d $PREVIOUS/deploy ]] || die "there is no release before this one to go back to"
  RELEASE=$(basename "$(readlink "$PREVIOUS")")
  put_service_files "$RELEASES/$RELEASE/deploy"
  activate "$RELEASES/$RELEASE/deploy"
  say_what_is_next
}

main() {
  parse_options "$@"
  require_root
  cd /
  lock
  open_work
  case $ACTION in
  install) install_or_upgrade ;;
  rollback) roll_back ;;
  uninstall) uninstall ;;
  esac
}

main "$@"
