# node.sh: the part of nginxws that runs on the balancer, as root or as the login user.
#
# It reads requests on stdin and answers in frames on stdout: "@KIND LENGTH\n", LENGTH bytes, "\n".
# One request is a word on a line, then "key value" lines, then "go". Requests: snapshot, read,
# transaction, recover, unlock, bye. Runs on dash, busybox ash and bash; needs no Python.
#
# State, below $STATE/<key of the main configuration file>, all 0700:
#   lock, owner     who holds the lock (flock; a link where there is no flock)
#   staging         names of temporary files that a transaction may leave beside the configuration
#   pending/        a transaction that has touched, or is about to touch, live files: its undo
#   revisions/N/    committed transactions, the newest $KEEP of them
#   rejected/       the last transaction that was undone
# Two renames decide: pending.tmp to pending (from here on there is something to undo), and pending
# to revisions/N or rejected (nothing to undo any more). Killed at any point, the next recovery finds
# by the files' own checksums what is left to do; doing it twice is harmless.
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

# One frame. Nobody to hear it: as good as a signal, whoever asked is gone.
emit() { printf '@%s %s\n%s\n' "$1" "${#2}" "$2" 2>/dev/null || STOP=${STOP:-HUP}; }
step() { emit step "$1${2:+ $2}"; }

# The last word on a request: emit_done OUTCOME CODE TEXT
emit_done() { emit "done" "$1 $2$NL$3"; }
refuse() { emit_done refused "$1" "$2"; }

# Exactly $1 bytes of stdin to stdout. head -c would read ahead and eat what follows.
take() {
  [ "$1" -gt 0 ] || return 0
  if [ -z "$DD" ]; then
    DD=slow
    dd bs=1 count=0 iflag=fullblock,count_bytes </dev/null >/dev/null 2>&1 && DD=fast
  fi
  if [ "$DD" = fast ]; then dd bs=65536 count="$1" iflag=fullblock,count_bytes 2>/dev/null
  else dd bs=1 count="$1" 2>/dev/null; fi
}

# --- small tools -----------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

is_number() { case ${1:-x} in *[!0-9]*) return 1 ;; esac; }

# Calls $1 for each line of $2, with the line in $line.
each_line() {
  call=$1
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $2
  unset IFS; set +f
  for line in "$@"; do "$call"; done
}

# Sets SUMS: the sha256 of each file named, one hex word a line ("-" where a file can't be read).
sums() {
  if [ -z "$SUM_TOOL" ]; then
    if have sha256sum; then SUM_TOOL=sha256sum
    elif have shasum; then SUM_TOOL='shasum -a 256'
    else SUM_TOOL='sha256 -r'; fi
  fi
  SUMS=
  # One process for all; only when a file is missing, one a file.
  # shellcheck disable=SC2086 # the tool is one of three fixed commands
  if found=$($SUM_TOOL -- "$@" 2>/dev/null); then
    set -f; IFS=$NL
    for line in $found; do add_sum; done
    unset IFS; set +f
    return
  fi
  for file in "$@"; do
    line=-
    # shellcheck disable=SC2086
    if [ -f "$file" ]; then line=$($SUM_TOOL <"$file" 2>/dev/null) || line=-; fi
    add_sum
  done
}
add_sum() {
  line=${line#\\} # sha256sum's mark for a name that it had to quote
  case $line in -) ;; *) line=${line%%[!0-9a-f]*} ;; esac
  SUMS=$SUMS$line$NL
}
has_sum() { sums "$1"; [ "$SUMS" = "$2$NL" ]; }

flush() { sync "$@" 2>/dev/null || sync; } # old sync takes no names: then everything is flushed

# NOW: seconds on a clock that nobody sets (where there is no such clock, the wall's).
tick() {
  if { read -r NOW _ </proc/uptime; } 2>/dev/null; then NOW=${NOW%%.*}; else NOW=$(date +%s); fi
}

# Starts a countdown of $1 seconds; `expired` ends it. Once a second it says that we live.
countdown() { tick; until=$((NOW + $1)) told=$NOW; }
expired() {
  tick
  [ "$NOW" = "$told" ] || { told=$NOW; emit beat ''; }
  [ "$NOW" -ge "$until" ]
}
nap() { sleep 0.01 2>/dev/null || sleep 1; }

# Another program: never with our lock's descriptor, and with an ordinary umask.
outside() { (umask 022; exec "$@") 9>&-; }
nginx() {
  if [ -n "$PREFIX" ]; then set -- -p "$PREFIX" "$@"; fi
  outside "$BIN" -c "$CONF" "$@" </dev/null
}

# --- the running NGINX -----------------------------------------------------------------------

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

# --- state and lock --------------------------------------------------------------------------

open_state() {
  if [ -z "$STATE" ]; then
    if [ "$(id -u)" = 0 ]; then STATE=/var/lib/nginxws; else STATE=${HOME:-/nonexistent}/.local/state/nginxws; fi
  fi
  key=$(printf %s "$MAIN" | { sums /dev/stdin; printf %s "$SUMS"; })
  S=$STATE/${key%"${key#????????????????}"}
}

make_state() {
  mkdir -p -- "$S/revisions" 2>/dev/null && chmod -- 700 "$S" 2>/dev/null && [ -w "$S" ] \
    && { printf '%s\n' "$MAIN" >"$S/conf"; } 2>/dev/null
}

# Takes the lock or, after $LOCK_TIMEOUT seconds, says who holds it. Descriptor 9 is the lock.
lock() {
  step lock
  holder=
  countdown "$LOCK_TIMEOUT"
  while ! try_lock; do
    [ -w "$S" ] || { refuse no-state "$S"; return 1; }
    owner
    [ "$owner" = "$holder" ] || { holder=$owner; step wait "$(printf %s "$holder" | tr '\n' ' ')"; }
    if expired || [ -n "$STOP" ]; then refuse locked "$holder"; return 1; fi
    nap; nap; nap
  done
  { printf 'pid %s\nwho %s\nsince %s\n' "$$" "$WHO" "$(date +%s)" >"$S/owner"; } 2>/dev/null
  return 0
}

owner() { owner=$(cat "$S/owner" 2>/dev/null); }

try_lock() {
  if have flock; then
    { command exec 9>>"$S/lock"; } 2>/dev/null || return 1
    flock -n 9 2>/dev/null && return 0
    exec 9>&-
    return 1
  fi
  # A link appears whole, with its owner in it, or not at all.
  { echo "$$ $(birth $$)" >"$S/lock.$$"; } 2>/dev/null || return 1
  if ln "$S/lock.$$" "$S/locked" 2>/dev/null; then rm -f "$S/lock.$$"; return 0; fi
  rm -f "$S/lock.$$"
  break_dead_lock
  return 1
}

# A moment that tells two processes with one pid apart.
birth() { ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'; }

# Only without flock: a lock whose owner is dead is taken away under a lock of its own.
break_dead_lock() {
  { read -r dead_pid dead_birth <"$S/locked"; } 2>/dev/null || return 0
  [ "$(birth "$dead_pid")" != "$dead_birth" ] || return 0
  mkdir "$S/lock.break" 2>/dev/null || return 0
  { read -r again_pid again_birth <"$S/locked"; } 2>/dev/null
  if [ "$again_pid $again_birth" = "$dead_pid $dead_birth" ]; then rm -f -- "$S/locked"; fi
  rmdir "$S/lock.break"
}

unlock() {
  rm -f -- "$S/owner"
  if have flock; then exec 9>&-; else rm -f -- "$S/locked"; fi
}

# Files that a transaction may have left besides its undo. The list goes last: killed, we start over.
sweep() {
  set --
  if [ -f "$S/staging" ]; then
    while IFS= read -r left; do
      case ${left##*/} in .nginxws-*) set -- "$@" "$left" ;; esac
    done <"$S/staging"
  fi
  rm -rf -- "$@" "$S/stage" "$S/pending.tmp" "$S/dump" "$S/said" "$S"/word.* "$S/staging"
}

# --- snapshot --------------------------------------------------------------------------------

do_snapshot() {
  locate || return 0
  emit nginx "$BIN$NL$CONF$NL$MAIN$NL$PREFIX$NL$PIDFILE$NL$DEFAULT_CONF$NL$VERSION"
  listed=$LISTED
  if [ -z "$LISTED" ]; then
    emit untested "$(nginx -t 2>&1)"
    drop_empty_pid_file
    listed=$CONF
  fi
  tell_workers
  emit processes "${MASTER:-0}$NL$WORKERS"
  emit host "$(id -u) $(id -un 2>/dev/null)$NL$(tool_list)"
  emit sockets "$(ss -Hltn 2>/dev/null | awk '{ print $4 }')"
  # Temporary files of a transaction that was cut off before it touched anything live.
  if [ -f "$S/staging" ] && [ ! -d "$S/pending" ] && try_lock; then
    [ -d "$S/pending" ] || sweep
    unlock
  fi
  owner
  emit state "$S$NL$owner"
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  send_files "$listed"
  emit_done ok snapshot ''
}

tool_list() { for tool in flock unshare systemctl service realpath; do have "$tool" && echo "$tool"; done; }

# The files named on the lines of $1, as they are: names, real names, metadata, bytes, checksums.
send_files() {
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $1
  unset IFS; set +f
  for file in "$@"; do
    shift
    if is_configuration "$file"; then set -- "$@" "$file"; fi
  done
  if [ $# -eq 0 ]; then emit paths ''; return; fi
  emit paths "$(printf '%s\n' "$@")"
  emit reals "$(real_names "$@")"
  stats=$(stat -L -c '%s %a %u %g %h' -- "$@" 2>/dev/null || stat -L -f '%z %Lp %u %g %l' -- "$@" 2>/dev/null)
  emit stats "$stats"
  emit access "$(for file in "$@"; do if [ -w "$file" ]; then echo w; else echo -; fi; done)"
  total=0
  for number in $(printf '%s\n' "$stats" | cut -d' ' -f1); do total=$((total + number)); done
  printf '@bytes %s\n' "$total" 2>/dev/null
  # A file that shrinks or grows meanwhile must not shift the frames: the checksums will tell.
  cat -- "$@" /dev/zero 2>/dev/null | head -c "$total" 2>/dev/null
  printf '\n' 2>/dev/null
  sums "$@"
  emit sums "${SUMS%"$NL"}"
}

real_names() { realpath -- "$@" 2>/dev/null || for file in "$@"; do readlink -f "$file"; done; }

# A regular file we may read, and not a private key that an include or a comment names.
is_configuration() {
  [ -f "$1" ] && [ -r "$1" ] || return 1
  first=
  { IFS= read -r first <"$1"; } 2>/dev/null
  case $first in *-----BEGIN*) return 1 ;; esac
}

# More files by pattern, when `nginx -T` couldn't list them. nginx itself would choke on a key.
do_read() {
  # shellcheck disable=SC2086 # a glob on purpose; IFS is empty, so blanks stay
  found=$(IFS=; for file in $PATTERN; do
    if [ -f "$file" ] && ! grep -q 'PRIVATE KEY-----' "$file" 2>/dev/null; then printf '%s\n' "$file"; fi
  done)
  send_files "$found"
  emit_done ok read ''
}

# --- transaction -----------------------------------------------------------------------------

# Calls "$@" for every file of the transaction, with the variables of file N set.
each_file() {
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    path='' before='' after='' how='' size=''
    eval "path=\$path_$n before=\$before_$n after=\$after_$n how=\$how_$n size=\$size_$n new=\$new_$n"
    dir=${path%/*}
    dir=${dir:-/}
    new=${new:-$dir/.nginxws-$TX-$n.new}
    orig=$dir/.nginxws-$TX-$n.orig
    "$@" || return 1
  done
}

do_transaction() {
  locate || return 0
  [ -n "$MASTER" ] || { refuse_without_master; return; }
  make_state || { refuse no-state "$S"; return; }
  lock || return 0
  if [ -d "$S/pending" ]; then
    refuse pending ''
  elif base_unchanged; then
    sweep
    stage_and_go
  fi
  unlock
}

refuse_without_master() {
  no_master
  case $why in *reloaded) refuse no-master "$why" ;; *) refuse not-running "$PIDFILE" ;; esac
}

# Every file of the plan's snapshot still has the checksum it had then.
base_unchanged() {
  changed=
  each_line must_be_regular "$BASE_PATHS" # a FIFO would hold us up for ever
  if [ -z "$changed" ] && [ -n "$BASE_PATHS" ]; then
    set -f; IFS=$NL
    # shellcheck disable=SC2086 # split at line ends on purpose
    set -- $BASE_PATHS
    unset IFS; set +f
    sums "$@"
    [ "$SUMS" != "$BASE_SUMS" ] || return 0
    rest=$BASE_SUMS
    each_line compare_sum "$BASE_PATHS"
  fi
  [ -n "$changed" ] || return 0
  refuse stale "$changed"
  return 1
}
must_be_regular() { [ -f "$line" ] || changed=$changed$line$NL; }
compare_sum() {
  path=$line
  has_sum "$path" "${rest%%"$NL"*}" || changed=$changed$path$NL
  rest=${rest#*"$NL"}
}

# From here on every way out goes through abandon (nothing live touched) or undo.
stage_and_go() {
  step stage "$COUNT"
  [ -z "$STOP" ] || { abandon stage ''; return; }
  { each_file echo_names >"$S/staging"; } 2>/dev/null || { refuse no-space "$S"; sweep; return; }
  IN_PLACE=
  MOUNTS=$NL$(printf %b "$(cut -d' ' -f5 /proc/self/mountinfo 2>/dev/null)")$NL # a blank stands there as \040
  each_file stage_file || { abandon stage "$path: $why"; return; }
  each_file check_staged || { abandon stage "$path: $why"; return; }
  may_reload || { abandon reload-denied "$why"; return; }
  test_staged || { abandon test "$why"; return; }
  same_list || { sweep; refuse stale "$changed"; return; }
  step checkpoint
  checkpoint || { abandon checkpoint "$why"; return; }
  go_live
}

echo_names() { printf '%s\n%s\n' "$new" "$orig"; }

# A temporary copy beside the live file, with its owner, mode and attributes, and the new bytes.
stage_file() {
  how=rename reason=
  if cp --preserve=all -- "$path" "$new" 2>/dev/null || cp -p -- "$path" "$new" 2>/dev/null; then
    # Owner and mode, links: a copy that can't be alike, or a file with other names, keeps its inode.
    line=$(stat -c '%u:%g:%a:%h' -- "$new" "$path" 2>/dev/null || stat -f '%u:%g:%Lp:%l' -- "$new" "$path")
    if [ "${line%%"$NL"*}" != "${line#*"$NL"}" ]; then
      how=inplace reason='to keep its owner'
      [ "${line##*:}" = 1 ] || reason='hard link'
    fi
    case $MOUNTS in *"$NL$path$NL"*) how=inplace reason='bind mount' ;; esac
  else
    # The directory isn't ours to write, or is full: stage in the state directory, write in place.
    rm -f -- "$new"
    new=$S/stage/$n how=inplace reason='no room or right for a copy beside it'
    if ! { mkdir -p -- "$S/stage" && cp -p -- "$path" "$new"; } 2>/dev/null; then
      why='no room to stage the new text'
      return 1
    fi
  fi
  if [ "$how" = inplace ]; then
    may_write || return 1
    IN_PLACE="$IN_PLACE, $path ($reason)"
    emit inplace "$path ($reason)"
  fi
  eval "how_$n=\$how new_$n=\$new"
  { take "$size" >"$new"; } 2>/dev/null || { why='no room to stage the new text'; return 1; }
}

# Opens $path for writing, which changes nothing: in some shells root passes any [ -w ].
may_write() {
  why=$( ( : >>"$path") 2>&1) && return 0
  case $why in *[Rr]ead-only*) why='read-only file system' ;; *) why='permission denied' ;; esac
  return 1
}

check_staged() {
  why='the staged text is not what was sent (disk full, or the connection broke)'
  has_sum "$new" "$after"
}

# The staged files at their live paths, in a mount namespace of our own: nobody else sees them there.
test_staged() {
  set --
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    eval "set -- \"\$@\" \"\$new_$n\" \"\$path_$n\""
  done
  code=99 why=
  if [ "$(id -u)" = 0 ] && have unshare; then
    # Old versions of unshare leave mounts shared: without a private root nothing is mounted.
    # shellcheck disable=SC2016 # expanded by the inner shell
    why=$(outside unshare -m sh -c '
      bin=$1 conf=$2 prefix=$3 dump=$4; shift 4
      mount --make-rprivate / || exit 99
      while [ $# -gt 0 ]; do mount --bind "$1" "$2" 2>/dev/null || mount -o bind "$1" "$2" || exit 99; shift 2; done
      if [ -n "$prefix" ]; then set -- -p "$prefix"; fi
      "$bin" "$@" -c "$conf" -T >"$dump" || exit 98' sh "$BIN" "$CONF" "$PREFIX" "$S/dump" "$@" 2>&1 </dev/null)
    code=$?
    drop_empty_pid_file
  fi
  case $code in
    0) step test 'before activation, in a mount namespace' ;;
    98) step test 'before activation, in a mount namespace'; return 1 ;;
    *) rm -f -- "$S/dump"; step test 'after activation' ;;
  esac
}

# The configuration consists of the files that the plan knows: no include has brought in another.
same_list() {
  changed=
  if [ -f "$S/dump" ]; then
    LISTED=$(sed -n 's/^# configuration file \(.*\):$/\1/p' "$S/dump")
    compare_list && return 0
  fi
  # The new text itself may include more; so it is the live tree that counts.
  list_files
  compare_list
}

# LISTED against BASE_PATHS; a test that fails lists nothing, and then there is nothing to compare.
compare_list() {
  [ -n "$LISTED" ] || return 0
  known=
  each_line keep_configuration "$LISTED"
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $known
  unset IFS; set +f
  [ $# -gt 0 ] || return 0
  reals=$(real_names "$@")
  [ "$reals$NL" != "$BASE_PATHS" ] || return 0
  changed=$(printf '%s\n' "$reals" | sort -u
    printf '%s' "$BASE_PATHS" | sort -u)
  changed=$(printf '%s\n' "$changed" | sort | uniq -u)
  [ -z "$changed" ]
}
keep_configuration() { if is_configuration "$line"; then known=$known$line$NL; fi; }

# The undo, on disk before the do.
checkpoint() {
  why="cannot write to $S"
  undo=$S/pending.tmp
  mkdir -- "$undo" 2>/dev/null || return 1
  { { printf 'tx %s\nwho %s\nsince %s\nmessage %s\n' "$TX" "$WHO" "$(date +%s)" "$MESSAGE" \
    && each_file meta_line; } >"$undo/meta"; } 2>/dev/null || return 1
  look
  { printf 'workers %s\n' "$MASTER$SERVING" >"$undo/journal"; } 2>/dev/null || return 1
  each_file save_copies || return 1
  set -- "$undo" "$undo"/*
  n=0
  while [ "$n" -lt "$COUNT" ]; do n=$((n + 1)); eval "set -- \"\$@\" \"\$new_$n\""; done
  flush "$@"
  each_file still_there || return 1
  [ -z "$STOP" ] || return 1
  mv -- "$undo" "$S/pending" && flush "$S"
}

meta_line() { printf 'file %s %s %s %s\n' "$how" "$before" "$after" "$path"; }

save_copies() {
  cp -p -- "$path" "$undo/$n.before" 2>/dev/null && cp -p -- "$new" "$undo/$n.after" 2>/dev/null || return 1
  # The old file itself, kept under a name no glob loads: the way back needs no disk space.
  if [ "$how" = rename ]; then ln -- "$path" "$orig" 2>/dev/null; fi
  has_sum "$undo/$n.before" "$before" || { why="$path changed meanwhile"; return 1; }
}

still_there() { has_sum "$path" "$before" || { why="$path changed meanwhile"; return 1; }; }

note() { { printf '%s\n' "$1" >>"$S/pending/journal"; } 2>/dev/null; }

go_live() {
  step activate "$COUNT${IN_PLACE:+, in place: ${IN_PLACE#, }}"
  [ -z "$STOP" ] || { undo activate ''; return; }
  each_file activate_file || { undo activate "$path: $why"; return; }
  test_live || { undo test "$why"; return; }
  step reload
  reload_and_prove || { undo "reload${SORT:+-$SORT}" "$why"; return; }
  wait_for_word
}

activate_file() {
  why='cannot replace it'
  note "activating $n" || return 1
  if [ "$how" = rename ]; then mv -f -- "$new" "$path" 2>/dev/null && flush "$dir"
  else flush "$S/pending/journal" && cat -- "$new" 2>/dev/null >"$path" && flush "$path"; fi
}

# The live tree passes, or fails only as it did before us.
test_live() {
  why=$(nginx -t 2>&1)
  code=$?
  drop_empty_pid_file
  [ "$code" != 0 ] || return 0
  [ -n "$TEST_REFUSED" ] && case $why in *'Permission denied'*) return 0 ;; esac
  return 1
}

# --- reload, and its proof -------------------------------------------------------------------

# What is wrong is in why, and in SORT: log (the words are NGINX's own), silent (NGINX said nothing),
# blind (its log can't be read here), command, denied, gone (the master).
reload_and_prove() {
  SORT=
  look
  OLD=$SERVING
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
  kill -HUP "$MASTER" 2>/dev/null && return 0
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
  outside "$@" >"$S/said" 2>&1 </dev/null
  code=$?
  why=$(head -c 4096 "$S/said" 2>/dev/null)
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
  if [ -n "$RESTORING" ]; then still_changing; return; fi
  why=$STOP
  [ -z "$STOP" ] || return 1
  log_complaints
  [ -z "$why" ] || return 1
  is_master "$MASTER" && return 0
  why="the master process $MASTER is gone (a reload must not restart NGINX: that drops every open socket)" SORT=gone
  return 1
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

# --- commit or restore -----------------------------------------------------------------------

# Waits for "commit". End of file, a signal, the timer, and any other word all mean: restore.
# It polls: in some shells a signal that comes just before `wait` begins doesn't end it.
# The word's file is this transaction's own: a reader that outlives us can't speak for another one.
wait_for_word() {
  tell_workers
  emit ready "$WORKERS"
  exec 3<&0
  word=$S/word.$TX
  (IFS= read -r word_read <&3 && printf %s "$word_read" >"$word"; : >"$word.end") >/dev/null 2>&1 9>&- &
  reader=$!
  tick; until=$((NOW + CONFIRM_TIMEOUT))
  while [ ! -e "$word.end" ] && [ -z "$STOP" ] && [ "$NOW" -lt "$until" ]; do nap; tick; done
  line=
  if [ -e "$word.end" ]; then { IFS= read -r line <"$word"; } 2>/dev/null; fi
  # A milder signal is lost on a shell that has just been forked, and then we would wait for its word.
  { kill -KILL "$reader" && wait "$reader"; } 2>/dev/null
  exec 3<&-
  case $line in
    commit) commit ;;
    rollback*) restore probe "${line#rollback}" ;;
    '') undo silence "no word from the client within $CONFIRM_TIMEOUT s" ;;
    *) restore protocol 'unexpected word' ;;
  esac
}

commit() {
  step commit
  last_revision
  number=$((number + 1))
  if ! mv -- "$S/pending" "$S/revisions/$number" 2>/dev/null; then restore commit "cannot write to $S"; return; fi
  flush "$S" "$S/revisions"
  sweep
  prune
  tell_workers
  emit_done committed "$number" "$WORKERS"
}

last_revision() {
  number=0
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -gt "$number" ]; then number=$rev; fi
  done
}

prune() {
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -le $((number - KEEP)) ]; then rm -rf -- "$S/revisions/$rev"; fi
  done
}

# Nothing live was touched yet: abandon CAUSE TEXT. What NGINX refused is kept for a look.
abandon() {
  if [ "$1" = test ]; then
    rm -rf -- "$S/rejected"
    mkdir -- "$S/rejected" 2>/dev/null && each_file keep_staged
  fi
  sweep
  if [ -n "$STOP" ]; then emit_done failed signal "$STOP"; else emit_done failed "$1" "$2"; fi
}

keep_staged() { cp -- "$new" "$S/rejected/$n.after" 2>/dev/null; }

# The same, when something may have been: undo CAUSE TEXT
undo() { if [ -n "$STOP" ]; then restore signal "$STOP"; else restore "$1" "$2"; fi; }

# Everything back as it was, reloaded where NGINX may have read the new text, and proved.
# If somebody edited one of the files since, that is not ours to undo, and nothing is touched.
restore() {
  cause=$1 cause_text=$2
  step restore
  RESTORING=yes STOP='' bad=''
  read_journal
  each_file find_edit
  if [ -n "$bad" ]; then emit_done edited "$cause" "$bad"; return; fi
  each_file restore_file
  if [ -n "$bad" ]; then emit_done broken "$cause" "$cause_text$NL$bad"; return; fi
  outcome=restored
  if ! serves_old; then
    if [ -n "$MASTER" ]; then emit_done broken "$cause" "$cause_text$NL$why"; return; fi
    outcome=stopped # the files are back, and another try could do no more
  fi
  close_pending
  emit_done "$outcome" "$cause" "$cause_text"
}

# What was undone, or given up, stays for a look; only the last one.
close_pending() {
  rm -rf -- "$S/rejected"
  mv -- "$S/pending" "$S/rejected" && flush "$S"
  sweep
}

read_journal() {
  ACTIVATED=' ' RELOADED='' NOTED=''
  [ -f "$S/pending/journal" ] || return 0
  while IFS= read -r line; do
    case $line in
      'activating '*) ACTIVATED="$ACTIVATED${line#activating } " ;;
      reloading) RELOADED=yes ;;
      'workers '*) NOTED=${line#workers } ;;
    esac
  done <"$S/pending/journal"
}

# Neither the old text nor ours, nor the beginning of one that we were writing in place: an edit.
find_edit() {
  [ -f "$path" ] || { bad="$bad$path is gone; its old text is $S/pending/$n.before$NL"; return 0; }
  sums "$path"
  now=${SUMS%%"$NL"*}
  if [ "$now" = "$before" ] || [ "$now" = "$after" ]; then return 0; fi
  if [ "$how" = inplace ]; then
    case $ACTIVATED in *" $n "*) if is_torn before || is_torn after; then return 0; fi ;; esac
  fi
  bad="$bad$path was edited meanwhile; its old text is $S/pending/$n.before$NL"
}
is_torn() {
  sums "$path"
  [ "$SUMS." = "$(head -c "$(wc -c <"$path")" "$S/pending/$n.$1" | { sums /dev/stdin; printf '%s.' "$SUMS"; })" ]
}

restore_file() {
  if has_sum "$path" "$before"; then return 0; fi
  # Twice: a signal to the whole process group may have ended the copying, not us.
  put_back || put_back || bad="$bad$path: cannot write the old text back; it is $S/pending/$n.before$NL"
  return 0
}

put_back() {
  if [ "$how" != rename ]; then
    cat -- "$S/pending/$n.before" 2>/dev/null >"$path"
  elif has_sum "$orig" "$before"; then
    mv -f -- "$orig" "$path" 2>/dev/null
  else
    cp -p -- "$S/pending/$n.before" "$new" 2>/dev/null && mv -f -- "$new" "$path" 2>/dev/null
  fi
  flush "$path" "$dir"
  has_sum "$path" "$before"
}

# NGINX must serve the old text again. It still does if nobody, we or others, has had it reloaded.
serves_old() {
  find_master
  if [ -z "$MASTER" ] && [ "$cause" = recovery ]; then
    no_master
    cause_text="$cause_text; $why"
    return 0
  fi
  # It may just be starting, with the new text read already.
  countdown 3
  until find_master; do
    if expired; then return 1; fi
    nap
  done
  look
  [ -n "$RELOADED" ] || [ "$MASTER$SERVING" != "$NOTED" ] || return 0
  [ -n "$RELOADED" ] || [ "$ACTIVATED" != ' ' ] || return 0
  reload_and_prove && return 0
  find_master
  look
  [ -n "$MASTER" ] && [ "$MASTER$SERVING" = "$NOTED" ]
}

# --- recover, unlock -------------------------------------------------------------------------

do_recover() {
  locate || return 0
  [ -d "$S" ] || { all_clean; return; }
  lock || return 0
  last_revision
  emit last "$number $(sed -n 's/^tx //p' "$S/revisions/$number/meta" 2>/dev/null)"
  if [ ! -d "$S/pending" ]; then
    sweep
    all_clean
  else
    load_pending
    if [ "$ACCEPT" = yes ]; then accept; else restore recovery "interrupted transaction $TX"; fi
  fi
  unlock
}

# Nothing to undo; but when NGINX isn't running, not all is well.
all_clean() {
  why=
  find_master || no_master
  emit_done ok clean "$why"
}

load_pending() {
  COUNT=0
  [ -f "$S/pending/meta" ] || return 0
  while IFS= read -r line; do
    word=${line%% *} rest=${line#* }
    case $word in
      tx) TX=$rest ;;
      file)
        COUNT=$((COUNT + 1))
        eval "how_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "before_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "after_$COUNT=\${rest%% *} path_$COUNT=\${rest#* } size_$COUNT=0 new_$COUNT="
        ;;
    esac
  done <"$S/pending/meta"
}

# The files stay as they are, somebody's edits included, and NGINX serves them if it can.
accept() {
  why=
  if [ -z "$MASTER" ]; then no_master
  elif test_live; then reload_and_prove && why=
  fi
  close_pending
  emit_done accepted recovery "$why"
}

do_unlock() {
  locate || return 0
  [ -d "$S" ] || { emit_done ok free ''; return; }
  owner
  freed=$owner
  pid=${freed#pid }; pid=${pid%%"$NL"*}
  if [ "$FORCE" = yes ] && is_holder; then
    kill -TERM "$pid" 2>/dev/null # it restores what it has done, then ends
    LOCK_TIMEOUT=$((RELOAD_TIMEOUT * 2))
  fi
  lock || return 0
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  unlock
  emit_done ok freed "$freed"
}

# Process $pid does hold the lock: a number in a file may long be another process's.
is_holder() {
  is_number "$pid" || return 1
  [ -d /proc/self/fd ] || return 0
  [ "$(readlink "/proc/$pid/fd/9" 2>/dev/null)" = "$(realpath -- "$S/lock" 2>/dev/null || readlink -f "$S/lock")" ]
}

# --- requests --------------------------------------------------------------------------------

reset() {
  BIN='' CONF='' STATE='' RELOAD='' LOGS='' TX='' WHO='' MESSAGE='' PATTERN='' FORCE='' ACCEPT='' TEST_REFUSED=''
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
      pattern) PATTERN=$value ;;
      force) FORCE=$value ;;
      accept) ACCEPT=$value ;;
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

LOCATED='' MASTER='' PREFIX='' PIDFILE='' VERSION='' DD='' SUM_TOOL='' S='' LISTED=''
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
