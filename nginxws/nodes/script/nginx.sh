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

# Sets GENERATIONS, how many reloads the draining workers are from, and OLDEST, how long ago the first
# of them was started (s). The master sleeps 100 ms between starting new workers and telling the old
# ones to go (ngx_master_process_cycle): less than that between two starts, and they are of one reload.
generations() {
  GENERATIONS=0 OLDEST=0
  [ "$DRAINING" != ' ' ] || return 0
  if [ -r /proc/self/stat ]; then
    # Field 22 of stat, in ticks since boot; 20 after the name, which may hold anything. cat's own: now.
    unit=$(getconf CLK_TCK 2>/dev/null) || unit=100
    gap=$((unit / 10))
    stats=/proc/self/stat
    for kid in $DRAINING; do stats="$stats /proc/$kid/stat"; done
    # shellcheck disable=SC2086 # a list of files
    ages=$(cat $stats 2>/dev/null | awk '{ sub(/.*\) /, "") } NR == 1 { now = $20; next } { print now - $20 }')
  else
    # Whole seconds: reloads less than two of them apart count as one.
    unit=1 gap=2
    ages=$(for kid in $DRAINING; do ps -o etime= -p "$kid" 2>/dev/null; done \
      | awk '{ n = split($1, p, /[-:]/); print p[n] + 60 * p[n-1] + 3600 * p[n-2] + 86400 * p[n-3] }')
  fi
  ages=$(printf '%s\n' "$ages" | sort -n | awk -v gap="$gap" -v unit="$unit" \
    'NF { if (!n || $1 - last >= gap) n++; last = $1 } END { print n + 0, int(last / unit) }')
  # shellcheck disable=SC2034 # not every script asks for both
  GENERATIONS=${ages% *} OLDEST=${ages#* }
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
  case $BIN in
    '') ;;
    */*) is_program "$BIN" || BIN=; return ;;
    *) BIN=$(on_path "$BIN"); return ;;
  esac
  for BIN in "$(on_path nginx)" /usr/sbin/nginx /usr/local/sbin/nginx /usr/local/nginx/sbin/nginx \
    /usr/local/openresty/bin/openresty /opt/homebrew/bin/nginx; do
    if is_program "$BIN"; then return; fi
  done
  BIN=
}
is_program() { [ -f "$1" ] && [ -x "$1" ]; }
on_path() { unset -f "$1"; command -v "$1" 2>/dev/null; } # not a function of ours: call it in a subshell

# Which binary, which configuration, which process: BIN VERSION CONF MAIN PREFIX PIDFILE MASTER LISTED.
locate() {
  if [ "$LOCATED" = "$BIN|$CONF|$STATE" ]; then BIN=$located_bin CONF=$located_conf; find_master; return 0; fi
  asked="$BIN|$CONF|$STATE" PREFIX=''
  find_binary
  [ -n "$BIN" ] || { refuse no-nginx 'no nginx program found'; return 1; }
  VERSION=$( { patiently "$BIN" -V 2>&1 </dev/null || echo "exit status $?"; } | head -c "$MAX_WORDS")
  case $VERSION in *"exit status "[0-9]*) refuse no-nginx "$BIN -V: $VERSION"; return 1 ;; esac
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
  case $status in 124 | 143) refuse stuck "$BIN -T"; return 1 ;; esac
  if find_master; then
    case "$title " in *' -p /'*) PREFIX=${title#* -p }; PREFIX=${PREFIX%% *} ;; esac
    # Relative names may need the prefix that this NGINX runs with.
    [ -n "$LISTED" ] || [ -z "$PREFIX" ] || list_files
  fi
  open_state
  is_safe || return 1
  LOCATED=$asked located_bin=$BIN located_conf=$CONF
}

# Sets LISTED, the files of the configuration by nginx -T (none: its test fails), and PIDFILE.
list_files() {
  LISTED=$( { nginx -T 2>/dev/null || printf '\n# exit status %s\n' "$?"; } | head -c $((MAX_BYTES * 2)) | awk -v most="$MAX_FILES" '
    /^# configuration file .*:$/ && n++ <= most { print substr($0, 22, length($0) - 22) }
    /^# exit status [0-9]+$/ { status = $4 }
    /^[ \t]*pid[ \t]/ && !pid { pid = $0; sub(/^[ \t]*pid[ \t]+/, "", pid); sub(/[ \t]*;.*/, "", pid); gsub(/["\047]/, "", pid) }
    END { print status + 0, pid }')
  line=${LISTED##*"$NL"}
  status=${line%% *} line=${line#* }
  case $LISTED in
    *"$NL"*) LISTED=${LISTED%"$NL"*} ;;
    *) LISTED='' line=$(sed -n 's/^[ 	]*pid[ 	][ 	]*\([^;]*\);.*/\1/p' "$CONF" | head -n 1) ;;
  esac
  [ -z "$line" ] || { in_prefix "$line"; PIDFILE=$placed; }
  drop_empty_pid_file
}

# nginx -t makes the pid file when it is missing, and leaves it empty: in the way of a later start.
drop_empty_pid_file() {
  if [ -f "$PIDFILE" ] && [ ! -s "$PIDFILE" ]; then rm -f -- "$PIDFILE"; fi
}
