# --- talking ------------------------------------------------------------------------------------

# One frame. Nobody to hear it: as good as a signal, whoever asked is gone.
emit() { printf '@%s %s\n%s\n' "$1" "${#2}" "$2" 2>/dev/null || STOP=${STOP:-HUP}; }
step() { emit step "$1${2:+ $2}"; }

# The last word on a request: emit_done OUTCOME CODE TEXT
emit_done() { emit "done" "$1 $2$NL$3"; }
refuse() { emit_done refused "$1" "$2"; }

# Exactly $1 bytes of stdin to stdout. head -c would read ahead and eat what follows. A line that freezes
# in the middle must not hold our lock for ever: text that isn't there in time counts as cut off.
take() {
  [ "$1" -gt 0 ] || return 0
  if [ -z "$DD" ]; then
    DD=slow
    dd bs=1 count=0 iflag=fullblock,count_bytes </dev/null >/dev/null 2>&1 && DD=fast
  fi
  if [ "$DD" = fast ]; then set -- bs=65536 count="$1" iflag=fullblock,count_bytes; else set -- bs=1 count="$1"; fi
  if have timeout; then timeout "${TAKE_TIMEOUT:-$CONFIRM_TIMEOUT}" dd "$@" 2>/dev/null; else dd "$@" 2>/dev/null; fi
}

# Sets line to the client's word: commit, rollback, nonsense; nothing when none came, by the end of its input,
# a signal or the timer. It polls, pausing with $1: in some shells a signal that comes just before `wait`
# begins doesn't end it. The word comes as the reader's exit status: a file for it would need room on the disk.
await_word() {
  exec 3<&0
  (IFS= read -r line <&3 || exit 1
    case $line in commit) exit 10 ;; rollback*) exit 11 ;; *) exit 12 ;; esac) >/dev/null 2>&1 9>&- &
  reader=$!
  tick; until=$((NOW + CONFIRM_TIMEOUT + 1)) # whole seconds: never less than was promised
  while kill -0 "$reader" 2>/dev/null && [ -z "$STOP" ] && [ "$NOW" -lt "$until" ]; do "$1"; tick; done
  # A milder signal is lost on a shell that has just been forked, and then we would wait for its word.
  { kill -KILL "$reader"; wait "$reader"; } 2>/dev/null
  case $? in 10) line=commit ;; 11) line=rollback ;; 12) line=nonsense ;; *) line= ;; esac
  exec 3<&-
}
