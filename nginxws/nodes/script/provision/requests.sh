# --- requests -----------------------------------------------------------------------------------
#
# app-look, app-change, app-down, app-recover, install, add-site, drop-site, bye: each a word on a line, then "key value" lines, then "go".

reset() {
  STATE='' NAME='' TARGET='' SERVICE='' RESTART='' TX='' WHO='' MESSAGE='' ASKED='' PLANNED=''
  RELEASE='' SIZE=- SUM='' FRESH='' KIND=change OVERWRITE='' IGNORE_EDITORS='' RESTORING='' CONF='' MAIN=''
  LOCK_TIMEOUT=0 CONFIRM_TIMEOUT=30 RESTART_TIMEOUT=60 TAKE_TIMEOUT=300 KEEP=3 COUNT=0
  MANAGER='' PATIENCE=150 BIN='' SITE_NAME='' SITE_PORT='' RELOAD_TIMEOUT=30
}

# "key value" lines up to "go". Values are data: they are only ever assigned.
read_parameters() {
  while IFS= read -r line; do
    key=${line%% *} value=${line#* }
    case $key in
      go) return 0 ;;
      state) STATE=$value ;;
      name) NAME=$value ;;
      target) TARGET=$value ;;
      keep) KEEP=$value ;;
      service) SERVICE=$value ;;
      restart) RESTART=$value ;;
      restart-timeout) RESTART_TIMEOUT=$value ;;
      tx) TX=$value ;;
      who) WHO=$value ;;
      message) MESSAGE=$value ;;
      lock-timeout) LOCK_TIMEOUT=$value ;;
      confirm-timeout) CONFIRM_TIMEOUT=$value ;;
      ignore-editors) IGNORE_EDITORS=$value ;;
      manager) MANAGER=$value ;;
      patience) PATIENCE=$value ;;
      site-name) SITE_NAME=$value ;;
      site-port) SITE_PORT=$value ;;
      reload-timeout) RELOAD_TIMEOUT=$value ;;
      path) ASKED=$ASKED$value$NL ;;
      current) PLANNED=$value ;;
      overwrite) OVERWRITE=$value ;;
      release) # NAME SIZE SUM; no SIZE and SUM: it is there already
        RELEASE=${value%% *} value=${value#* }
        SIZE=${value%% *} SUM=${value#* }
        [ "$SIZE" = - ] || FRESH=$RELEASE
        ;;
      file) # BEFORE AFTER SIZE PATH
        COUNT=$((COUNT + 1))
        eval "before_$COUNT=\${value%% *}"; value=${value#* }
        eval "after_$COUNT=\${value%% *}"; value=${value#* }
        eval "size_$COUNT=\${value%% *} path_$COUNT=\${value#* } how_$COUNT=rename new_$COUNT="
        ;;
    esac
  done
  return 1
}

DD='' SUM_TOOL='' S='' QUEUE='' MASTER='' PREFIX=''
emit hello "1 $$ ${NONCE:-}"
while IFS= read -r request; do
  reset
  read_parameters || break
  case $request in
    app-look) do_app_look ;;
    app-change) do_app_change; break ;; # what the client sent with it may still stand on stdin
    app-down) KIND=down; do_app_change; break ;;
    app-recover) do_app_recover ;;
    install) do_install ;;
    add-site) do_add_site ;;
    drop-site) do_drop_site ;;
    *) break ;;
  esac
  [ -z "$STOP" ] || break
done
