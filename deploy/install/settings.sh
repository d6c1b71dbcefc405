# shellcheck shell=bash
# Part of deploy/install.sh: the file of settings. Its secret is handled by the shell itself, never by a program.

# The value of a setting in the server's file as it is now, without quotes; the last line counts.
setting() { value_in "$ENV_FILE" "$1"; }

value_in() { # file, name
  local line value=''
  [[ -r $1 ]] || return 0
  while IFS= read -r line || [[ -n $line ]]; do
    if is_line_of "$2" "$line"; then
      value=${line#*=}
      value=${value%$'\r'}
      value=${value#"${value%%[![:space:]]*}"}
      value=${value%"${value##*[![:space:]]}"}
      if [[ $value =~ ^\'(.*)\'$ || $value =~ ^\"(.*)\"$ ]]; then value=${BASH_REMATCH[1]}; fi
    fi
  done <"$1"
  printf '%s' "$value"
}

is_line_of() { [[ $2 =~ ^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*= ]]; } # name, line

write_settings() {
  local before='' text new
  if [[ -f $ENV_FILE ]]; then before=$(<"$ENV_FILE"); fi
  text=${before:-$(first_settings)}
  if [[ -n $LARAVEL_URL ]]; then text=$(with_setting LARAVEL_API_URL "$LARAVEL_URL"); fi
  if [[ -n $PORT || -z $before ]]; then text=$(with_setting PORT "$(port)"); fi
  if ((ORIGINS_GIVEN)); then text=$(with_setting ALLOWED_ORIGINS "$ORIGINS"); fi
  if [[ -z $SECRET && -z $(setting LARAVEL_API_SECRET) ]] && ((!DRY_RUN)); then SECRET=$(openssl rand -hex 32); fi
  if [[ -n $SECRET ]]; then text=$(with_setting LARAVEL_API_SECRET "$SECRET"); fi
  if [[ $text == "$before" ]]; then
    ok settings "$ENV_FILE stays as it is"
    right_owner_of_settings
  elif doing settings "write $ENV_FILE: $(changed_names)"; then
    if [[ -n $before ]]; then cp -p "$ENV_FILE" "$WORK/env"; fi
    new=$(umask 077 && mktemp "$ENV_FILE.XXXXXX")
    printf '%s\n' "$text" >"$new"
    chown "$NAME:$NAME" "$new"
    mv "$new" "$ENV_FILE"
  fi
}

first_settings() {
  cat <<END
# Settings of onlycare-socket, read at its start: systemctl restart $(unit "$MANAGER")
# All names: onlycare-socket settings. What install.sh is given as an option it writes here; the rest is yours.
END
}

# The text in \`text\`, with one setting's line changed or added, whatever else it holds.
with_setting() {
  local line done=0 value
  value=$(quoted "$2")
  while IFS= read -r line; do
    if ! is_line_of "$1" "$line"; then
      printf '%s\n' "$line"
    elif ((!done)); then
      printf '%s=%s\n' "$1" "$value"
      done=1
    fi
  done <<<"$text"
  if ((!done)); then printf '%s=%s\n' "$1" "$value"; fi
}

quoted() { # as a value in the file
  local value=$1
  if [[ $value == *[![:alnum:]_./:,@%+=-]* ]]; then
    value=${value//\\/\\\\}
    value=\'${value//\'/\\\'}\'
  fi
  printf '%s' "$value"
}

changed_names() {
  local names=()
  if [[ ! -f $ENV_FILE ]]; then names+=("new, mode 600"); fi
  if [[ -n $LARAVEL_URL ]]; then names+=(LARAVEL_API_URL); fi
  if [[ -n $PORT ]]; then names+=("PORT"); fi
  if ((ORIGINS_GIVEN)); then names+=(ALLOWED_ORIGINS); fi
  if [[ -n $SECRET_FILE ]]; then
    names+=("LARAVEL_API_SECRET from $SECRET_FILE")
  elif [[ -z $(setting LARAVEL_API_SECRET) ]]; then
    names+=("LARAVEL_API_SECRET made at random")
  fi
  printf '%s' "${names[*]/%/,}" | sed 's/,$//'
}

right_owner_of_settings() {
  [[ $(stat -c '%U:%G %a' "$ENV_FILE") != "$NAME:$NAME 600" ]] || return 0
  if doing settings "give $ENV_FILE to $NAME, mode 600"; then
    chown "$NAME:$NAME" "$ENV_FILE"
    chmod 600 "$ENV_FILE"
  fi
}

# Lets the release itself read them, before anything is switched to it.
check_settings() {
  local complaint
  ((!DRY_RUN)) || return 0
  if ! complaint=$(settings_complaint); then
    take_back_settings
    die "$complaint" "Nothing was changed over; correct it and run this again"
  fi
}

# As the server's user, and without what this shell's environment may hold.
settings_complaint() {
  runuser -u "$NAME" -- env -i "PATH=$PATH" "$RELEASES/$RELEASE/bin/$NAME" settings --env-file "$ENV_FILE" 2>&1 >/dev/null
}

take_back_settings() { [[ ! -f $WORK/env ]] || mv "$WORK/env" "$ENV_FILE"; }
