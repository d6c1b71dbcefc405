# shellcheck shell=bash
# Part of deploy/install.sh: ufw, where it is active.

# The server listens on loopback, and nginx speaks for it; were HOST ever opened, the firewall still keeps it in.
set_firewall() {
  local port rule
  if ! have ufw || [[ $(ufw status 2>/dev/null) != "Status: active"* ]]; then
    ok firewall "ufw is not active; the server listens on $(address) only"
    return
  fi
  port=$(port)
  if [[ $(address) != 127.* && $(address) != '[::1]' && $(address) != localhost ]]; then
    note firewall "HOST=$(setting HOST): let nobody but Laravel's machine reach port $port; ufw is left as it is"
    return
  fi
  for rule in "$port" "$port/tcp"; do
    if has_rule "allow $rule" && doing firewall "ufw delete allow $rule: only nginx speaks to the outside"; then
      quietly ufw delete allow "$rule"
    fi
  done
  add_rule "deny $port/tcp"
  if [[ $NGINX == yes ]]; then
    add_rule "allow 80/tcp"
    add_rule "allow 443/tcp"
  fi
  if [[ $port != 3001 ]] && { has_rule "allow 3001" || has_rule "allow 3001/tcp"; }; then
    note firewall "3001 is still open to the outside, for the old server; once that is gone: ufw delete allow 3001"
  fi
}

has_rule() { ufw show added | grep -qxE "ufw $1( comment .*)?"; }

add_rule() {
  if has_rule "$1"; then
    ok firewall "ufw $1"
  elif doing firewall "ufw $1"; then
    # shellcheck disable=SC2086 # two words
    quietly ufw $1
  fi
}
