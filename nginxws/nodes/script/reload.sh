# --- reload, and its proof ----------------------------------------------------------------------

# What is wrong is in why, and in SORT: log (the words are NGINX's own), silent (NGINX said nothing),
# blind (its log can't be read here), command, denied, gone (the master).
reload_and_prove() {
  SORT='' SIGNALLED=''
  is_master "$MASTER" || { master_gone; return 1; }
  look
  OLD=$SERVING
  # shellcheck disable=SC2086 # a list of numbers
  set -- $kids
  OLD_KIDS=" $* "
  log_mark
  note reloading || [ -n "$RESTORING" ] || { why="cannot write to $S"; return 1; }
  run_reload || return 1
  step prove
  prove
}

# The command that was asked for, else the init system's if it runs this NGINX, else the signal
# that nginx -s reload sends, to the master that we know.
run_reload() {
  if [ -n "$RELOAD" ]; then
    command_reload sh -c "$RELOAD" && return 0
    why="the reload command failed$why" SORT=command
    return 1
  fi
  if [ -d /run/systemd/system ] && have systemctl \
    && line=$(systemctl show -p MainPID --value nginx 2>/dev/null) && [ "$line" = "$MASTER" ]; then
    root_reload systemctl reload nginx && return 0
  elif [ "$CONF" = "$DEFAULT_CONF" ] && [ -x /etc/init.d/nginx ] && have service; then
    root_reload service nginx reload && return 0
  fi
  if kill -HUP "$MASTER" 2>/dev/null; then SIGNALLED=yes; return 0; fi
  sudo_reload && return 0
  SORT=denied
  why="may not signal the master process $MASTER, and sudo permits none of the usual reload commands"
  return 1
}

# "$@" in front of each usual reload command as sudo permits it, until one succeeds.
sudo_reload() {
  [ "$(id -u)" != 0 ] && have sudo || return 1
  for line in 'systemctl reload nginx' 'service nginx reload' '/sbin/service nginx reload' \
    '/etc/init.d/nginx reload'; do
    # shellcheck disable=SC2086 # words of a fixed command
    command_reload sudo -n "$@" $line && return 0
  done
  return 1
}

# Before anything live is touched: false only when it is certain that no reload can work.
may_reload() {
  [ "$(id -u)" != 0 ] && [ -z "$RELOAD" ] || return 0
  kill -0 "$MASTER" 2>/dev/null && return 0
  # Where there is polkit, systemctl may be permitted to this user without sudo: only trying it tells.
  if [ -d /run/systemd/system ] && have pkcheck; then return 0; fi
  sudo_reload -l && return 0
  why="may not signal the master process $MASTER, and sudo permits none of the usual reload commands"
  return 1
}

root_reload() { command_reload "$@" || { [ "$(id -u)" != 0 ] && have sudo && command_reload sudo -n "$@"; }; }

# What it says goes through a file: a daemon that it starts may keep a pipe open for ever.
command_reload() {
  if have timeout; then set -- timeout "$RELOAD_TIMEOUT" "$@"; fi
  said=$S/said
  { echo '' >"$said"; } 2>/dev/null || said=/dev/null # on the way back that must do
  outside "$@" >"$said" 2>&1 </dev/null
  code=$?
  why=$(head -c 4096 "$said" 2>/dev/null)
  if [ "$code" = 124 ]; then why=": it did not end within $RELOAD_TIMEOUT s${why:+$NL$why}"
  else why=" with exit status $code${why:+: $why}"; fi
  return "$code"
}

# Remembers which error logs there are, and where each ends now: "INODE SIZE PATH" a line.
log_state() {
  logs=
  each_line add_log "$LOGS"
}
add_log() {
  [ -f "$line" ] && [ -r "$line" ] || return 0
  logs=$logs$(stat -L -c '%i %s %n' -- "$line" 2>/dev/null || stat -L -f '%i %z %N' -- "$line")$NL
}
log_mark() { log_state; marks=$logs; }

# Sets complaints, what NGINX has complained of since the mark, and why, the first of them. All [emerg];
# [alert] and [crit] of the master itself (those with a "*N" are about a client's connection, and any
# balancer on the Internet has them).
log_complaints() {
  why='' complaints=''
  log_state
  [ "$logs" != "$marks" ] || return 0
  complaints=$(each_line new_complaints "$logs")
  [ -n "$complaints" ] || return 0
  why=$(printf '%s\n' "$complaints" | head -n 5) SORT=log
}
new_complaints() {
  case $NL$marks in *"$NL$line$NL"*) return 0 ;; esac
  inode=${line%% *} line=${line#* }
  size=${line%% *} log=${line#* } from=0
  case $NL$marks in # the same file, grown; else it was rotated, and all in it is new
    *"$NL$inode "*" $log$NL"*)
      from=$NL$marks; from=${from#*"$NL$inode "}; from=${from%% *}
      [ "$from" -le "$size" ] || from=0
      ;;
  esac
  tail -c "+$((from + 1))" "$log" | grep -E "\[emerg\]|\[(alert|crit)\] $MASTER#" | grep -vE '#[0-9]+: \*[0-9]+ ' | head -n 100
}

# New workers under the same master, and every old one gone or draining: exit codes prove nothing.
# On the way back a new master will do too, and complaints may still be about the way there.
prove() {
  countdown "$RELOAD_TIMEOUT"
  rounds=0 seen='' since=$NOW
  while :; do
    look
    fresh='' stale=''
    for pid in $OLD; do case $SERVING in *" $pid "*) stale="$stale $pid" ;; esac; done
    for pid in $SERVING; do case $OLD in *" $pid "*) ;; *) fresh="$fresh $pid" ;; esac; done
    if [ -n "$fresh" ] && [ -z "$stale" ]; then break; fi
    rounds=$((rounds + 1))
    if [ $((rounds % 25)) -eq 0 ]; then still_hopeful || return 1; fi
    if expired; then
      log_complaints
      why="no new worker processes within $RELOAD_TIMEOUT s (old ones:${stale:- none}, new ones:${fresh:- none})${why:+$NL$why}"
      [ -n "$SORT" ] || { SORT=silent; [ -n "$logs" ] || SORT=blind; }
      return 1
    fi
    nap
  done
  [ -z "$RESTORING" ] || return 0
  log_complaints
  [ -z "$why" ]
}

still_hopeful() {
  if [ -n "$RESTORING" ]; then still_changing && ! kept_old; return; fi
  why=$STOP
  [ -z "$STOP" ] || return 1
  log_complaints
  [ -z "$why" ] || return 1
  is_master "$MASTER" || { master_gone; return 1; }
  kept_old || return 0
  log_complaints
  [ -z "$why" ] || return 1
  why='no new worker processes: NGINX is done with the reload, and has kept the old ones' SORT=silent
  [ -n "$logs" ] || SORT=blind
  return 1
}

master_gone() {
  why="the master process $MASTER is gone" SORT=died
  [ -z "$RELOAD" ] || { why="$why (a reload must not restart NGINX: that drops every open socket)" SORT=gone; }
}

# Whether NGINX is done with the reload that we have signalled, and has started nothing: the signal isn't
# pending any more, and (looked at after that) the master sleeps where it waits for the next one. Only the
# master's owner and root may see where it sleeps, and not every kernel tells; then it can't be known.
kept_old() {
  [ -n "$SIGNALLED" ] || return 1
  place=$(sed -n 's/^ShdPnd:[[:space:]]*//p' "/proc/$MASTER/status" 2>/dev/null)
  case $place in *[02468aceACE]) ;; *) return 1 ;; esac # SIGHUP is the lowest bit
  { read -r place <"/proc/$MASTER/wchan"; } 2>/dev/null
  case $place in *sigsuspend*) ;; *) return 1 ;; esac
  look
  for kid in $kids; do case $OLD_KIDS in *" $kid "*) ;; *) return 1 ;; esac; done
}

# On the way back, hope ends when NGINX has refused to reload, or is gone, and then for 3 s (it tries to
# bind for 2.5 s) neither says more nor has other workers: what was there before us can't be loaded either.
still_changing() {
  is_master "$MASTER" || find_master
  log_complaints
  now=$MASTER$SERVING$DRAINING$complaints
  if [ "$now" != "$seen" ]; then seen=$now since=$NOW; fi
  if [ -n "$MASTER" ]; then case $complaints in *'[emerg]'*) ;; *) return 0 ;; esac; fi
  [ $((NOW - since)) -lt 3 ]
}
