# --- talking ------------------------------------------------------------------------------------

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
