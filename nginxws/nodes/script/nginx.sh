# --- the running NGINX --------------------------------------------------------------------------

# Sets title: the command line of process $1 as its owner titled it.
title_of() {
  title=
  if [ -r "/proc/$1/cmdline" ]; then
    { IFS= read -r title <"/proc/$1/cmdline"; } 2>/dev/null
  elif [ ! -d /proc/self ]; then
    title=$(ps -o args= -p "$1" 2>/dev/null)
  fi
}

# Sets SERVING and DRAINING: the pids of $MASTER's workers, a blank around each.
look() {
  SERVING=' ' DRAINING=' ' kids=
  if [ -r "/proc/$MASTER/task/$MASTER/children" ]; then
    { read -r kids <"/proc/$MASTER/task/$MASTER/children"; } 2>/dev/null
  elif [ -n "$MASTER" ]; then
    kids=$(ps -A -o pid= -o ppid= 2>/dev/null | awk -v m="$MASTER" '$2 == m { print $1 }')
  fi
  for kid in $kids; do
    title_of "$kid"
    case $title in
      'nginx: worker process is shutting down'*) DRAINING="$DRAINING$kid " ;;
      'nginx: worker process'*) SERVING="$SERVING$kid " ;;
    esac
  done
}

# Sets WORKERS: "PID serving" or "PID draining" a line.
tell_workers() {
  look
  WORKERS=
  for kid in $SERVING; do WORKERS="$WORKERS${WORKERS:+$NL}$kid serving"; done
  for kid in $DRAINING; do WORKERS="$WORKERS${WORKERS:+$NL}$kid draining"; done
}

is_master() {
  is_number "$1" || return 1
  title_of "$1"
  case $title in 'nginx: master process'*) return 0 ;; esac
  return 1
}

# Sets MASTER (empty: not running) from the pid file, else from the process titles.
find_master() {
  MASTER='' pid=
  if [ -n "$PIDFILE" ] && [ -r "$PIDFILE" ]; then
    { read -r pid <"$PIDFILE"; } 2>/dev/null
    if is_master "${pid:-x}"; then MASTER=$pid; return 0; fi
  fi
  for dir in /proc/[0-9]*; do
    is_master "${dir#/proc/}" || continue
    case "$title " in
      *" -c $CONF "*) ;;
      *' -c '*) continue ;;
      *) [ "$CONF" = "$DEFAULT_CONF" ] || continue ;;
    esac
    # A container's NGINX has the same title; it isn't ours.
    pid=$(readlink "$dir/ns/pid" 2>/dev/null) || pid=
    if [ -z "$pid" ] || [ "$pid" = "$(readlink /proc/self/ns/pid)" ]; then MASTER=${dir#/proc/}; return 0; fi
  done
  return 1
}

# Sets why: what NGINX does, having no master process: nothing, or all its work in one.
no_master() {
  why='NGINX is not running' pid=
  { read -r pid <"$PIDFILE"; } 2>/dev/null
  is_number "${pid:-x}" || return 0
  title_of "$pid"
  case $title in
    'nginx: '*) ;; # some other one's: the pid file is old
    *"${BIN##*/}"*) why="NGINX runs without a master process (process $pid), and can't be reloaded" ;;
  esac
}

# The value of --$1= in nginx -V, in $built.
built_with() {
  case $VERSION in *" --$1="*) built=${VERSION#*" --$1="}; built=${built%%[ "$NL"]*} ;; *) built= ;; esac
}

# $1 below the prefix, in $placed, unless it is absolute.
in_prefix() { case $1 in '' | /*) placed=$1 ;; *) placed=${PREFIX:-$BUILT_PREFIX}/$1 ;; esac; }

find_binary() {
  [ -z "$BIN" ] || { [ -x "$BIN" ] || BIN=$(command -v "$BIN" 2>/dev/null) || BIN=; return; }
  for BIN in "$(command -v nginx 2>/dev/null)" /usr/sbin/nginx /usr/local/sbin/nginx \
    /usr/local/nginx/sbin/nginx /usr/local/openresty/bin/openresty /opt/homebrew/bin/nginx; do
    if [ -n "$BIN" ] && [ -x "$BIN" ]; then return; fi
  done
  BIN=
}

# Which binary, which configuration, which process: BIN VERSION CONF MAIN PREFIX PIDFILE MASTER LISTED.
locate() {
  if [ "$LOCATED" = "$BIN|$CONF|$STATE" ]; then BIN=$located_bin CONF=$located_conf; find_master; return 0; fi
  asked="$BIN|$CONF|$STATE" PREFIX=''
  find_binary
  [ -n "$BIN" ] || { refuse no-nginx 'no nginx program found'; return 1; }
  VERSION=$("$BIN" -V 2>&1 </dev/null) || { refuse no-nginx "$BIN -V: $VERSION"; return 1; }
  built_with prefix; BUILT_PREFIX=$built
  built_with conf-path; in_prefix "$built"; DEFAULT_CONF=$placed
  built_with pid-path; in_prefix "$built"; PIDFILE=$placed
  if [ -z "$CONF" ]; then
    CONF=$DEFAULT_CONF
    # A master started with -c says so in its title.
    if find_master; then case "$title " in *' -c /'*) CONF=${title#* -c }; CONF=${CONF%% *} ;; esac; fi
  fi
  [ -f "$CONF" ] || { refuse no-conf "$CONF: no such file"; return 1; }
  [ -r "$CONF" ] || { refuse denied "$CONF: permission denied"; return 1; }
  MAIN=$(realpath -- "$CONF" 2>/dev/null || readlink -f "$CONF")
  list_files
  if find_master; then
    case "$title " in *' -p /'*) PREFIX=${title#* -p }; PREFIX=${PREFIX%% *} ;; esac
    # Relative names may need the prefix that this NGINX runs with.
    [ -n "$LISTED" ] || [ -z "$PREFIX" ] || list_files
  fi
  open_state
  LOCATED=$asked located_bin=$BIN located_conf=$CONF
}

# Sets LISTED, the files of the configuration by nginx -T (none: its test fails), and PIDFILE.
list_files() {
  LISTED=$(nginx -T 2>/dev/null | awk '
    /^# configuration file .*:$/ { files = files "\n" substr($0, 22, length($0) - 22) }
    /^[ \t]*pid[ \t]/ && !pid { pid = $0; sub(/^[ \t]*pid[ \t]+/, "", pid); sub(/[ \t]*;.*/, "", pid); gsub(/["\047]/, "", pid) }
    END { print pid files }')
  line=${LISTED%%"$NL"*}
  case $LISTED in
    *"$NL"*) LISTED=${LISTED#*"$NL"} ;;
    *) LISTED='' line=$(sed -n 's/^[ 	]*pid[ 	][ 	]*\([^;]*\);.*/\1/p' "$CONF" | head -n 1) ;;
  esac
  [ -z "$line" ] || { in_prefix "$line"; PIDFILE=$placed; }
  drop_empty_pid_file
}

# nginx -t makes the pid file when it is missing, and leaves it empty: in the way of a later start.
drop_empty_pid_file() {
  if [ -f "$PIDFILE" ] && [ ! -s "$PIDFILE" ]; then rm -f -- "$PIDFILE"; fi
}
