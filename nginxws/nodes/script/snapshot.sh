# --- snapshot -----------------------------------------------------------------------------------

do_snapshot() {
  PATIENCE=50 # less than the other side waits
  locate || return 0
  emit nginx "$BIN$NL$CONF$NL$MAIN$NL$PREFIX$NL$PIDFILE$NL$DEFAULT_CONF$NL$VERSION"
  listed=$LISTED
  if [ -z "$LISTED" ]; then
    emit untested "$(nginx -t 2>&1 | head -c "$MAX_WORDS")"
    drop_empty_pid_file
    listed=$CONF
  fi
  tell_workers
  emit processes "${MASTER:-0}$NL$WORKERS"
  emit host "$(id -u) $(id -un 2>/dev/null)$NL$(tool_list)"
  emit sockets "$(ss -Hltn 2>/dev/null | awk '{ print $4 }')"
  # What a transaction has left that was cut off before it touched anything live, or couldn't tidy up.
  if { [ -f "$S/staging" ] || [ -f "$S/owner" ]; } && [ ! -d "$S/pending" ] && try_lock; then
    [ -d "$S/pending" ] || sweep
    unlock
  fi
  owner
  emit state "$S$NL$owner"
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  if send_files "$listed"; then emit_done ok snapshot ''; fi
}

tool_list() { for tool in flock unshare systemctl service realpath; do have "$tool" && echo "$tool"; done; }

# The files named on the lines of $1, as they are: names, real names, metadata, bytes, checksums.
send_files() {
  within_limits "$1" || return 1
  configuration_files "$1"
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $FILES
  unset IFS; set +f
  if [ $# -eq 0 ]; then emit paths ''; return 0; fi
  emit paths "$(printf '%s\n' "$@")"
  emit reals "$(real_names "$@")"
  stats=$(stat -L -c '%s %a %u %g %h' -- "$@" 2>/dev/null || stat -L -f '%z %Lp %u %g %l' -- "$@" 2>/dev/null)
  emit stats "$stats"
  emit access "$(for file in "$@"; do if [ -w "$file" ]; then echo w; else echo -; fi; done)"
  # Not numbers only: where a file has just gone, GNU's stat takes the other one's format for a name.
  total=$(printf '%s\n' "$stats" | awk '/^[0-9]+ / { n += $1 } END { printf "%.0f", n }')
  printf '@bytes %s\n' "$total" 2>/dev/null
  # A file that shrinks or grows meanwhile must not shift the frames: the checksums will tell.
  cat -- "$@" /dev/zero 2>/dev/null | head -c "$total" 2>/dev/null
  printf '\n' 2>/dev/null
  sums "$@"
  emit sums "${SUMS%"$NL"}"
  return 0
}

# Whether the files on the lines of $1 can be sent; if not, it says so. Nothing of them is read.
within_limits() {
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $1
  unset IFS; set +f
  [ $# -le "$MAX_FILES" ] || { refuse too-many $#; return 1; }
  [ $# -gt 0 ] || return 0
  total=$({ stat -L -c '%s %F' -- "$@" || stat -L -f '%z %HT' -- "$@"; } 2>/dev/null \
    | awk 'tolower($2) == "regular" { n += $1 } END { printf "%.0f", n }')
  [ "$total" -le "$MAX_BYTES" ] || { refuse too-large "$total"; return 1; }
}

# A line that begins a private key, whatever stands before it: a byte order mark, words about the key.
KEY="^[^\"'#A-Za-z0-9]*-----BEGIN [A-Z0-9 ]*PRIVATE KEY"

# Sets FILES: of the names on the lines of $1, the regular files that we may read, and no private keys
# (an include or a comment may name one).
configuration_files() {
  FILES=
  each_line keep_readable "$1"
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $FILES
  unset IFS; set +f
  [ $# -gt 0 ] || return 0
  keys=$(grep -l -e "$KEY" -- "$@" 2>/dev/null)
  [ -n "$keys" ] || return 0
  FILES=
  for file in "$@"; do
    case $NL$keys$NL in *"$NL$file$NL"*) ;; *) FILES=$FILES$file$NL ;; esac
  done
}
keep_readable() { if [ -f "$line" ] && [ -r "$line" ]; then FILES=$FILES$line$NL; fi; }

# More files by pattern, when `nginx -T` couldn't list them. nginx itself would choke on a key.
do_read() {
  # shellcheck disable=SC2086 # a glob on purpose; IFS is empty, so blanks stay
  found=$(IFS=; for file in $PATTERN; do printf '%s\n' "$file"; done)
  if send_files "$found"; then emit_done ok read ''; fi
}
