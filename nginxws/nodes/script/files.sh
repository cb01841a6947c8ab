# --- the files of a change: staged, activated, put back -------------------------------------------

# Calls "$@" for every file of the transaction, with the variables of file N set.
each_file() {
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    path='' before='' after='' how='' size=''
    eval "path=\$path_$n before=\$before_$n after=\$after_$n how=\$how_$n size=\$size_$n new=\$new_$n"
    dir=${path%/*}
    dir=${dir:-/}
    new=${new:-$dir/.nginxws-$TX-$n.new}
    orig=$dir/.nginxws-$TX-$n.orig
    "$@" || return 1
  done
}

echo_names() { printf '%s\n%s\n' "$new" "$orig"; }

# Sets MOUNTS, what something is mounted on. A blank stands there as \040, which printf knows as \0040.
find_mounts() {
  MOUNTS=$NL$(printf %b "$(cut -d' ' -f5 /proc/self/mountinfo 2>/dev/null | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')")$NL
}

# A temporary copy beside the live file, with its owner, mode and attributes, and the new bytes.
stage_file() {
  how=rename reason=
  if cp --preserve=all -- "$path" "$new" 2>/dev/null || why=$(cp -p -- "$path" "$new" 2>&1); then
    # Owner and mode, links: a copy that can't be alike, or a file with other names, keeps its inode.
    line=$(stat -c '%u:%g:%a:%h' -- "$new" "$path" 2>/dev/null || stat -f '%u:%g:%Lp:%l' -- "$new" "$path")
    if [ "${line%%"$NL"*}" != "${line#*"$NL"}" ]; then
      how=inplace reason='to keep its owner'
      [ "${line##*:}" = 1 ] || reason='hard link'
    fi
    case $MOUNTS in *"$NL$path$NL"*) how=inplace reason='bind mount' ;; esac
  else
    rm -f -- "$new" 2>/dev/null
    disk_trouble "$why"
    # On a full disk there is nothing to be won by writing in place.
    case $trouble in *room*) why="no room to stage the new text beside it"; return 1 ;; esac
    # The directory isn't ours to write: stage in the state directory, write in place.
    new=$S/stage/$n how=inplace reason='no right to put a copy beside it'
    if ! { mkdir -p -- "$S/stage" && cp -p -- "$path" "$new"; } 2>/dev/null; then
      why="no room to stage the new text in $S"
      return 1
    fi
  fi
  if [ "$how" = inplace ]; then
    may_write || return 1
    IN_PLACE="$IN_PLACE, $path ($reason)"
    emit inplace "$path ($reason)"
  fi
  eval "how_$n=\$how new_$n=\$new"
  { take "$size" >"$new"; } 2>/dev/null && return 0
  case $? in
    124 | 143) why="the new text did not come within $CONFIRM_TIMEOUT s" ;; # timeout's, and old busybox's
    *) why="no room to stage the new text in ${new%/*}" ;;
  esac
  return 1
}

# Opens $path for writing, which changes nothing: in some shells root passes any [ -w ].
may_write() {
  why=$( ( : >>"$path") 2>&1) && return 0
  case $why in *[Rr]ead-only*) why='read-only file system' ;; *) why='permission denied' ;; esac
  return 1
}

check_staged() {
  why='the staged text is not what was sent (disk full, or the connection broke)'
  has_sum "$new" "$after"
}

meta_line() { printf 'file %s %s %s %s\n' "$how" "$before" "$after" "$path"; }

save_copies() {
  cp -p -- "$path" "$undo/$n.before" 2>/dev/null && cp -p -- "$new" "$undo/$n.after" 2>/dev/null || return 1
  # The old file itself, kept under a name no glob loads: the way back needs no disk space.
  if [ "$how" = rename ]; then ln -- "$path" "$orig" 2>/dev/null; fi
  has_sum "$undo/$n.before" "$before" || { changed=$path; return 1; }
}

still_there() { has_sum "$path" "$before" || { changed=$path; return 1; }; }

note() { { printf '%s\n' "$1" >>"$S/pending/journal"; } 2>/dev/null; }

activate_file() {
  still_there || return 1
  why="cannot write to $S"
  note "activating $n" || return 1
  if [ "$how" = rename ]; then why=$(mv -f -- "$new" "$path" 2>&1) && flush "$dir" && return 0
  else flush "$S/pending/journal" && why=$(write_over "$new" 2>&1) && flush "$path" && return 0; fi
  disk_trouble "$why"
  why="cannot replace it$trouble"
  return 1
}

load_pending() {
  COUNT=0
  [ -f "$S/pending/meta" ] || return 0
  while IFS= read -r line; do
    word=${line%% *} rest=${line#* }
    case $word in
      tx) TX=$rest ;;
      file)
        COUNT=$((COUNT + 1))
        eval "how_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "before_$COUNT=\${rest%% *}"; rest=${rest#* }
        eval "after_$COUNT=\${rest%% *} path_$COUNT=\${rest#* } size_$COUNT=0 new_$COUNT="
        ;;
    esac
  done <"$S/pending/meta"
}

still_ours() { has_sum "$path" "$after"; }

# shellcheck disable=SC2034 # NOTED is for balancers
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
take_back() { if still_ours; then restore_file; fi; }

# What was undone, or given up, stays for a look; only the last one.
close_pending() {
  rm -rf -- "$S/rejected" 2>/dev/null
  mv -- "$S/pending" "$S/rejected" 2>/dev/null && flush "$S"
  sweep
  [ ! -d "$S/pending" ]
}
