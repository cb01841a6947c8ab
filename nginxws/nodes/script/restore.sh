# --- commit or restore --------------------------------------------------------------------------

# Waits for "commit". End of file, a signal, the timer, and any other word all mean: restore.
# It polls: in some shells a signal that comes just before `wait` begins doesn't end it.
# The word's file is this transaction's own: a reader that outlives us can't speak for another one.
wait_for_word() {
  tell_workers
  emit ready "$WORKERS"
  exec 3<&0
  word=$S/word.$TX
  (IFS= read -r word_read <&3 && printf %s "$word_read" >"$word"; : >"$word.end") >/dev/null 2>&1 9>&- &
  reader=$!
  tick; until=$((NOW + CONFIRM_TIMEOUT))
  while [ ! -e "$word.end" ] && [ -z "$STOP" ] && [ "$NOW" -lt "$until" ]; do nap; tick; done
  line=
  if [ -e "$word.end" ]; then { IFS= read -r line <"$word"; } 2>/dev/null; fi
  # A milder signal is lost on a shell that has just been forked, and then we would wait for its word.
  { kill -KILL "$reader" && wait "$reader"; } 2>/dev/null
  exec 3<&-
  case $line in
    commit) commit ;;
    rollback*) restore probe "${line#rollback}" ;;
    '') undo silence "no word from the client within $CONFIRM_TIMEOUT s" ;;
    *) restore protocol 'unexpected word' ;;
  esac
}

commit() {
  step commit
  last_revision
  number=$((number + 1))
  if ! mv -- "$S/pending" "$S/revisions/$number" 2>/dev/null; then restore commit "cannot write to $S"; return; fi
  flush "$S" "$S/revisions"
  sweep
  prune
  tell_workers
  emit_done committed "$number" "$WORKERS"
}

last_revision() {
  number=0
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -gt "$number" ]; then number=$rev; fi
  done
}

prune() {
  for rev in "$S"/revisions/*; do
    rev=${rev##*/}
    if is_number "$rev" && [ "$rev" -le $((number - KEEP)) ]; then rm -rf -- "$S/revisions/$rev"; fi
  done
}

# Nothing live was touched yet: abandon CAUSE TEXT. What NGINX refused is kept for a look.
abandon() {
  if [ "$1" = test ]; then
    rm -rf -- "$S/rejected"
    mkdir -- "$S/rejected" 2>/dev/null && each_file keep_staged
  fi
  sweep
  if [ -n "$STOP" ]; then emit_done failed signal "$STOP"; else emit_done failed "$1" "$2"; fi
}

keep_staged() { cp -- "$new" "$S/rejected/$n.after" 2>/dev/null; }

# The same, when something may have been: undo CAUSE TEXT
undo() { if [ -n "$STOP" ]; then restore signal "$STOP"; else restore "$1" "$2"; fi; }

# Everything back as it was, reloaded where NGINX may have read the new text, and proved.
# If somebody edited one of the files since, that is not ours to undo, and nothing is touched.
restore() {
  cause=$1 cause_text=$2
  step restore
  RESTORING=yes STOP='' bad=''
  read_journal
  each_file find_edit
  if [ -n "$bad" ]; then emit_done edited "$cause" "$bad"; return; fi
  each_file restore_file
  if [ -n "$bad" ]; then emit_done broken "$cause" "$cause_text$NL$bad"; return; fi
  outcome=restored
  if ! serves_old; then
    if [ -n "$MASTER" ]; then emit_done broken "$cause" "$cause_text$NL$why"; return; fi
    outcome=stopped # the files are back, and another try could do no more
  fi
  close_pending
  emit_done "$outcome" "$cause" "$cause_text"
}

# What was undone, or given up, stays for a look; only the last one.
close_pending() {
  rm -rf -- "$S/rejected"
  mv -- "$S/pending" "$S/rejected" && flush "$S"
  sweep
}

read_journal() {
  ACTIVATED=' ' RELOADED='' NOTED=''
  [ -f "$S/pending/journal" ] || return 0
  while IFS= read -r line; do
    case $line in
      'activating '*) ACTIVATED="$ACTIVATED${line#activating } " ;;
      reloading) RELOADED=yes ;;
      'workers '*) NOTED=${line#workers } ;;
    esac
  done <"$S/pending/journal"
}

# Neither the old text nor ours, nor the beginning of one that we were writing in place: an edit.
find_edit() {
  [ -f "$path" ] || { bad="$bad$path is gone; its old text is $S/pending/$n.before$NL"; return 0; }
  sums "$path"
  now=${SUMS%%"$NL"*}
  if [ "$now" = "$before" ] || [ "$now" = "$after" ]; then return 0; fi
  if [ "$how" = inplace ]; then
    case $ACTIVATED in *" $n "*) if is_torn before || is_torn after; then return 0; fi ;; esac
  fi
  bad="$bad$path was edited meanwhile; its old text is $S/pending/$n.before$NL"
}
is_torn() {
  sums "$path"
  [ "$SUMS." = "$(head -c "$(wc -c <"$path")" "$S/pending/$n.$1" | { sums /dev/stdin; printf '%s.' "$SUMS"; })" ]
}

restore_file() {
  if has_sum "$path" "$before"; then return 0; fi
  # Twice: a signal to the whole process group may have ended the copying, not us.
  put_back || put_back || bad="$bad$path: cannot write the old text back; it is $S/pending/$n.before$NL"
  return 0
}

put_back() {
  if [ "$how" != rename ]; then
    cat -- "$S/pending/$n.before" 2>/dev/null >"$path"
  elif has_sum "$orig" "$before"; then
    mv -f -- "$orig" "$path" 2>/dev/null
  else
    cp -p -- "$S/pending/$n.before" "$new" 2>/dev/null && mv -f -- "$new" "$path" 2>/dev/null
  fi
  flush "$path" "$dir"
  has_sum "$path" "$before"
}

# NGINX must serve the old text again. It still does if nobody, we or others, has had it reloaded.
serves_old() {
  find_master
  if [ -z "$MASTER" ] && [ "$cause" = recovery ]; then
    no_master
    cause_text="$cause_text; $why"
    return 0
  fi
  # It may just be starting, with the new text read already.
  countdown 3
  until find_master; do
    if expired; then return 1; fi
    nap
  done
  look
  [ -n "$RELOADED" ] || [ "$MASTER$SERVING" != "$NOTED" ] || return 0
  [ -n "$RELOADED" ] || [ "$ACTIVATED" != ' ' ] || return 0
  reload_and_prove && return 0
  find_master
  look
  [ -n "$MASTER" ] && [ "$MASTER$SERVING" = "$NOTED" ]
}
