# shellcheck shell=bash
# Part of deploy/install.sh: its files, tested before they are loaded, and put back when nginx refuses them.

set_nginx() {
  local before
  if [[ $NGINX == no ]]; then
    ok nginx "left alone (--no-nginx)"
    return
  fi
  if have nginx && ! nginx_test; then
    die "nginx's configuration is broken already, before anything was changed: nginx -t" "$(tail -n 4 "$WORK/nginx.said")"
  fi
  mkdir -p "$WORK/nginx" "$WORK/nginx.before"
  before=$CHANGES
  keep_nginx_files
  put_upstream
  put_file "$HERE/nginx-websocket-locations.conf" "$SNIPPET" 644
  put_site
  if ((CHANGES == before)) && [[ $(nginx_sum) == "$(cat "$PRISTINE/nginx-loaded" 2>/dev/null)" ]]; then
    ok nginx "passes calls to port $(upstream_port)"
  elif doing nginx "test the configuration and load it"; then
    load_nginx
  fi
}

nginx_test() { nginx -t >"$WORK/nginx.said" 2>&1; }

# The site and what it uses, to see whether nginx runs with what is there.
nginx_sum() { { cat "$UPSTREAM" "$SNIPPET" "$SITE" "$SITE_LINK" 2>/dev/null || true; } | sum_of; }

put_upstream() {
  local port theirs ours
  port=$(port) theirs=$(upstream_port) ours=$(cat "$PRISTINE/port" 2>/dev/null || true)
  # A line that names another port than this script once wrote is the operator's choice, and stays.
  if [[ -n $theirs && $theirs != "$ours" ]]; then port=$theirs; fi
  sed "s/server 127\.0\.0\.1:[0-9]*;/server 127.0.0.1:$port;/" "$HERE/nginx-websocket-upstream.conf" >"$WORK/nginx/upstream"
  put_file "$WORK/nginx/upstream" "$UPSTREAM" 644
  if ((!DRY_RUN)) && [[ $port == "$(port)" && $port != "$ours" ]]; then printf '%s\n' "$port" >"$PRISTINE/port"; fi
}

# The port that nginx passes calls to, as its file says now; nothing when there is none or there are two.
upstream_port() { sed -n 's/^ *server 127\.0\.0\.1:\([0-9]*\);.*/\1/p' "$UPSTREAM" 2>/dev/null || true; }

put_site() {
  local other
  other=$(other_site)
  if [[ -n $other ]]; then
    if [[ $(other_user_of_locations) == "$other" ]]; then
      ok nginx "$DOMAIN is served by $other"
    else
      note nginx "$DOMAIN is served by $other already: take its location /socket.io/ out and put this line in its place"
      note nginx "    include snippets/onlycare-socket-locations.conf;"
      note nginx "then: nginx -t && systemctl reload nginx"
    fi
    return
  fi
  site_text >"$WORK/nginx/site"
  put_file "$WORK/nginx/site" "$SITE" 644
  if [[ ! -L $SITE_LINK ]] && doing files "$SITE_LINK"; then ln -s "$SITE" "$SITE_LINK"; fi
}

# Debian's nginx is set up for a few hundred phones.
note_few_connections() {
  local connections
  connections=$(nginx_config | sed -n 's/^[[:space:]]*worker_connections[[:space:]]*\([0-9]*\);.*/\1/p' | tail -n 1)
  connections=${connections:-512} # nginx's own default
  ((connections >= 4096)) ||
    note nginx "worker_connections $connections is enough for $((connections / 2)) phones a worker; the head of $UPSTREAM says more"
}

has_certificate() { [[ -e /etc/letsencrypt/live/$DOMAIN/fullchain.pem && -e /etc/letsencrypt/live/$DOMAIN/privkey.pem ]]; }

# The whole site, or while there is no certificate the part of it that gets one.
site_text() {
  local only='' ipv6=''
  has_certificate || only="/^# TLS from here/,\$d"
  [[ -e /proc/net/if_inet6 ]] || ipv6='/listen \[::\]/d'
  sed -e "s/calls\.example\.com/$DOMAIN/g" -e "$only" -e "$ipv6" "$HERE/nginx-websocket.conf"
}

nginx_config() { nginx -T 2>/dev/null || true; }

# The file of another site that serves the domain.
other_site() {
  have nginx || return 0
  nginx_config | awk -v domain="$DOMAIN" -v ours="$SITE_LINK:" '
    /^# configuration file / { file = $4 }
    { sub(/#.*/, "") }
    {
      for (i = 1; i <= NF; i++) {
        if (named && file != ours && ($i == domain || $i == domain ";")) found = file
        if ($i == "server_name") named = 1
        if ($i ~ /;$/) named = 0
      }
    }
    END { sub(/:$/, "", found); print found }'
}

# The file of another site that uses the locations.
other_user_of_locations() {
  have nginx || return 0
  nginx_config | awk -v ours="$SITE_LINK:" '
    /^# configuration file / { file = $4 }
    /^[^#]*include[^#]*snippets\/onlycare-socket-locations\.conf/ && file != ours { found = file }
    END { sub(/:$/, "", found); print found }'
}

keep_nginx_files() {
  local file
  for file in "$UPSTREAM" "$SNIPPET" "$SITE" "$SITE_LINK"; do
    if [[ -e $file || -L $file ]]; then cp -a "$file" "$WORK/nginx.before/"; fi
  done
}

put_nginx_files_back() {
  local file
  for file in "$UPSTREAM" "$SNIPPET" "$SITE" "$SITE_LINK"; do rm -f "$file"; done
  # The site and its link have the same name; the link is made anew.
  for file in "$UPSTREAM" "$SNIPPET" "$SITE"; do
    if [[ -e $WORK/nginx.before/${file##*/} ]]; then cp -a "$WORK/nginx.before/${file##*/}" "$file"; fi
  done
}

load_nginx() {
  if ! nginx_test; then
    put_nginx_files_back
    die "nginx refused the new files, so the old ones are back; the server itself runs" "$(tail -n 4 "$WORK/nginx.said")"
  fi
  mkdir -p /var/www/letsencrypt
  quietly systemctl enable nginx
  quietly systemctl reload-or-restart nginx
  nginx_sum >"$PRISTINE/nginx-loaded"
}

# What a phone would meet: by TLS, through nginx.
look_through_nginx() {
  [[ $NGINX == yes ]] && ((!DRY_RUN)) || return 0
  if ! has_certificate; then
    if [[ -n $(other_site) ]]; then return; fi
    note nginx "there is no certificate for $DOMAIN yet, so phones cannot connect. Get one, and run this again:"
    note nginx "    apt install certbot && certbot certonly --webroot --webroot-path /var/www/letsencrypt \\"
    note nginx "      --deploy-hook 'nginx -s reload' -d $DOMAIN"
  elif curl --silent --fail --max-time 10 --retry 3 --retry-delay 1 --retry-connrefused --noproxy '*' --insecure --output /dev/null \
    --resolve "$DOMAIN:443:127.0.0.1" "https://$DOMAIN/socket-health"; then
    ok nginx "https://$DOMAIN/socket-health answers"
  else
    note nginx "https://$DOMAIN/socket-health does not answer on this machine; see /var/log/nginx/onlycare-socket.access.log"
  fi
  note_few_connections
  if [[ $(upstream_port) != "$(port)" ]]; then
    note nginx "$UPSTREAM passes calls to port $(upstream_port), and this server has $(port); the line is yours to change"
  fi
}
