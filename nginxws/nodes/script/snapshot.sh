# --- snapshot -----------------------------------------------------------------------------------

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
