# --- history ------------------------------------------------------------------------------------

# What was applied here, and how NGINX's processes are. Reads only, and needs no lock.
do_history() {
  locate || return 0
  is_safe || return 0
  emit revisions "$(list_revisions)"
  tell_workers
  generations
  emit workers "$WORKERS${NL}generations $GENERATIONS $OLDEST"
  emit established "$(established)"
  emit_done ok history ''
}

# The kept revisions, oldest first: "revision NUMBER", then the lines of its meta.
list_revisions() {
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev"; then echo "$rev"; fi
  done | sort -n | while IFS= read -r rev; do
    # One that another client's commit has just pruned is not a revision any more.
    meta=$(cat -- "$S/revisions/$rev/meta" 2>/dev/null) && printf 'revision %s\n%s\n' "$rev" "$meta"
  done
}

# "ss", then "PORT COUNT" a line: connections to each TCP port that somebody listens on. Nothing without ss.
established() {
  have ss || return 0
  ss -Htan 2>/dev/null | awk '
    { n = split($4, part, ":"); port = part[n] }
    $1 == "LISTEN" { open[port] = 1 }
    $1 == "ESTAB" { count[port]++ }
    END { if (NR) print "ss"; for (port in open) print port, count[port] + 0 }'
}

# File $NTH of revision $REVISION, as it was before and after.
do_show() {
  locate || return 0
  is_safe || return 0
  if is_number "$REVISION" && is_number "$NTH"; then
    stored=$S/revisions/$REVISION/$NTH
    total=$(($(cat -- "$stored.before" "$stored.after" 2>/dev/null | wc -c)))
    if [ -f "$stored.before" ] && [ -f "$stored.after" ] && [ "$total" -le $((MAX_BYTES * 2)) ]; then
      send_stored before
      send_stored after
      emit_done ok show ''
      return
    fi
  fi
  refuse no-revision "$REVISION"
}

# A file that goes meanwhile must not shift the frames: its checksum will tell.
send_stored() {
  size=$(($(wc -c <"$stored.$1" || echo 0)))
  printf '@%s %s\n' "$1" "$size" 2>/dev/null
  cat -- "$stored.$1" /dev/zero 2>/dev/null | head -c "$size" 2>/dev/null
  printf '\n' 2>/dev/null
}
