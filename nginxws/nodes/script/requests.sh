# --- requests -----------------------------------------------------------------------------------

reset() {
  BIN='' CONF='' STATE='' RELOAD='' LOGS='' TX='' WHO='' MESSAGE='' PATTERN='' FORCE='' ACCEPT='' TEST_REFUSED=''
  DIGEST='' KIND=apply REVISION='' NTH=''
  IGNORE_EDITORS='' MAX_DRAINING=0 PATIENCE=150
  LOCK_TIMEOUT=0 RELOAD_TIMEOUT=30 CONFIRM_TIMEOUT=30 KEEP=20 COUNT=0 BASE_PATHS='' BASE_SUMS='' RESTORING=''
}

# "key value" lines up to "go". Values are data: they are only ever assigned.
read_parameters() {
  while IFS= read -r line; do
    key=${line%% *} value=${line#* }
    case $key in
      go) return 0 ;;
      bin) BIN=$value ;;
      conf) CONF=$value ;;
      state) STATE=$value ;;
      reload) RELOAD=$value ;;
      log) LOGS=$LOGS$value$NL ;;
      tx) TX=$value ;;
      who) WHO=$value ;;
      message) MESSAGE=$value ;;
      digest) DIGEST=$value ;;
      kind) KIND=$value ;;
      pattern) PATTERN=$value ;;
      force) FORCE=$value ;;
      revision) REVISION=$value ;;
      nth) NTH=$value ;;
      accept) ACCEPT=$value ;;
      test-refused) TEST_REFUSED=$value ;;
      lock-timeout) LOCK_TIMEOUT=$value ;;
      reload-timeout) RELOAD_TIMEOUT=$value ;;
      confirm-timeout) CONFIRM_TIMEOUT=$value ;;
      keep) KEEP=$value ;;
      ignore-editors) IGNORE_EDITORS=$value ;;
      max-draining) MAX_DRAINING=$value ;;
      base) BASE_SUMS=$BASE_SUMS${value%% *}$NL; BASE_PATHS=$BASE_PATHS${value#* }$NL ;;
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

LOCATED='' MASTER='' PREFIX='' PIDFILE='' VERSION='' DD='' SUM_TOOL='' S='' LISTED='' QUEUE=''
emit hello "1 $$ ${NONCE:-}"
while IFS= read -r request; do
  reset
  read_parameters || break
  case $request in
    snapshot) do_snapshot ;;
    read) do_read ;;
    transaction) do_transaction; break ;; # what the client sent with it may still stand on stdin
    recover) do_recover ;;
    unlock) do_unlock ;;
    history) do_history ;;
    show) do_show ;;
    *) break ;;
  esac
  [ -z "$STOP" ] || break
done
