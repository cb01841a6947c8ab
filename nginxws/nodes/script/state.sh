# --- state and lock -----------------------------------------------------------------------------

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
