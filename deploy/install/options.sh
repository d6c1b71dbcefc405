# shellcheck shell=bash
# Part of deploy/install.sh: what the operator says, now and in earlier runs.

parse_options() {
  local option value
  while (($#)); do
    option=$1 value=''
    shift
    case $option in
    --domain | --laravel-url | --secret-file | --allowed-origins | --port | --process-manager | --wheel)
      (($#)) || wrong_usage "$option needs a value"
      value=$1
      shift
      ;;
    --domain=* | --laravel-url=* | --secret-file=* | --allowed-origins=* | --port=* | --process-manager=* | --wheel=*)
      value=${option#*=} option=${option%%=*}
      ;;
    *)
      take_option "$option" ''
      continue
      ;;
    esac
    [[ -n $value || $option == --allowed-origins ]] || wrong_usage "$option is empty"
    take_option "$option" "$value"
  done
  check_options
}

take_option() {
  case $1 in
  --domain) DOMAIN=${2,,} ;;
  --laravel-url) LARAVEL_URL=$2 ;;
  --secret-file) SECRET_FILE=$2 ;;
  --allowed-origins) ORIGINS=$2 ORIGINS_GIVEN=1 ;;
  --port) PORT=$2 ;;
  --process-manager) MANAGER=$2 ;;
  --wheel) WHEEL=$2 ;;
  --pure | --compiled) BUILD=${1#--} ;;
  --no-nginx) NGINX=no ;;
  --dry-run) DRY_RUN=1 ;;
  --rollback | --uninstall)
    [[ $ACTION == install || $ACTION == "${1#--}" ]] || wrong_usage "--rollback and --uninstall do not go together"
    ACTION=${1#--}
    ;;
  --purge) PURGE=1 ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) wrong_usage "there is no option $1" ;;
  esac
}

check_options() {
  # This script changes to other folders later.
  [[ -z $WHEEL || $WHEEL == /* ]] || WHEEL=$PWD/$WHEEL
  [[ -z $SECRET_FILE || $SECRET_FILE == /* ]] || SECRET_FILE=$PWD/$SECRET_FILE
  local label='[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  [[ -z $DOMAIN || $DOMAIN =~ ^($label\.)+$label$ ]] ||
    wrong_usage "--domain $DOMAIN: expected a name such as calls.example.com, without https:// and /"
  [[ -z $LARAVEL_URL || $LARAVEL_URL =~ ^https?://[^[:space:]/?#]+[^[:space:]?#]*$ ]] ||
    wrong_usage "--laravel-url: expected an address such as https://api.example.com"
  [[ $ORIGINS != *[[:space:]]* ]] || wrong_usage "--allowed-origins: expected origins with commas between them, and no spaces"
  [[ -z $PORT ]] || may_be_port "$PORT" ||
    wrong_usage "--port $PORT: expected a number from 1024 to 65535, and not $LARAVEL_PORT: nginx takes Laravel's calls there"
  [[ -z $MANAGER || $MANAGER == systemd || $MANAGER == pm2 ]] ||
    wrong_usage "--process-manager $MANAGER: expected systemd or pm2"
  if [[ -n $WHEEL ]]; then
    [[ ${WHEEL##*/} =~ ^onlycare_socket-[^-]+-.*\.whl$ ]] ||
      wrong_usage "--wheel $WHEEL: expected a file named onlycare_socket-VERSION-....whl"
    [[ -z $BUILD ]] || wrong_usage "--$BUILD says how to build a wheel; with --wheel nothing is built"
  fi
  ((!PURGE)) || [[ $ACTION == uninstall ]] || wrong_usage "--purge goes with --uninstall only"
  [[ $ACTION == install || -z $DOMAIN$LARAVEL_URL$SECRET_FILE$PORT$MANAGER$WHEEL$NGINX$BUILD && $ORIGINS_GIVEN == 0 ]] ||
    wrong_usage "--$ACTION takes no other options than --dry-run$([[ $ACTION == rollback ]] || printf ' and --purge')"
}

may_be_port() { [[ $1 =~ ^[1-9][0-9]{3,4}$ ]] && (($1 >= 1024 && $1 <= 65535 && $1 != LARAVEL_PORT)); }

# What an earlier run was told, and the defaults.
recall_choices() {
  if [[ -n $DOMAIN && -z $NGINX ]]; then NGINX=yes; fi
  DOMAIN=${DOMAIN:-$(value_in "$CHOICES" DOMAIN)}
  NGINX=${NGINX:-$(value_in "$CHOICES" NGINX)}
  NGINX=${NGINX:-yes}
  MANAGER=${MANAGER:-$(value_in "$CHOICES" PROCESS_MANAGER)}
  MANAGER=${MANAGER:-systemd}
  BUILD=${BUILD:-$(value_in "$CHOICES" BUILD)}
  BUILD=${BUILD:-compiled}
}

require_enough_said() {
  [[ $NGINX == no || -n $DOMAIN ]] ||
    wrong_usage "the first run needs --domain, the name phones connect to (or --no-nginx)"
  [[ -n $LARAVEL_URL || -n $(setting LARAVEL_API_URL) || $(setting AUTH) == jwt ]] ||
    wrong_usage "the first run needs --laravel-url, such as https://api.example.com"
}

# Reads the secret once, by the shell itself.
read_secret() {
  [[ -n $SECRET_FILE ]] || return 0
  [[ -r $SECRET_FILE && ! -d $SECRET_FILE ]] || die "--secret-file $SECRET_FILE: there is no such file to read"
  IFS= read -r SECRET <"$SECRET_FILE" || [[ -n $SECRET ]] || die "--secret-file $SECRET_FILE is empty"
  SECRET=${SECRET%$'\r'}
  [[ ${#SECRET} -ge 16 && $SECRET != *[![:graph:]]* ]] ||
    die "--secret-file $SECRET_FILE: expected at least 16 letters, digits or signs on its first line, without spaces"
  if [[ -f $SECRET_FILE && -n $(find "$SECRET_FILE" -maxdepth 0 -perm /077) ]]; then
    note secret "others on this machine may read $SECRET_FILE: chmod 600 $SECRET_FILE"
  fi
}
