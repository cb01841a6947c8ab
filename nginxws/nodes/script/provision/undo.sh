# --- commit, or everything back -------------------------------------------------------------------

commit_app() {
  step commit
  changed=
  each_file must_be_ours
  link_is_after || changed=${changed:-$link}
  [ -z "$changed" ] || { restore_app overtaken "$changed"; return; }
  mv -f -- "$S/pending/record" "$S/record" 2>/dev/null || { restore_app commit "cannot write to $S"; return; }
  flush "$S"
  finish_app
  emit_done committed "$TX" "$spoken${spoken:+$NL}$left"
}
must_be_ours() { still_ours || changed=${changed:-$path}; }
link_is_after() { [ "$link_before" = "$link_after" ] || link_is "$link_after"; }

# It is done, and recorded: releases too many go, or all of it. Sets left, what could not be removed.
finish_app() {
  left='' link=$TARGET/current
  read_record
  if [ "$KIND" = down ]; then
    sweep
    each_line remove_release "$(list_releases)"
    drop_gone
    each_line remove_folder "$(reversed "$S/pending/made")"
    forget_app
    return
  fi
  find_current
  surplus=$(list_releases | awk -v keep="$KEEP" '{ name[NR] = $0 } END { for (i = 1; i <= NR - keep; i++) print name[i] }')
  each_line remove_release "$surplus"
  drop_gone
  rm -f -- "$S/making" 2>/dev/null
  rm -rf -- "$S/pending" 2>/dev/null
  tidy_originals
  sweep_app
}
# In two steps: half of a release must not be taken for a whole one.
remove_release() {
  [ "$line" != "$current" ] || [ "$KIND" = down ] || return 0
  gone=$TARGET/releases/.nginxws-gone-$line
  rm -rf -- "$gone" 2>/dev/null
  { mv -- "$TARGET/releases/$line" "$gone" && rm -rf -- "$gone"; } 2>/dev/null \
    || left="$left${left:+$NL}can't be removed: $TARGET/releases/$line"
}
drop_gone() { [ -z "$TARGET" ] || rm -rf -- "$TARGET"/releases/.nginxws-gone-* 2>/dev/null; }
remove_folder() { rmdir -- "$line" 2>/dev/null; }
reversed() { awk '{ name[NR] = $0 } END { for (i = NR; i > 0; i--) print name[i] }' "$1" 2>/dev/null; }

# The state goes, its lock with it; the folders above, where they are ours and empty.
forget_app() {
  made=; [ ! -f "$S/made-state" ] || made=yes
  rm -rf -- "$S" 2>/dev/null || left="$left${left:+$NL}can't be removed: $S"
  rmdir -- "$STATE/apps" 2>/dev/null && [ -n "$made" ] && rmdir -- "$STATE" 2>/dev/null
  return 0
}

# Texts that no file of the record came from.
tidy_originals() {
  read_record
  for kept in "$S"/originals/*; do
    case $NL$rec_files in *" ${kept##*/} "*) ;; *) rm -f -- "$kept" 2>/dev/null ;; esac
  done
}

# What a change leaves before it has an undo, or after it needs one: temporary names, and empty folders.
sweep_app() {
  sweep
  if [ -f "$S/making" ] && [ ! -d "$S/pending" ]; then
    each_line remove_folder "$(reversed "$S/making")"
    rm -f -- "$S/making" 2>/dev/null
  fi
  rm -f -- "$S/leader" 2>/dev/null
}

# Nothing live was touched yet: abandon_app CAUSE TEXT.
abandon_app() {
  sweep_app
  tidy_originals
  if [ -n "$STOP" ]; then emit_done failed signal "$STOP"; else emit_done failed "$1" "$2"; fi
}

# The same, when something may have been: undo_app CAUSE TEXT
undo_app() { if [ -n "$STOP" ]; then restore_app signal "$STOP"; else restore_app "$1" "$2"; fi; }

# Everything back as it was, and the service restarted if it may have read what is new: restore_app CAUSE TEXT.
# If somebody edited one of the files since, that is not ours to undo, and nothing is touched; while we were
# at it (overtaken), what he wrote stays, and what is ours goes.
restore_app() {
  cause=$1 cause_text=$2
  step restore
  RESTORING=yes STOP='' bad='' link=$TARGET/current back=$TARGET/.nginxws-$TX.back
  read_journal
  if [ "$cause" = overtaken ]; then each_file take_back
  else
    each_file find_edit
    find_switch
    if [ -n "$bad" ]; then emit_done edited "$cause" "$bad"; return; fi
    each_file restore_file
  fi
  restore_link
  if [ -n "$bad" ]; then emit_done broken "$cause" "$cause_text${cause_text:+$NL}$bad"; return; fi
  outcome=restored
  restart_old
  drop_release
  close_pending || cause_text="$cause_text${cause_text:+$NL}$S/pending can't be put away: the next command will"
  tidy_originals
  sweep_app
  emit_done "$outcome" "$cause" "$cause_text"
}

# Neither the old release nor ours: somebody has switched it. None at all is what a switch in two steps leaves.
find_switch() {
  [ "$link_before" != "$link_after" ] || return 0
  find_current
  if [ -z "$foreign" ]; then case $current in "$link_before" | "$link_after" | -) return 0 ;; esac; fi
  bad="$bad$link was switched meanwhile; before, it was release $link_before ($S/pending says more)$NL"
}

restore_link() {
  [ "$link_before" != "$link_after" ] || return 0
  find_current
  if [ -z "$foreign" ] && [ "$current" = "$link_before" ]; then return 0; fi
  # His link stays, too.
  if [ "$cause" = overtaken ] && { [ -n "$foreign" ] || [ "$current" != "$link_after" ]; }; then return 0; fi
  switch_to "$link_before" "$back" || bad="$bad$why; before, it was release $link_before$NL"
}

restart_old() {
  [ -n "$RELOADED" ] && wants_restart || return 0
  step restart "${SERVICE:-command}"
  restart_app && return 0
  if nothing_left "$link_before" "$link_after"; then why=$spoken; else outcome=stopped; fi
  cause_text="$cause_text${cause_text:+$NL}$why"
}

drop_release() {
  [ -n "$TARGET" ] || return 0
  find_current
  if is_release "$FRESH" && [ "$current" != "$FRESH" ]; then rm -rf -- "$TARGET/releases/$FRESH" 2>/dev/null; fi
  if [ "$KIND" != down ]; then
    sweep
    each_line remove_folder "$(reversed "$S/pending/made")"
  fi
}

# --- recover ------------------------------------------------------------------------------------

do_app_recover() {
  open_app || return 0
  [ -d "$S" ] || { emit_done ok clean ''; return; }
  lock_app || return 0
  read_record
  emit last "${rec_tx:--}"
  if [ ! -d "$S/pending" ]; then
    sweep_app
    emit_done ok clean ''
  else
    load_app
    if [ "$TX" = "$rec_tx" ]; then finish_app; emit_done ok finished "$left"
    else restore_app recovery "interrupted change $TX"; fi
  fi
  unlock
}

# The change that is pending. How to restart is what this request says, for the old way may be what was wrong.
load_app() {
  load_pending
  link_before=- link_after=- KIND=change FRESH='' TARGET=''
  asked=$SERVICE$RESTART
  while IFS= read -r line; do
    rest=${line#* }
    case ${line%% *} in
      kind) KIND=$rest ;;
      target) TARGET=$rest ;;
      before) link_before=$rest ;;
      after) link_after=$rest ;;
      fresh) FRESH=$rest ;;
      service) [ -n "$asked" ] || SERVICE=$rest ;;
      restart) [ -n "$asked" ] || RESTART=$rest ;;
    esac
  done <"$S/pending/meta"
}
