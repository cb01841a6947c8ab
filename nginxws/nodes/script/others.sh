# --- others who edit ----------------------------------------------------------------------------

# With our own lock in hand: waits, for what is left of $LOCK_TIMEOUT, until nobody else edits.
await_others() {
  while somebody_edits; do
    [ "$other" = "$holder" ] || { holder=$other; step wait "$(printf %s "$kind $other" | tr '\n' ' ')"; }
    if expired || [ -n "$STOP" ]; then refuse "$kind" "$other"; return 1; fi
    nap; nap; nap
  done
}

# True while certbot or an editor has the files: then kind says which, and other isn't empty.
somebody_edits() {
  other=''
  certbot_edits || { [ -z "$IGNORE_EDITORS" ] && ! each_file unopened; }
}

# certbot locks the folder of the main file with lockf(3), which no shell can ask for: the kernel's
# list tells. A file that nobody has locked was left by one that was killed.
certbot_edits() {
  for file in "${CONF%/*}/.certbot.lock" "${MAIN%/*}/.certbot.lock"; do
    [ -f "$file" ] || continue
    if [ -r /proc/locks ]; then
      pid=$(awk -v inode=":$(stat -c %i -- "$file" 2>/dev/null)" \
        '$2 != "->" && substr($6, length($6) - length(inode) + 1) == inode { print $5; exit }' /proc/locks)
    else
      pid=$(ps -A -o pid= -o args= 2>/dev/null | awk '/[c]ertbot/ { print $1; exit }')
    fi
    if [ -n "$pid" ]; then kind=certbot other=$pid$NL$file; return 0; fi
  done
  return 1
}

# No editor has $path open that says so beside it: vim and nano with a swap file that begins with their
# pid, user and host at fixed places; Emacs and mcedit with a link to USER@HOST.PID:BOOT.
unopened() {
  kind=editor
  for mark in "$dir/.${path##*/}".sw[a-p]; do
    [ -f "$mark" ] || continue
    # shellcheck disable=SC2046 # four numbers
    set -- $(od -An -tu1 -j24 -N4 -- "$mark" 2>/dev/null) # the lowest byte first, on any machine
    pid=$((${1:-0} + ${2:-0} * 256 + ${3:-0} * 65536 + ${4:-0} * 16777216))
    editor=$(head -c 108 -- "$mark" 2>/dev/null | tail -c 80 | tr -s '\000' '\n')
    still_edited "${editor#*"$NL"}" && { other="$pid$NL$mark$NL${editor%%"$NL"*}"; return 1; }
  done
  mark=$dir/.#${path##*/}
  if [ -L "$mark" ]; then
    editor=$(readlink "$mark")
    pid=${editor##*.} pid=${pid%%:*} host=${editor%.*}
    still_edited "${host#*@}" && { other="$pid$NL$mark$NL${editor%%@*}"; return 1; }
  fi
  return 0
}

# Unless process $pid of this host, $1, is gone: then a crash, or a cut line, left the mark.
still_edited() {
  is_number "$pid" && [ "$pid" -gt 0 ] && [ "$1" = "$(uname -n)" ] || return 0
  said=$(kill -0 "$pid" 2>&1) && return 0
  case $said in *ermitted*) return 0 ;; esac
  return 1
}
