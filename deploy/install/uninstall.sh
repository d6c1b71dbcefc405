# shellcheck shell=bash
# Part of deploy/install.sh: the way back to a host without it.

uninstall() {
  recall_choices
  stop_manager systemd
  stop_manager pm2
  remove_nginx_files
  remove "$COMMAND" "$LOGROTATE" "$OPT"
  if ((PURGE)); then purge; fi
  if ((DRY_RUN)); then
    printf '\nDry run: nothing was changed. A run would do %s things.\n' "$CHANGES"
  elif ((CHANGES == 0)); then
    printf '\nNothing to do: %s is not installed.\n' "$NAME"
  elif ((PURGE)); then
    printf '\nDone: %s is removed, with all it kept. Packages that apt and npm installed are still there.\n' "$NAME"
  else
    printf '\nDone: %s is removed. Kept: settings in %s, data in %s, logs in %s, firewall rules, the user,\n' \
      "$NAME" "$ETC" "$STATE" "$LOGS"
    printf 'and packages that apt and npm installed. --uninstall --purge removes all of these but the packages.\n'
  fi
}

remove() {
  local path
  for path in "$@"; do
    if [[ -e $path || -L $path ]] && doing remove "$path"; then rm -rf "$path"; fi
  done
}

remove_nginx_files() {
  local user
  [[ -e $UPSTREAM || -e $SNIPPET || -e $SITE ]] || return 0
  user=$(other_user_of_locations)
  if [[ -n $user ]]; then
    note nginx "$user includes snippets/onlycare-socket-locations.conf, so nginx's files stay; take that line out first"
    return
  fi
  keep_edited "$UPSTREAM" "$SNIPPET" "$SITE"
  remove "$SITE_LINK" "$SITE" "$UPSTREAM" "$SNIPPET"
  if ((!DRY_RUN)) && have nginx && nginx_test; then logged systemctl reload nginx || true; fi
}

keep_edited() {
  local file
  for file in "$@"; do
    if [[ -e $file ]] && ! same_but_port "$file" "$PRISTINE/${file//\//_}" && ((!PURGE)) &&
      doing files "keep $file, which was edited, as $file.saved"; then
      cp -a "$file" "$file.saved"
    fi
  done
}

purge() {
  if have ufw && [[ $(ufw status 2>/dev/null) == "Status: active"* ]] && has_rule "deny $(port)/tcp" &&
    doing firewall "ufw delete deny $(port)/tcp"; then
    quietly ufw delete deny "$(port)/tcp"
  fi
  remove "$UPSTREAM.saved" "$SNIPPET.saved" "$SITE.saved" "$ETC" "$STATE" "$LOGS"
  if id -u "$NAME" >/dev/null 2>&1 && doing user "remove the user $NAME"; then
    logged pkill -KILL -u "$NAME" || true # whatever an operator left running as that user
    quietly userdel "$NAME"
  fi
  remove "$INSTALL_LOG" /var/log/nginx/onlycare-socket.access.log*
}
