# --- restarting the application -------------------------------------------------------------------

# Sets MANAGED, the words that restart service $SERVICE: those of what manages it here.
find_manager() {
  MANAGED=
  [ -n "$SERVICE" ] || return 0
  if [ -d /run/systemd/system ] && have systemctl && systemctl cat -- "$SERVICE" >/dev/null 2>&1; then
    MANAGED="systemctl restart $SERVICE"
  elif have rc-service && rc-service --exists "$SERVICE" 2>/dev/null; then MANAGED="rc-service $SERVICE restart"
  elif [ -x "/etc/init.d/$SERVICE" ] && have service; then MANAGED="service $SERVICE restart"
  elif [ -x "/etc/init.d/$SERVICE" ]; then MANAGED="/etc/init.d/$SERVICE restart"
  else return 1; fi
}

wants_restart() { [ -n "$SERVICE$RESTART" ]; }

# True when the restart succeeds; if not, why tells.
restart_app() {
  if [ -n "$RESTART" ]; then run_detached sh -c "$RESTART"; return; fi
  find_manager || { why="nothing here manages a service $SERVICE"; return 1; }
  # systemd refuses one that was started too often in a row: on the way back that must not stop us.
  case $RESTORING$MANAGED in yessystemctl*) run_detached systemctl reset-failed "$SERVICE" ;; esac
  # shellcheck disable=SC2086 # words of a fixed command
  run_detached $MANAGED && return 0
  [ "$ME" != 0 ] && have sudo || return 1
  said_first=$why
  # shellcheck disable=SC2086
  run_detached sudo -n $MANAGED && return 0
  why=$said_first
  return 1
}

# With nothing deployed there may be nothing to restart, so that may fail: nothing_left RELEASE OTHER, where the
# one is deployed now, and the other was. Then spoken tells.
nothing_left() {
  [ "$1" = - ] && [ "$2" != - ] || return 1
  spoken="with nothing deployed, $why"
}

# "$@" in a session of its own, at most $RESTART_TIMEOUT seconds: what it starts is to outlive us, with none
# of our streams, our lock or our deafness to SIGPIPE. Its words go through a file, for what it starts may
# keep a pipe open for ever.
run_detached() {
  said=$S/said
  { echo '' >"$said" && echo '' >"$S/leader"; } 2>/dev/null || said=/dev/null # on the way back that must do
  if have timeout; then
    if timeout -k 1 1 true 2>/dev/null; then set -- timeout -k 5 "$RESTART_TIMEOUT" "$@"
    else set -- timeout "$RESTART_TIMEOUT" "$@"; fi
  fi
  # shellcheck disable=SC2016 # expanded by the inner shell
  set -- sh -c '{ echo $$ >"$0"; } 2>/dev/null; exec "$@"' "$S/leader" "$@"
  if have setsid; then set -- setsid "$@"; fi
  (umask 022; trap - PIPE; exec "$@") >"$said" 2>&1 </dev/null 9>&-
  code=$?
  why=$(head -c 4096 "$said" 2>/dev/null)
  case $code in
    0) return 0 ;;
    124 | 137 | 143)
      end_leftovers
      why="the restart did not end within $RESTART_TIMEOUT s${why:+$NL$why}" ;;
    *) why="the restart failed with exit status $code${why:+: $why}" ;;
  esac
  return 1
}

# Some kinds of timeout end the command alone, not what it has started.
end_leftovers() {
  leader=
  { read -r leader <"$S/leader"; } 2>/dev/null
  if have setsid && is_number "$leader"; then kill -KILL -- "-$leader" 2>/dev/null; fi
}
