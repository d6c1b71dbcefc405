# shellcheck shell=bash
# Part of deploy/install.sh: files of the service, and what becomes of one that somebody edited.

# Makes the folder of everything that is installed for either process manager, as this script and its checkout have it.
prepare_service_files() {
  mkdir -p "$WORK/files"
  cp "$HERE/onlycare-socket.service" "$HERE/ecosystem.config.js" "$WORK/files/"
  cp "$HERE/logrotate/onlycare-socket" "$WORK/files/logrotate"
  command_text >"$WORK/files/command"
  pm2_unit_text >"$WORK/files/pm2-onlycare-socket.service"
}

command_text() {
  cat <<END
#!/bin/sh
export ONLYCARE_SOCKET_ENV_FILE="\${ONLYCARE_SOCKET_ENV_FILE:-$ENV_FILE}"
exec $CURRENT/bin/$NAME "\$@"
END
}

# As PM2's own "pm2 startup" makes it, but it starts what the file says, and not what was running when somebody last
# saved.
pm2_unit_text() {
  local pm2
  pm2=$(command -v pm2 || echo /usr/local/bin/pm2)
  cat <<END
# PM2 for onlycare-socket, and for nothing else. Made by deploy/install.sh.
[Unit]
Description=PM2 that runs onlycare-socket
Wants=network-online.target
After=network-online.target nss-lookup.target

[Service]
Type=forking
User=$NAME
Group=$NAME
UMask=0027
WorkingDirectory=$STATE
Environment=HOME=$STATE PM2_HOME=$STATE/.pm2 PM2_DISABLE_VERSION_CHECK=true
PIDFile=$STATE/.pm2/pm2.pid
ExecStart=$pm2 start $ECOSYSTEM
ExecStop=$pm2 kill
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
LimitNOFILE=65536
LimitCORE=0

[Install]
WantedBy=multi-user.target
END
}

unit() { if [[ $1 == pm2 ]]; then printf 'pm2-onlycare-socket'; else printf 'onlycare-socket'; fi; }
other_manager() { if [[ $1 == pm2 ]]; then printf systemd; else printf pm2; fi; }

put_service_files() { # folder that prepare_service_files made
  put_file "$1/command" "$COMMAND" 755
  put_file "$1/$(unit "$MANAGER").service" "$UNITS/$(unit "$MANAGER").service" 644
  if [[ $MANAGER == pm2 ]]; then
    put_file "$1/ecosystem.config.js" "$ECOSYSTEM" 644
    put_file "$1/logrotate" "$LOGROTATE" 644
  fi
  ((DRY_RUN)) || logged systemctl daemon-reload
}

# Installs a file unless somebody edited the one that is there: then the new one lies beside it.
put_file() { # source, target, mode
  local pristine=$PRISTINE/${2//\//_}
  if cmp -s "$1" "$2"; then
    ((DRY_RUN)) || cmp -s "$1" "$pristine" || install -D -m 600 "$1" "$pristine"
  elif [[ -e $2 ]] && ! same_but_port "$pristine" "$2"; then
    if same_but_port "$1" "$pristine" || cmp -s "$1" "$PRISTINE/offered${2//\//_}"; then
      ok files "$2 stays as it was edited"
    elif doing files "$2 was edited and stays; the new one is $PRISTINE/offered${2//\//_}"; then
      install -D -m 600 "$1" "$PRISTINE/offered${2//\//_}"
    fi
  elif doing files "$2"; then
    install -D -m "$3" "$1" "$2.new"
    mv "$2.new" "$2"
    install -D -m 600 "$1" "$pristine"
  fi
}

# Whether two files are the same but for the port that nginx passes calls to.
same_but_port() { [[ -e $1 && -e $2 ]] && cmp -s <(without_port "$1") <(without_port "$2"); }
without_port() { sed 's/^\( *server 127\.0\.0\.1:\)[0-9]*;/\1;/' "$1"; }
