# --- lock ---------------------------------------------------------------------------------------

state_folder() {
  [ -z "$STATE" ] || return 0
  if [ "$(id -u)" = 0 ]; then STATE=/var/lib/nginxws; else STATE=${HOME:-/nonexistent}/.local/state/nginxws; fi
}

# What stands in the state directory is put over live files: nobody else may have filled it, or may swap
# it. So every folder on the way counts, as it is named and as it really is. Nothing there is fine too.
is_safe() {
  [ -e "$S" ] || [ -h "$S" ] || return 0
  only_ours "$S" && return 0
  refuse unsafe-state "$S: $open_one"
  return 1
}
# True when nobody else can change what the name $1 leads to, nor any name on the way there.
only_ours() {
  set -- "$1" "$(real_names "$1")"
  for line in "$@"; do
    # A relative one (by an odd HOME) has nothing above it; its real name has.
    while [ "${line#/}" != "$line" ]; do set -- "$@" "$line"; line=${line%/*}; done
  done
  shift 2
  nobody_else sticky / "$@"
}

# Takes the lock or, after $LOCK_TIMEOUT seconds, says who holds it. Descriptor 9 is the lock.
lock() {
  step lock
  holder='' QUEUE=''
  countdown "$LOCK_TIMEOUT"
  while ! try_lock; do
    if [ -n "$unlockable" ]; then refuse_state; return 1; fi
    owner
    [ "$owner" = "$holder" ] || { holder=$owner; step wait "$(printf %s "$holder" | tr '\n' ' ')"; }
    if expired || [ -n "$STOP" ]; then refuse locked "$holder"; return 1; fi
    can_queue || { nap; nap; nap; }
  done
  { printf 'pid %s\nwho %s\nsince %s\n' "$$" "$WHO" "$(date +%s)" >"$S/owner"; } 2>/dev/null
  return 0
}

# Sets QUEUE where the kernel lets us wait in its queue (busybox doesn't): first come, first served.
can_queue() {
  if [ -z "$QUEUE" ]; then case $(flock --help 2>&1) in *--timeout*) QUEUE=yes ;; *) QUEUE=no ;; esac; fi
  [ "$QUEUE" = yes ]
}

refuse_state() { if [ -w "$S" ]; then refuse no-space "$S"; else refuse no-state "$S"; fi; }

owner() { owner=$(cat "$S/owner" 2>/dev/null); }

# Sets unlockable when it isn't somebody else who keeps us from it, but the disk, or our rights.
try_lock() {
  unlockable=
  if have flock; then
    { command exec 9>>"$S/lock"; } 2>/dev/null || { unlockable=yes; return 1; }
    flock -n 9 2>/dev/null && return 0
    if [ "$QUEUE" = yes ] && flock -w 1 9 2>/dev/null; then return 0; fi
    exec 9>&-
    return 1
  fi
  # A link appears whole, with its owner in it, or not at all.
  { echo "$$ $(birth $$)" >"$S/lock.$$"; } 2>/dev/null || { unlockable=yes; rm -f -- "$S/lock.$$"; return 1; }
  if ln "$S/lock.$$" "$S/locked" 2>/dev/null; then rm -f "$S/lock.$$"; return 0; fi
  rm -f "$S/lock.$$"
  break_dead_lock
  return 1
}

# A moment that tells two processes with one pid apart: in ticks since boot (field 22; the name, which
# may hold anything, goes first). ps tells it by the wall clock, which may be set meanwhile.
birth() {
  if [ -r /proc/self/stat ]; then sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
  else TZ=UTC0 ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' '_'; fi
}

# Only without flock: a lock whose owner is dead is taken away under a lock of its own.
break_dead_lock() {
  { read -r dead_pid dead_birth <"$S/locked"; } 2>/dev/null || return 0
  [ "$(birth "$dead_pid")" != "$dead_birth" ] || return 0
  if ! mkdir "$S/lock.break" 2>/dev/null; then
    # It is there for a moment only: an old one is of somebody who was killed in it.
    [ -z "$(find "$S/lock.break" -prune -mmin +1 2>/dev/null)" ] || rmdir "$S/lock.break" 2>/dev/null
    return 0
  fi
  { read -r again_pid again_birth <"$S/locked"; } 2>/dev/null
  if [ "$again_pid $again_birth" = "$dead_pid $dead_birth" ]; then rm -f -- "$S/locked"; fi
  rmdir "$S/lock.break"
}

unlock() {
  rm -f -- "$S/owner" 2>/dev/null
  if have flock; then exec 9>&-; else rm -f -- "$S/locked"; fi
}

# Files that a transaction may have left besides its undo. The list goes last, and only when they are gone:
# killed, or on a disk that is read-only just now, the next one starts over.
sweep() {
  set --
  if [ -f "$S/staging" ]; then
    while IFS= read -r left; do
      case ${left##*/} in .nginxws-*) set -- "$@" "$left" ;; esac
    done <"$S/staging"
  fi
  rm -rf -- "$@" "$S/stage" "$S/pending.tmp" "$S/said" 2>/dev/null && rm -f -- "$S/staging" 2>/dev/null
}
