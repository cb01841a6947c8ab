# node.sh: the part of nginxws that runs on the balancer, as root or as the login user.
#
# It reads requests on stdin and answers in frames on stdout: "@KIND LENGTH\n", LENGTH bytes, "\n".
# One request is a word on a line, then "key value" lines, then "go". Requests: snapshot, read,
# transaction, recover, unlock, bye. Runs on dash, busybox ash and bash; needs no Python.
#
# State, below $STATE/<key of the main configuration file>, all 0700:
#   lock, owner     who holds the lock (flock; a directory where there is no flock)
#   staging         names of temporary files that a transaction may leave beside the configuration
#   pending/        a transaction that has touched, or is about to touch, live files: its undo
#   revisions/N/    committed transactions, the newest $KEEP of them
# The rename of pending/ to revisions/N is the moment of commit.
# shellcheck shell=sh

set -u
LC_ALL=C; export LC_ALL; unset CDPATH
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin; export PATH
umask 077
trap '' PIPE # a client that went away must not end us half way: we go on, and restore
STOP=; trap 'STOP=HUP' HUP; trap 'STOP=INT' INT; trap 'STOP=TERM' TERM
NL='
'

# --- talking ---------------------------------------------------------------------------------

emit() { printf '@%s %s\n%s\n' "$1" "${#2}" "$2" 2>/dev/null; }
step() { emit step "$1${2:+ $2}"; }

# The last word on a request: emit_done OUTCOME CODE TEXT
emit_done() { emit "done" "$1 $2$NL$3"; }

# Exactly $1 bytes of stdin to stdout. head -c would read ahead and eat what follows.
take() {
  [ "$1" -gt 0 ] || return 0
  dd bs=65536 count="$1" iflag=fullblock,count_bytes 2>/dev/null || dd bs=1 count="$1" 2>/dev/null
}

# --- small tools -----------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

# sha256 of each file named, one hex word a line ("-" where a file can't be read).
sums() {
  if have sha256sum; then for_each_sum sha256sum "$@"
  elif have shasum; then for_each_sum 'shasum -a 256' "$@"
  else for_each_sum 'sha256 -r' "$@"; fi
}
for_each_sum() {
  sum_tool=$1; shift
  # One fork for all; only when a file is missing, one a file.
  # shellcheck disable=SC2086 # the tool is one of three fixed commands
  if sum_out=$($sum_tool -- "$@" 2>/dev/null); then
    printf '%s\n' "$sum_out" | sed -e 's/^\\//' -e 's/[^0-9a-f].*//'
  else
    for sum_file in "$@"; do
      # shellcheck disable=SC2086
      sum_out=$($sum_tool <"$sum_file" 2>/dev/null) && printf '%s\n' "${sum_out%%[!0-9a-f]*}" || echo -
    done
  fi
}

flush() { sync "$@" 2>/dev/null || sync; } # old sync takes no names: then everything is flushed

# NOW: seconds on a clock that nobody sets (where there is no such clock, the wall's).
tick() {
  if { read -r NOW _ </proc/uptime; } 2>/dev/null; then NOW=${NOW%%.*}; else NOW=$(date +%s); fi
}

nap() { sleep 0.02 2>/dev/null || sleep 1; }

# nginx itself: never with our lock's descriptor, and with an ordinary umask.
nginx() {
  if [ -n "${PREFIX:-}" ]; then set -- -p "$PREFIX" "$@"; fi
  (umask 022; exec "$BIN" -c "$CONF" "$@") 9>&-
}

is_number() { case ${1:-x} in *[!0-9]*) return 1 ;; esac; }

# --- the running NGINX -----------------------------------------------------------------------

# The command line of process $1 as its owner titled it.
title_of() {
  title=
  if [ -r "/proc/$1/cmdline" ]; then
    { IFS= read -r title <"/proc/$1/cmdline"; } 2>/dev/null
  elif [ ! -d /proc/self ]; then
    title=$(ps -o args= -p "$1" 2>/dev/null)
  fi
}

# "PID serving|draining" for each worker of $MASTER.
workers() {
  kids=
  if [ -r "/proc/$MASTER/task/$MASTER/children" ]; then
    { read -r kids <"/proc/$MASTER/task/$MASTER/children"; } 2>/dev/null
  else
    kids=$(ps -A -o pid= -o ppid= 2>/dev/null | awk -v m="$MASTER" '$2 == m { print $1 }')
  fi
  for kid in $kids; do
    title_of "$kid"
    case $title in
      *'worker process is shutting down'*) echo "$kid draining" ;;
      *'worker process'*) echo "$kid serving" ;;
    esac
  done
}

is_master() {
  is_number "$1" || return 1
  title_of "$1"
  case $title in *'nginx: master process'*) return 0 ;; esac
  return 1
}

# Sets MASTER (empty: not running) from the pid file, else from the process titles.
find_master() {
  MASTER=
  pid=
  if [ -n "$PIDFILE" ] && [ -r "$PIDFILE" ]; then
    { read -r pid <"$PIDFILE"; } 2>/dev/null
    if is_master "${pid:-x}"; then MASTER=$pid; return 0; fi
  fi
  for dir in /proc/[0-9]*; do
    is_master "${dir#/proc/}" || continue
    case "$title " in
      *" -c $CONF "*) MASTER=${dir#/proc/}; return 0 ;;
      *' -c '*) ;;
      *) if [ "$CONF" = "$DEFAULT_CONF" ]; then MASTER=${dir#/proc/}; return 0; fi ;;
    esac
  done
  return 1
}

built_with() { printf '%s\n' "$VERSION" | tr ' ' '\n' | sed -n "s|^--$1=||p" | head -n 1; }

in_prefix() { case $1 in '' | /*) printf %s "$1" ;; *) printf %s "${PREFIX:-$BUILT_PREFIX}/$1" ;; esac; }

find_binary() {
  [ -z "$BIN" ] || { [ -x "$BIN" ] || BIN=$(command -v "$BIN" 2>/dev/null) || BIN=; return; }
  for BIN in "$(command -v nginx 2>/dev/null)" /usr/sbin/nginx /usr/local/sbin/nginx \
    /usr/local/nginx/sbin/nginx /usr/local/openresty/bin/openresty /opt/homebrew/bin/nginx; do
    if [ -n "$BIN" ] && [ -x "$BIN" ]; then return; fi
  done
  BIN=
}

# Which binary, which configuration, which process: BIN VERSION CONF PREFIX PIDFILE MASTER LISTED.
locate() {
  [ "$LOCATED" != "$BIN|$CONF" ] || { BIN=$located_bin CONF=$located_conf; is_master "$MASTER" || find_master; return 0; }
  asked="$BIN|$CONF" PREFIX=''
  find_binary
  [ -n "$BIN" ] || { refuse no-nginx 'no nginx program found'; return 1; }
  VERSION=$("$BIN" -V 2>&1 </dev/null) || { refuse no-nginx "$BIN -V: $VERSION"; return 1; }
  BUILT_PREFIX=$(built_with prefix)
  DEFAULT_CONF=$(in_prefix "$(built_with conf-path)")
  PIDFILE=$(in_prefix "$(built_with pid-path)")
  if [ -z "$CONF" ]; then
    CONF=$DEFAULT_CONF
    # A master started with -c and -p says so in its title.
    if find_master && title_of "$MASTER"; then
      case "$title " in *' -c /'*) CONF=${title#* -c }; CONF=${CONF%% *} ;; esac
    fi
  fi
  [ -f "$CONF" ] || { refuse no-conf "$CONF: no such file"; return 1; }
  [ -r "$CONF" ] || { refuse denied "$CONF: permission denied"; return 1; }
  MAIN=$(realpath -- "$CONF" 2>/dev/null || readlink -f "$CONF")
  LISTED=$(nginx -T 2>/dev/null </dev/null | awk '
    /^# configuration file .*:$/ { print "f" substr($0, 22, length($0) - 22); next }
    /^[ \t]*pid[ \t]/ && !pid { pid = $0; sub(/^[ \t]*pid[ \t]+/, "", pid); sub(/[ \t]*;.*/, "", pid); print "p" pid }')
  pid_line=$(printf '%s\n' "$LISTED" | sed -n 's/^p//p' | head -n 1)
  [ -z "$pid_line" ] || PIDFILE=$(in_prefix "$pid_line")
  [ -n "$LISTED" ] || scan_pid
  LISTED=$(printf '%s\n' "$LISTED" | sed -n 's/^f//p')
  if find_master; then
    case "$title " in *' -p /'*) PREFIX=${title#* -p }; PREFIX=${PREFIX%% *} ;; esac
  fi
  LOCATED=$asked located_bin=$BIN located_conf=$CONF
}

# The configuration doesn't pass its test: the pid directive from the main file alone.
scan_pid() {
  pid_line=$(sed -n 's/^[ 	]*pid[ 	][ 	]*\([^;]*\);.*/\1/p' "$CONF" | head -n 1)
  [ -z "$pid_line" ] || PIDFILE=$(in_prefix "$pid_line")
}

# --- state -----------------------------------------------------------------------------------

open_state() {
  if [ -z "$STATE" ]; then
    if [ "$(id -u)" = 0 ]; then STATE=/var/lib/nginxws; else STATE=${HOME:-/nonexistent}/.local/state/nginxws; fi
  fi
  key=$(printf %s "$MAIN" | sums /dev/stdin)
  S=$STATE/$(printf %s "${key}" | cut -c1-16)
}

make_state() {
  mkdir -p -- "$S/revisions" 2>/dev/null && chmod 700 -- "$S" 2>/dev/null && [ -w "$S" ] && printf '%s\n' "$MAIN" >"$S/conf"
}

# Takes the lock or, after $LOCK_TIMEOUT seconds, says who holds it. Descriptor 9 is the lock.
lock() {
  locked_by=
  tick; until=$((NOW + LOCK_TIMEOUT))
  while ! try_lock; do
    holder=$(cat "$S/owner" 2>/dev/null)
    [ "$holder" = "$locked_by" ] || { locked_by=$holder; step wait "$(printf %s "$holder" | tr '\n' ' ')"; }
    tick
    if [ -n "$STOP" ] || [ "$NOW" -ge "$until" ]; then
      emit_done refused locked "$holder"
      return 1
    fi
    nap; nap; nap
  done
  printf 'pid %s\nwho %s\nsince %s\n' "$$" "$WHO" "$(date +%s)" >"$S/owner"
}

try_lock() {
  if have flock; then
    exec 9>>"$S/lock"
    flock -n 9 2>/dev/null && return 0
    exec 9>&-
    return 1
  fi
  mkdir "$S/lock.d" 2>/dev/null && { echo "$$ $(birth $$)" >"$S/lock.d/pid"; return 0; }
  break_dead_lock
  return 1
}

# A moment that tells two processes with one pid apart.
birth() { ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'; }

# Only without flock: a lock whose owner is dead is taken away under a lock of its own.
break_dead_lock() {
  { read -r dead_pid dead_birth <"$S/lock.d/pid"; } 2>/dev/null || return 0
  [ "$(birth "$dead_pid")" != "$dead_birth" ] || return 0
  mkdir "$S/lock.break" 2>/dev/null || return 0
  { read -r again_pid again_birth <"$S/lock.d/pid"; } 2>/dev/null
  if [ "$again_pid $again_birth" = "$dead_pid $dead_birth" ]; then rm -rf -- "$S/lock.d"; fi
  rmdir "$S/lock.break"
}

unlock() {
  rm -f -- "$S/owner"
  if have flock; then exec 9>&-; else rm -rf -- "$S/lock.d"; fi
}

refuse() { emit_done refused "$1" "$2"; }

# Temporary files of a transaction that ended before it touched anything live.
sweep_staging() {
  [ -f "$S/staging" ] || return 0
  while IFS= read -r left; do
    case ${left##*/} in .nginxws-*) rm -f -- "$left" ;; esac
  done <"$S/staging"
  rm -rf -- "$S/stage" "$S/pending.tmp"
  rm -f -- "$S/staging"
}

# --- snapshot --------------------------------------------------------------------------------

do_snapshot() {
  locate || return 0
  open_state
  emit nginx "$BIN$NL$CONF$NL$MAIN$NL${PREFIX:-}$NL${PIDFILE:-}$NL$DEFAULT_CONF$NL$VERSION"
  if [ -z "$LISTED" ]; then
    emit untested "$(nginx -t 2>&1 </dev/null)"
    LISTED=$CONF
  fi
  emit processes "${MASTER:-0}$NL$([ -z "$MASTER" ] || workers)"
  emit host "$(id -u) $(id -un 2>/dev/null)$NL$(tool_list)"
  emit sockets "$(ss -Hltn 2>/dev/null | awk '{ print $4 }')"
  emit state "$S$NL$(cat "$S/owner" 2>/dev/null)"
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  send_files "$LISTED"
  emit_done ok snapshot ''
}

tool_list() { for tool in flock unshare systemctl service realpath; do have "$tool" && echo "$tool"; done; }

# The files named on the lines of $1, as they are: names, real names, metadata, bytes, checksums.
send_files() {
  old_ifs=$IFS; IFS=$NL; set -f
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $1
  IFS=$old_ifs; set +f
  for file in "$@"; do
    shift
    if is_configuration "$file"; then set -- "$@" "$file"; fi
  done
  if [ $# -eq 0 ]; then emit paths ''; return; fi
  emit paths "$(printf '%s\n' "$@")"
  emit reals "$(realpath -- "$@" 2>/dev/null || for file in "$@"; do readlink -f "$file"; done)"
  stats=$(stat -L -c '%s %a %u %g %h' -- "$@" 2>/dev/null || stat -L -f '%z %Lp %u %g %l' -- "$@")
  emit stats "$stats"
  emit access "$(for file in "$@"; do access_of "$file"; done)"
  total=0
  for number in $(printf '%s\n' "$stats" | cut -d' ' -f1); do total=$((total + number)); done
  printf '@bytes %s\n' "$total"
  cat -- "$@"
  printf '\n'
  emit sums "$(sums "$@")"
}

# A regular file we may read, and not a private key that an include or a comment names.
is_configuration() {
  [ -f "$1" ] && [ -r "$1" ] || return 1
  first=
  { IFS= read -r first <"$1"; } 2>/dev/null
  case $first in '-----BEGIN'*) return 1 ;; esac
}

access_of() { if [ -w "$1" ]; then echo w; else echo -; fi; }

# More files by pattern, when `nginx -T` couldn't list them.
do_read() {
  old_ifs=$IFS; IFS=
  # shellcheck disable=SC2086 # a glob on purpose; IFS is empty, so blanks stay
  found=$(for match in $PATTERN; do [ -e "$match" ] && printf '%s\n' "$match"; done)
  IFS=$old_ifs
  send_files "$found"
  emit_done ok read ''
}

# --- transaction -----------------------------------------------------------------------------

# Calls "$@ N" for every file of the transaction, with the variables of file N set.
each_file() {
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    path='' before='' after='' how='' size=''
    eval "path=\$path_$n before=\$before_$n after=\$after_$n how=\$how_$n size=\$size_$n"
    dir=${path%/*}
    new=$dir/.nginxws-$TX-$n.new
    orig=$dir/.nginxws-$TX-$n.orig
    "$@" || return 1
  done
}

do_transaction() {
  locate || return 0
  open_state
  [ -n "$MASTER" ] || { refuse not-running "$PIDFILE"; return; }
  make_state || { refuse no-state "$S"; return; }
  step lock
  lock || return 0
  if [ -d "$S/pending" ]; then
    refuse pending ''
  elif base_unchanged; then
    sweep_staging
    stage_and_go
  fi
  unlock
}

# Every file of the plan's snapshot still has the checksum it had then.
base_unchanged() {
  old_ifs=$IFS; IFS=$NL; set -f
  # shellcheck disable=SC2086 # split at line ends on purpose
  now=$(sums $BASE_PATHS)
  IFS=$old_ifs; set +f
  [ "$now$NL" = "$BASE_SUMS" ] && return 0
  emit_done refused stale "$(changed_files)"
  return 1
}

changed_files() {
  rest=$BASE_SUMS
  old_ifs=$IFS; IFS=$NL; set -f
  for base_path in $BASE_PATHS; do
    [ "$(sums "$base_path")" = "${rest%%"$NL"*}" ] || printf '%s\n' "$base_path"
    rest=${rest#*"$NL"}
  done
  IFS=$old_ifs; set +f
}

# From here on every way out goes through abandon (nothing live touched) or restore.
stage_and_go() {
  step stage "$COUNT"
  each_file echo_names >"$S/staging" || { refuse no-space "$S"; return; }
  each_file stage_file || { abandon stage "$path: $why"; return; }
  each_file check_staged || { abandon stage "$path: $why"; return; }
  test_staged || { abandon test "$why"; return; }
  [ -z "$STOP" ] || { abandon signal "$STOP"; return; }
  step checkpoint
  checkpoint || { abandon checkpoint "$why"; return; }
  go_live
}

echo_names() { printf '%s\n%s\n' "$new" "$orig"; }

# A temporary copy beside the live file, with its owner, mode and attributes, and the new bytes.
stage_file() {
  why='cannot write beside it'
  real_how=rename
  if ! { cp --preserve=all -- "$path" "$new" 2>/dev/null || cp -p -- "$path" "$new" 2>/dev/null; }; then
    # The directory isn't ours to write, or is full: stage in the state directory, write in place.
    rm -f -- "$new"
    mkdir -p -- "$S/stage"
    new=$S/stage/$n
    real_how=inplace
    cp -p -- "$path" "$new" 2>/dev/null || { why='no room to stage the new text'; return 1; }
  elif [ "$(owner_of "$new")" != "$(owner_of "$path")" ] || is_mount "$path" || [ "$(links_of "$path")" != 1 ]; then
    real_how=inplace
  fi
  if [ "$real_how" = inplace ] && [ ! -w "$path" ]; then why='permission denied'; return 1; fi
  eval "how_$n=\$real_how new_$n=\$new"
  take "$size" >"$new" || { why='no room to stage the new text'; return 1; }
}

owner_of() { stat -c '%u:%g:%a' -- "$1" 2>/dev/null || stat -f '%u:%g:%Lp' -- "$1"; }
links_of() { stat -c %h -- "$1" 2>/dev/null || stat -f %l -- "$1"; }
is_mount() { [ -r /proc/self/mountinfo ] && cut -d' ' -f5 /proc/self/mountinfo | grep -qxF -- "$1"; }

check_staged() {
  eval "new=\$new_$n"
  why='the staged text is not what was sent (disk full, or the connection broke)'
  [ "$(sums "$new")" = "$after" ]
}

# nginx -t on the staged files at their live paths, in a mount namespace of our own.
test_staged() {
  if [ "$(id -u)" != 0 ] || ! have unshare; then step test 'after activation'; return 0; fi
  set --
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    eval "set -- \"\$@\" \"\$new_$n\" \"\$path_$n\""
  done
  # shellcheck disable=SC2016 # expanded by the inner shell
  why=$(umask 022; PREFIX=${PREFIX:-} exec unshare -m sh -c '
    bin=$1 conf=$2; shift 2
    while [ $# -gt 0 ]; do mount --bind "$1" "$2" 2>/dev/null || mount -o bind "$1" "$2" || exit 99; shift 2; done
    if [ -n "$PREFIX" ]; then set -- -p "$PREFIX"; fi
    "$bin" "$@" -c "$conf" -t || exit 98' sh "$BIN" "$CONF" "$@" 2>&1 </dev/null 9>&-)
  case $? in
    0) step test 'staged, in a mount namespace'; return 0 ;;
    98) return 1 ;;
  esac
  step test 'after activation'
}

# The undo, on disk before the do.
checkpoint() {
  why="cannot write to $S"
  rm -rf -- "$S/pending.tmp"
  mkdir -- "$S/pending.tmp" || return 1
  { printf 'tx %s\nwho %s\nsince %s\nmessage %s\n' "$TX" "$WHO" "$(date +%s)" "$MESSAGE" \
    && each_file meta_line; } >"$S/pending.tmp/meta" || return 1
  each_file save_copies || return 1
  flush "$S"/pending.tmp/* "$S/pending.tmp"
  mv -- "$S/pending.tmp" "$S/pending" && flush "$S"
}

meta_line() { printf 'file %s %s %s %s\n' "$how" "$before" "$after" "$path"; }

save_copies() {
  eval "new=\$new_$n"
  cp -p -- "$path" "$S/pending.tmp/$n.before" && cp -p -- "$new" "$S/pending.tmp/$n.after" || return 1
  [ "$(sums "$S/pending.tmp/$n.before")" = "$before" ] || { why="$path changed meanwhile"; return 1; }
  # The old file itself, kept under a name no glob loads: the way back needs no disk space.
  [ "$how" != rename ] || ln -- "$path" "$orig" 2>/dev/null || :
}

note() { printf '%s\n' "$1" >>"$S/pending/journal"; }

go_live() {
  step activate "$COUNT"
  each_file activate_file || { restore activate "$path: $why"; return; }
  [ -z "$STOP" ] || { restore signal "$STOP"; return; }
  test_live || { restore test "$why"; return; }
  step reload
  reload_and_prove || { restore reload "$why"; return; }
  [ -z "$STOP" ] || { restore signal "$STOP"; return; }
  wait_for_word
}

activate_file() {
  eval "new=\$new_$n"
  why='cannot replace it'
  note "activating $n"
  # The checkpoint's sync covered the copy in the state directory; the staged file needs its own.
  if [ "$how" = rename ]; then flush "$new" && mv -f -- "$new" "$path" && flush "$dir"
  else cat -- "$new" >"$path" && flush "$path"; fi
}

# The live tree passes, or fails only as it did before us.
test_live() {
  why=$(nginx -t 2>&1 </dev/null) && return 0
  [ -n "$TEST_REFUSED" ] && case $why in *'Permission denied'*) return 0 ;; esac
  return 1
}

# --- reload, and its proof -------------------------------------------------------------------

reload_and_prove() {
  OLD=" $(workers | sed -n 's/ serving$//p' | tr '\n' ' ')"
  log_mark
  note reloading
  run_reload || return 1
  step prove
  prove
}

# The command that was asked for, else the init system's if it runs this NGINX, else nginx's own.
run_reload() {
  if [ -n "$RELOAD" ]; then
    why=$(sh -c "$RELOAD" 2>&1 </dev/null 9>&-) || { why="the reload command failed: $why"; return 1; }
    return 0
  fi
  if [ -d /run/systemd/system ] && have systemctl \
    && unit=$(systemctl show -p MainPID --value nginx 2>/dev/null) && [ "$unit" = "$MASTER" ]; then
    try_reload systemctl reload nginx && return 0
  elif [ "$CONF" = "$DEFAULT_CONF" ] && [ -x /etc/init.d/nginx ] && have service; then
    try_reload service nginx reload && return 0
  fi
  why=$(nginx -s reload 2>&1 </dev/null) && return 0
  case $why in *'not permitted'* | *'ermission denied'*) ;; *) return 1 ;; esac
  [ "$(id -u)" != 0 ] && have sudo || return 1
  for tried in 'systemctl reload nginx' '/sbin/service nginx reload' '/etc/init.d/nginx reload'; do
    # shellcheck disable=SC2086 # words of a fixed command
    sudo -n $tried >/dev/null 2>&1 </dev/null 9>&- && return 0
  done
  why="$why${NL}and sudo permits none of the usual reload commands"
  return 1
}

try_reload() { why=$("$@" 2>&1 </dev/null 9>&-) || { [ "$(id -u)" != 0 ] && have sudo && why=$(sudo -n "$@" 2>&1 </dev/null 9>&-); }; }

# Remembers where each error log ends now.
log_mark() {
  marks=
  old_ifs=$IFS; IFS=$NL; set -f
  for log in $LOGS; do
    if [ -f "$log" ] && [ -r "$log" ]; then marks="$marks$(wc -c <"$log" | tr -d ' ') $log$NL"; fi
  done
  IFS=$old_ifs; set +f
}

# What NGINX has complained of since the mark: all [emerg]; [alert] and [crit] of the master itself
# (those with a "*N" are about a client's connection, and any balancer on the Internet has them).
log_complaints() {
  printf '%s' "$marks" | while read -r offset log; do
    [ -f "$log" ] || continue
    [ "$(wc -c <"$log")" -ge "$offset" ] || offset=0
    tail -c "+$((offset + 1))" "$log" | grep -E "\[emerg\]|\[(alert|crit)\] $MASTER#" | grep -vE '#[0-9]+: \*[0-9]+ ' | head -n 5
  done
}

# New workers under the same master, and every old one gone or draining: exit codes prove nothing.
prove() {
  tick; until=$((NOW + RELOAD_TIMEOUT)) rounds=0
  while :; do
    fresh='' stale=''
    # shellcheck disable=SC2046 # pairs of words
    set -- $(workers)
    while [ $# -ge 2 ]; do
      case $OLD in *" $1 "*) [ "$2" = draining ] || stale="$stale $1" ;;
        *) [ "$2" != serving ] || fresh="$fresh $1" ;; esac
      shift 2
    done
    if [ -n "$fresh" ] && [ -z "$stale" ]; then break; fi
    rounds=$((rounds + 1))
    if [ $((rounds % 10)) -eq 0 ]; then
      why=$(log_complaints)
      [ -z "$why" ] || return 1
      is_master "$MASTER" || { why="the master process $MASTER is gone"; return 1; }
    fi
    tick
    if [ "$NOW" -ge "$until" ]; then
      why="no new worker processes within $RELOAD_TIMEOUT s (old ones:$stale, new ones:${fresh:- none})"
      return 1
    fi
    nap
  done
  why=$(log_complaints)
  [ -z "$why" ]
}

# --- commit or restore -----------------------------------------------------------------------

# Waits for "commit". End of file, a signal, the timer, and any other word all mean: restore.
# It polls: in some shells a signal that comes just before `wait` begins doesn't end it.
wait_for_word() {
  emit ready "$(workers)"
  exec 3<&0
  rm -f -- "$S/word" "$S/word.end"
  (IFS= read -r word <&3 && printf %s "$word" >"$S/word"; : >"$S/word.end") >/dev/null 2>&1 9>&- &
  reader=$!
  tick; until=$((NOW + CONFIRM_TIMEOUT))
  while [ ! -e "$S/word.end" ] && [ -z "$STOP" ] && [ "$NOW" -lt "$until" ]; do nap; tick; done
  kill "$reader" 2>/dev/null
  wait "$reader" 2>/dev/null
  exec 3<&-
  word=$(cat "$S/word" 2>/dev/null)
  rm -f -- "$S/word" "$S/word.end"
  case $word in
    commit) commit ;;
    rollback*) restore probe "${word#rollback}" ;;
    '') restore silence "${STOP:-no word from the client within $CONFIRM_TIMEOUT s}" ;;
    *) restore protocol 'unexpected word' ;;
  esac
}

commit() {
  step commit
  each_file drop_temporaries
  number=$(next_revision)
  note committed
  if ! mv -- "$S/pending" "$S/revisions/$number"; then restore commit "cannot write to $S"; return; fi
  flush "$S" "$S/revisions"
  sweep_staging
  prune
  emit_done committed "$number" "$(workers)"
}

next_revision() {
  last=0
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -gt "$last" ]; then last=$rev; fi
  done
  echo $((last + 1))
}

prune() {
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -le $((number - KEEP)) ]; then rm -rf -- "$S/revisions/$rev"; fi
  done
}

drop_temporaries() { rm -f -- "$new" "$orig"; }

# Nothing live was touched yet.
abandon() {
  sweep_staging
  emit_done failed "$1" "$2"
}

# Everything back as it was, reloaded where a reload may have happened, and proved.
restore() {
  cause=$1 cause_text=$2
  step restore
  note "restoring: $cause"
  STOP=
  bad=
  each_file restore_file
  if [ -n "$bad" ]; then
    emit_done broken "$cause" "$cause_text$NL$bad"
    return
  fi
  if grep -q '^reloading' "$S/pending/journal" 2>/dev/null; then
    reload_back || { emit_done broken "$cause" "$cause_text$NL$why"; return; }
  fi
  each_file drop_temporaries
  keep_rejected
  rm -rf -- "$S/pending"
  sweep_staging
  emit_done restored "$cause" "$cause_text"
}

# The text that was refused stays for a look; only the last one.
keep_rejected() {
  rm -rf -- "$S/rejected"
  mkdir -- "$S/rejected" 2>/dev/null && cp -- "$S"/pending/*.after "$S/pending/meta" "$S/rejected/" 2>/dev/null
}

# Only a file that still has our bytes is put back; a file somebody edited since is not ours to undo.
restore_file() {
  now=$(sums "$path")
  if [ "$now" != "$before" ]; then
    if [ "$now" != "$after" ] && { [ "$how" = rename ] || ! grep -q "^activating $n\$" "$S/pending/journal"; }; then
      bad="$bad$path was edited by somebody else meanwhile$NL"
      return 0
    fi
    put_back || bad="$bad$path: cannot write the old bytes back (they are in $S/pending/$n.before)$NL"
  fi
  return 0
}

put_back() {
  if [ "$how" = rename ] && [ -f "$orig" ]; then
    mv -f -- "$orig" "$path"
  elif [ "$how" = rename ]; then
    cp -p -- "$S/pending/$n.before" "$new" && mv -f -- "$new" "$path"
  else
    cat -- "$S/pending/$n.before" >"$path"
  fi
  flush "$path" "$dir"
  [ "$(sums "$path")" = "$before" ]
}

# NGINX must serve the old bytes again. If no worker changed since before our reload, it still does.
reload_back() {
  first_old=${OLD:-}
  if ! find_master; then why='NGINX is not running any more'; return 1; fi
  reload_and_prove && return 0
  [ -n "$first_old" ] || return 1
  serving=" $(workers | sed -n 's/ serving$//p' | tr '\n' ' ')"
  [ "$serving" = "$first_old" ]
}

# --- recover, unlock -------------------------------------------------------------------------

do_recover() {
  locate || return 0
  open_state
  [ -d "$S" ] || { emit_done ok clean ''; return; }
  step lock
  lock || return 0
  number=$(($(next_revision) - 1))
  emit last "$number $(sed -n 's/^tx //p' "$S/revisions/$number/meta" 2>/dev/null)"
  if [ -d "$S/pending" ]; then
    load_pending
    restore recovery "interrupted transaction $TX"
  else
    sweep_staging
    emit_done ok clean ''
  fi
  unlock
}

load_pending() {
  COUNT=0
  while read -r word rest; do
    case $word in
      tx) TX=$rest ;;
      file)
        COUNT=$((COUNT + 1))
        eval "how_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "before_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "after_$COUNT=\${rest%% *} path_$COUNT=\${rest#* } size_$COUNT=0"
        ;;
    esac
  done <"$S/pending/meta"
  OLD=
}

do_unlock() {
  locate || return 0
  open_state
  [ -d "$S" ] || { emit_done ok free ''; return; }
  holder=$(cat "$S/owner" 2>/dev/null)
  if try_lock; then
    unlock
    emit_done ok freed "$holder"
    return
  fi
  pid=$(printf '%s\n' "$holder" | sed -n 's/^pid //p')
  if [ "$FORCE" = yes ] && is_number "$pid"; then
    kill -TERM "$pid" 2>/dev/null # it restores what it has done, then ends
    LOCK_TIMEOUT=$((RELOAD_TIMEOUT * 2)); lock || return 0
    unlock
    emit_done ok freed "$holder"
    return
  fi
  emit_done refused locked "$holder"
}

# --- requests --------------------------------------------------------------------------------

reset() {
  BIN='' CONF='' STATE='' RELOAD='' LOGS='' TX='' WHO='' MESSAGE='' PATTERN='' FORCE='' TEST_REFUSED=''
  LOCK_TIMEOUT=0 RELOAD_TIMEOUT=30 CONFIRM_TIMEOUT=30 KEEP=20 COUNT=0 BASE_PATHS='' BASE_SUMS=''
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
      pattern) PATTERN=$value ;;
      force) FORCE=$value ;;
      test-refused) TEST_REFUSED=$value ;;
      lock-timeout) LOCK_TIMEOUT=$value ;;
      reload-timeout) RELOAD_TIMEOUT=$value ;;
      confirm-timeout) CONFIRM_TIMEOUT=$value ;;
      keep) KEEP=$value ;;
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

LOCATED='' MASTER='' PREFIX='' PIDFILE='' VERSION=''
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
    *) break ;;
  esac
  [ -z "$STOP" ] || break
done
