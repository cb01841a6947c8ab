# --- commit or restore --------------------------------------------------------------------------

# Waits for "commit". End of file, a signal, the timer, and any other word all mean: restore.
# It polls: in some shells a signal that comes just before `wait` begins doesn't end it.
# The word comes as the reader's exit status: a file for it would need room on the disk.
wait_for_word() {
  tell_workers
  emit ready "$WORKERS"
  exec 3<&0
  (IFS= read -r line <&3 || exit 1
    case $line in commit) exit 10 ;; rollback*) exit 11 ;; *) exit 12 ;; esac) >/dev/null 2>&1 9>&- &
  reader=$!
  tick; until=$((NOW + CONFIRM_TIMEOUT + 1)) # whole seconds: never less than was promised
  while kill -0 "$reader" 2>/dev/null && [ -z "$STOP" ] && [ "$NOW" -lt "$until" ]; do nap; tick; done
  # A milder signal is lost on a shell that has just been forked, and then we would wait for its word.
  { kill -KILL "$reader"; wait "$reader"; } 2>/dev/null
  case $? in 10) line=commit ;; 11) line=rollback ;; 12) line=nonsense ;; *) line= ;; esac
  exec 3<&-
  case $line in
    commit) commit ;;
    rollback) restore probe '' ;;
    '') undo silence "no word from the client within $CONFIRM_TIMEOUT s" ;;
    *) restore protocol 'unexpected word' ;;
  esac
}

commit() {
  step commit
  each_file still_ours || { overtaken; return; }
  # Workers that are orphans by now may have answered the probe: nobody could reload them any more.
  find_master || { restore gone "the master process $MASTER ended"; return; }
  last_revision
  number=$((number + 1))
  if ! mv -- "$S/pending" "$S/revisions/$number" 2>/dev/null; then restore commit "cannot write to $S"; return; fi
  flush "$S" "$S/revisions"
  sweep
  prune
  tell_workers
  generations
  emit_done committed "$number" "$WORKERS${NL}generations $GENERATIONS $OLDEST"
}

still_ours() { has_sum "$path" "$after"; }

# Somebody wrote one of the files while we were at it: his text stays, and what is ours goes.
overtaken() {
  step restore
  RESTORING=yes STOP='' bad='' changed=$path cause=overtaken cause_text=
  read_journal
  each_file take_back
  if [ -n "$bad" ]; then emit_done broken overtaken "$bad"; return; fi
  if test_live && serves_old; then close_pending; emit_done restored overtaken "$changed"
  else emit_done broken overtaken "$changed$NL$why"; fi
}
take_back() { if still_ours; then restore_file; fi; }

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
  close_pending || cause_text="$cause_text${cause_text:+$NL}$S/pending can't be put away: the next command will"
  emit_done "$outcome" "$cause" "$cause_text"
}

# What was undone, or given up, stays for a look; only the last one.
close_pending() {
  rm -rf -- "$S/rejected" 2>/dev/null
  mv -- "$S/pending" "$S/rejected" 2>/dev/null && flush "$S"
  sweep
  [ ! -d "$S/pending" ]
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

# Neither the old text nor ours, nor what we were writing in place: an edit.
find_edit() {
  [ -f "$path" ] || { bad="$bad$path is gone; its old text is $S/pending/$n.before$NL"; return 0; }
  sums "$path"
  now=${SUMS%%"$NL"*}
  if [ "$now" = "$before" ] || [ "$now" = "$after" ]; then return 0; fi
  case $ACTIVATED in *" $n "*) if is_torn; then return 0; fi ;; esac
  bad="$bad$path was edited meanwhile; its old text is $S/pending/$n.before$NL"
}
# Each byte is that of the old or the new text at its place, and there are as many as in one of them at least.
is_torn() {
  length=$(($(wc -c <"$path"))) less=$(($(wc -c <"$S/pending/$n.before"))) more=$(($(wc -c <"$S/pending/$n.after")))
  [ "$length" -ge "$less" ] || [ "$length" -ge "$more" ] || return 1
  awk 'BEGIN {
    text = "od -An -v -tx1 <&3"; old = "od -An -v -tx1 <&4"; new = "od -An -v -tx1 <&5"
    while ((text | getline t) > 0) {
      if ((old | getline o) <= 0) o = ""
      if ((new | getline w) <= 0) w = ""
      count = split(t, T); split(o, O); split(w, W)
      for (i = 1; i <= count; i++) if (T[i] "" != O[i] "" && T[i] "" != W[i] "") exit 1
    }
  }' 3<"$path" 4<"$S/pending/$n.before" 5<"$S/pending/$n.after"
}

restore_file() {
  if has_sum "$path" "$before"; then return 0; fi
  # Twice: a signal to the whole process group may have ended the copying, not us.
  put_back || put_back || {
    disk_trouble "$why"
    bad="$bad$path: cannot write the old text back$trouble; it is $S/pending/$n.before$NL"
  }
  return 0
}

# By a rename where we can; in place needs no room either, if what is there is no shorter.
put_back() {
  why=
  if [ "$how" = rename ] && has_sum "$orig" "$before"; then
    why=$(mv -f -- "$orig" "$path" 2>&1)
  elif [ "$how" != rename ] || ! { cp -p -- "$S/pending/$n.before" "$new" && mv -f -- "$new" "$path"; } 2>/dev/null; then
    why=$(write_over "$S/pending/$n.before" 2>&1)
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
  [ -z "$MASTER" ] || [ "$MASTER$SERVING" != "$NOTED" ] || return 0
  # It serves our text, and the reload command fails or does nothing: what all of them come down to is left.
  [ -n "$MASTER" ] && [ -n "$RELOAD" ] || return 1
  RELOAD=
  reload_and_prove
}
