# --- commit or restore --------------------------------------------------------------------------

# Waits for "commit". End of file, a signal, the timer, and any other word all mean: restore.
wait_for_word() {
  tell_workers
  emit ready "$WORKERS"
  await_word nap
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
