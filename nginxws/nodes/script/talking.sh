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
  if have timeout; then timeout "$CONFIRM_TIMEOUT" dd "$@" 2>/dev/null; else dd "$@" 2>/dev/null; fi
}
