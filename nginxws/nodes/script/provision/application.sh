# --- a change of an application -------------------------------------------------------------------

# KIND is change or down. Every way out before go_live_app touches nothing live.
# Root unpacks only where nobody else could lead it astray by a link; other users can only harm themselves.
is_target_safe() {
  [ "$ME" = 0 ] || return 0
  dir=$TARGET/releases
  until [ -e "$dir" ]; do dir=${dir%/*}; dir=${dir:-/}; done
  only_ours "$dir"
}

do_app_change() {
  open_app || return 0
  find_manager || { refuse no-service "$SERVICE"; return; }
  if [ -n "$RELEASE" ] && [ "$SIZE" != - ]; then
    have tar || { refuse no-tar ''; return; }
    [ "$SIZE" -le "$MAX_ARCHIVE" ] || { refuse big "$RELEASE"; return; }
    is_target_safe || { refuse unsafe-target "$TARGET: $open_one"; return; }
  fi
  lock_app || return 0
  read_record
  if [ -d "$S/pending" ]; then
    refuse pending ''
  elif is_at_home && resolve_files && await_others && as_planned; then
    sweep_app
    stage_app
  fi
  unlock
}

# Files are edited where they really are, each once.
resolve_files() {
  seen=$NL why=
  each_file resolve_file && return 0
  refuse "$why" "$path"
  return 1
}
resolve_file() {
  why=stale
  [ -f "$path" ] || return 1
  real=$(real_names "$path") why=twice
  case $seen in *"$NL$real$NL"*) return 1 ;; esac
  seen=$seen$real$NL
  eval "path_$n=\$real"
}

# Files, link and release are what the plan took them for. Sets link_before and link_after.
as_planned() {
  changed=
  each_file still_there
  find_current
  link_before=$current link_after=$current
  if [ "$KIND" = down ]; then link_after=-; elif [ -n "$RELEASE" ]; then link_after=$RELEASE; fi
  if [ -n "$foreign" ]; then
    # Somebody else's is not ours to switch: a plan that does was made before it came.
    [ -z "$RELEASE" ] || changed=${changed:-$link}
    link_after=$link_before
  fi
  [ "$current" = "${PLANNED:-$current}" ] || changed=${changed:-$link}
  if [ -n "$RELEASE" ]; then
    fresh=yes; [ -e "$TARGET/releases/$RELEASE" ] || fresh=
    if [ "$SIZE" = - ]; then [ -n "$fresh" ]; else [ -z "$fresh" ]; fi || changed=${changed:-$TARGET/releases/$RELEASE}
  fi
  [ -n "$changed" ] || return 0
  refuse stale "$changed"
  return 1
}

stage_app() {
  step stage "$COUNT"
  [ -z "$STOP" ] || { abandon_app stage ''; return; }
  place=$TARGET/releases tar=$TARGET/releases/.nginxws-$TX.tar tmp=$TARGET/releases/.nginxws-$TX.tmp
  next=$TARGET/.nginxws-$TX.next back=$TARGET/.nginxws-$TX.back IN_PLACE=
  find_missing
  left_over=$(printf '%s\n' "$tar" "$tmp" "$next" "$back"; each_file echo_names)
  if ! store "$S/staging" "$left_over" || ! store "$S/making" "${missing%"$NL"}"; then
    refuse no-space "$S"; sweep_app; return
  fi
  emit send ''
  stage_release || { abandon_app stage "$why"; return; }
  find_mounts
  each_file stage_file || { abandon_app stage "$path: $why"; return; }
  each_file check_staged || { abandon_app stage "$path: $why"; return; }
  stage_links || { abandon_app stage "$TARGET: cannot make a link there$trouble"; return; }
  step checkpoint
  checkpoint_app || { overtaken_app || abandon_app checkpoint "$why"; return; }
  go_live_app
}

# Text $2 to file $1, and whether all of it is there: what a full disk has cut must not be taken for a whole.
store() { { printf '%s\n' "$2" >"$1"; } 2>/dev/null && [ "$(cat -- "$1" 2>/dev/null)" = "$2" ]; }

# Sets missing, the folders that the release needs and that aren't there: a folder comes before what is in it.
find_missing() {
  missing='' line=$place
  [ -n "$RELEASE" ] || return 0
  while [ -n "$line" ] && [ ! -d "$line" ]; do missing=$line$NL$missing line=${line%/*}; done
}
make_folder() {
  [ -z "$why" ] || return 0
  why=$( (umask 022; mkdir -- "$line") 2>&1) || { disk_trouble "$why"; why="cannot make the folder $line$trouble"; }
}

# The archive arrives whole or not at all, and is unpacked beside the releases: nobody sees it there.
stage_release() {
  why=
  [ -n "$RELEASE" ] || return 0
  each_line make_folder "$missing"
  [ -z "$why" ] || return 1
  [ "$SIZE" != - ] || return 0
  { : >"$tar"; } 2>/dev/null || { why="cannot write in $place"; return 1; }
  { take "$SIZE" >"$tar"; } 2>/dev/null
  case $? in 124 | 143) why="the archive did not come within $TAKE_TIMEOUT s"; return 1 ;; esac
  why="$place: the archive is not what was sent (disk full, or the connection broke)"
  has_sum "$tar" "$SUM" || return 1
  # -o: files are ours; -m: of now, for a server that is asked what is new goes by that.
  why=$({ unpack 2>&1 </dev/null; echo "$?"; } | tail -c "$MAX_WORDS")
  code=${why##*"$NL"} why=${why%"$code"}
  if [ "$code" != 0 ]; then disk_trouble "$why"; why="$place: the archive can't be unpacked$trouble$NL$why"; return 1; fi
  rm -f -- "$tar"
  flush_tree "$tmp"
}
unpack() { (umask 022; mkdir -- "$tmp" && exec tar -xomf "$tar" -C "$tmp") 9>&-; }
flush_tree() { sync -f "$1" 2>/dev/null || sync; }

# The link that will be current, and the one that it was: a rename needs no room on the disk.
stage_links() {
  [ "$link_before" != "$link_after" ] || return 0
  stage_link "$link_after" "$next" && stage_link "$link_before" "$back"
}
stage_link() {
  [ "$1" != - ] || return 0
  why=$(ln -s -- "releases/$1" "$2" 2>&1) || { disk_trouble "$why"; return 1; }
}

# The undo, on disk before the do.
checkpoint_app() {
  why="cannot write to $S" changed='' other='' undo=$S/pending.tmp
  mkdir -- "$undo" 2>/dev/null || return 1
  store "$undo/meta" "$(app_meta; each_file meta_line)" && store "$undo/journal" '' || return 1
  store "$undo/record" "$(new_record)" || return 1
  if [ "$KIND" = down ]; then missing=$rec_made; fi
  store "$undo/made" "${missing%"$NL"}" || return 1
  each_file save_copies && each_file keep_original || return 1
  set -- "$undo" "$undo"/* "$S/originals" "$S/originals"/*
  n=0
  while [ "$n" -lt "$COUNT" ]; do n=$((n + 1)); eval "set -- \"\$@\" \"\$new_$n\""; done
  flush "$@"
  each_file still_there || return 1
  if somebody_edits; then return 1; fi
  link_is_before || { changed=$link; return 1; }
  [ -z "$STOP" ] || return 1
  mv -- "$undo" "$S/pending" && flush "$S"
}

app_meta() {
  printf 'tx %s\nwho %s\nsince %s\nmessage %s\nkind %s\ntarget %s\nbefore %s\nafter %s\n' \
    "$TX" "$WHO" "$(date +%s)" "$MESSAGE" "$KIND" "$TARGET" "$link_before" "$link_after"
  printf 'service %s\nrestart %s\nfresh %s\n' "$SERVICE" "$RESTART" "$([ "$SIZE" = - ] || printf %s "$RELEASE")"
}

# A foreign link is none of ours, so nothing of it is looked at.
link_is_before() { [ "$link_before" = "$link_after" ] || link_is "$link_before"; }

# What will be recorded. One that is taken down is remembered by its last change alone.
new_record() {
  printf 'tx %s\n' "$TX"
  [ "$KIND" != down ] || { [ -z "$TARGET" ] || printf 'target %s\n' "$TARGET"; return 0; }
  if [ -n "$RELEASE$rec_target" ]; then printf 'target %s\n' "$TARGET"; fi
  each_line record_release "$(list_releases)"
  [ -z "$RELEASE" ] || printf 'release %s\n' "$RELEASE"
  each_line record_folder "$rec_made$missing"
  each_line record_other "$rec_files"
  each_file record_file
}
record_release() { [ "$line" = "$RELEASE" ] || printf 'release %s\n' "$line"; }
record_folder() { printf 'made %s\n' "$line"; }
record_other() {
  rest=${line#* }
  case $seen in *"$NL${rest#* }$NL"*) ;; *) printf 'file %s\n' "$line" ;; esac
}
# The text before us is what stood there before our first edit, unless somebody has edited it since, and that
# isn't given up.
record_file() {
  recorded "$path"
  [ -z "$OVERWRITE" ] || written=${written:+$before}
  [ "$written" = "$before" ] || first=$before
  [ "$first" = "$after" ] || printf 'file %s %s %s\n' "$after" "$first" "$path"
}
keep_original() {
  recorded "$path"
  [ "$written" != "$before" ] || return 0
  kept=$S/originals/$before
  [ ! -f "$kept" ] || { has_sum "$kept" "$before" && return 0; }
  { cp -- "$undo/$n.before" "$kept.tmp" && mv -f -- "$kept.tmp" "$kept"; } 2>/dev/null
}

# Nothing live was touched, and somebody else has begun to edit: his turn.
overtaken_app() {
  [ -z "$STOP" ] || return 1
  if [ -n "$changed" ]; then sweep_app; refuse stale "$changed"; return; fi
  [ -n "$other" ] || return 1
  sweep_app
  refuse "$kind" "$other"
}

go_live_app() {
  changed='' spoken=
  step activate "$COUNT${IN_PLACE:+, in place: ${IN_PLACE#, }}"
  [ -z "$STOP" ] || { undo_app activate ''; return; }
  if ! { each_file activate_file && activate_release; }; then
    if [ -n "$changed" ]; then restore_app overtaken "$changed"; else undo_app activate "${path:-$TARGET}: $why"; fi
    return
  fi
  if wants_restart; then
    step restart "${SERVICE:-command}"
    note reloading || { undo_app activate "cannot write to $S"; return; }
    restart_app || nothing_left "$link_after" "$link_before" || { undo_app restart "$why"; return; }
  fi
  [ -z "$STOP" ] || { undo_app restart ''; return; }
  emit ready ''
  naps=0
  await_word doze
  case $line in
    commit) commit_app ;;
    rollback) restore_app probe '' ;;
    '') undo_app silence "no word from the client within $CONFIRM_TIMEOUT s" ;;
    *) restore_app protocol 'unexpected word' ;;
  esac
}

# The rest of the environment may take minutes: after three seconds a slower pace will do.
doze() { naps=$((naps + 1)); if [ "$naps" -lt 300 ]; then nap; else sleep 0.1 2>/dev/null || sleep 1; fi; }

activate_release() {
  path='' why="cannot write to $S"
  [ "$link_before" != "$link_after" ] || return 0
  if [ -n "$RELEASE" ] && [ "$SIZE" != - ]; then
    why="$place/$RELEASE is there already"
    [ ! -e "$place/$RELEASE" ] && [ ! -h "$place/$RELEASE" ] || return 1
    why=$(mv -- "$tmp" "$place/$RELEASE" 2>&1) && flush "$place" || return 1
  fi
  note switching || return 1
  link_is "$link_before" || { changed=$link; return 1; }
  switch_to "$link_after" "$next"
}

# The link current to release $1 ("-": none), which $2 points to. One rename, where mv can do that: to a link
# that points to a folder (GNU's and busybox's -T, BSD's -h).
switch_to() {
  if [ "$1" = - ]; then rm -f -- "$link" 2>/dev/null
  else
    [ -h "$2" ] || ln -s -- "releases/$1" "$2" 2>/dev/null
    { mv -fT -- "$2" "$link" || mv -fh -- "$2" "$link" || { ln -sfn -- "releases/$1" "$link" && rm -f -- "$2"; }; } 2>/dev/null
  fi
  flush "$TARGET"
  why="cannot switch $link"
  link_is "$1"
}
