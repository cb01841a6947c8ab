# --- small tools --------------------------------------------------------------------------------

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

# Sets trouble: what kind of a disk's trouble a tool's words in $1 are about, to stand behind other words.
disk_trouble() {
  case $1 in
    *[Rr]ead-only*) trouble=' (read-only file system)' ;;
    *'No space left'* | *[Qq]uota*) trouble=' (no room on the disk)' ;;
    *ermission\ denied* | *not\ permitted*) trouble=' (permission denied)' ;;
    *) trouble= ;;
  esac
}

# The bytes of $1 into $path, in place, and never giving up room that it has: others wait for it on a
# full disk, and the way back needs it. First the growth, then over the old bytes, then the cut.
# Killed in between, every byte is that of the old or the new text at its place (is_torn).
write_over() {
  has=$(($(wc -c <"$path"))) needs=$(($(wc -c <"$1")))
  if [ "$needs" -gt "$has" ] && ! tail -c "+$((has + 1))" -- "$1" >>"$path"; then cut_to "$has"; return 1; fi
  cat -- "$1" 1<>"$path" || return 1
  [ "$needs" -ge "$has" ] || cut_to "$needs"
}
cut_to() { dd if=/dev/null of="$path" bs=1 seek="$1" count=0 2>/dev/null; }

real_names() { realpath -- "$@" 2>/dev/null || for file in "$@"; do readlink -f "$file"; done; }

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
  patiently "$BIN" -c "$CONF" "$@" </dev/null
}
# At most $PATIENCE seconds: an include that names a FIFO or a device has nginx wait, or read, for ever.
patiently() {
  if have timeout; then set -- timeout "$PATIENCE" "$@"; fi
  outside "$@"
}
