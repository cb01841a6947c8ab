# --- an application, and what is kept of it -------------------------------------------------------
#
# State, below $STATE/apps/$NAME, all 0700, besides lock, owner and staging as for a balancer:
#   record          what we have done here: "tx ID" of the last change, "target PATH", "release NAME" (the
#                   latest last), "made PATH" (folders), "file WRITTEN ORIGINAL PATH" (checksums)
#   originals/SUM   texts that stood in those files before us
#   making          folders that a change may leave, should it be cut off before it has an undo
#   pending/        a change that has touched, or is about to touch, something live: its undo, and its record
#   rejected/       the last change that was undone
# Two renames decide: pending.tmp to pending (from here on there is something to undo), and pending/record
# to record (from here on it is done, and what is left is tidying up). Killed at any point, the next
# app-recover finds by tx and by the files' own checksums what is left to do; doing it twice is harmless.

unset -f tar setsid
unset TAR_OPTIONS

open_app() {
  state_folder
  S=$STATE/apps/$NAME
  is_safe
}

make_app() {
  made=; [ -d "$STATE" ] || made=yes
  mkdir -p -- "$S/originals" 2>/dev/null
  is_safe || return 1
  chmod -- 700 "$S" 2>/dev/null
  if [ -w "$S" ]; then
    [ -z "$made" ] || { : >"$S/made-state"; } 2>/dev/null && return 0
  fi
  refuse_state
  return 1
}

# The application's lock. One who takes it down removes the lock with all the rest: then once more.
lock_app() {
  for attempt in 1 2 3 4 5; do
    make_app && lock || return 1
    if is_lock; then return 0; fi
    exec 9>&-
  done
  refuse locked "attempt $attempt"
  return 1
}

# What we have locked is what stands there now.
is_lock() {
  if ! have flock || [ ! -e /dev/fd/9 ]; then return 0; fi
  set -- "$(ls -Lid -- "$S/lock" 2>/dev/null)" "$(ls -Lid /dev/fd/9 2>/dev/null)"
  set -- "${1#"${1%%[! ]*}"}" "${2#"${2%%[! ]*}"}" # numbers may stand to the right
  [ "${1%% *}" = "${2%% *}" ]
}

read_record() {
  RECORDED='' rec_tx='' rec_target='' rec_releases='' rec_made='' rec_files=''
  [ -f "$S/record" ] || return 0
  RECORDED=yes
  while IFS= read -r line; do
    rest=${line#* }
    case ${line%% *} in
      tx) rec_tx=$rest ;;
      target) rec_target=$rest ;;
      release) rec_releases=$rec_releases$rest$NL ;;
      made) rec_made=$rec_made$rest$NL ;;
      file) rec_files=$rec_files$rest$NL ;;
    esac
  done <"$S/record"
}

# Two environments may call an application the same: what one has put there isn't for the other to remove.
is_at_home() {
  [ -n "$rec_target" ] && [ "$rec_target" != "$TARGET" ] || return 0
  refuse elsewhere "$rec_target"
  return 1
}

# Sets written and first, what the record says of file $1: our text's checksum, and that of the text before.
recorded() {
  written='' first='' wanted=$1
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $rec_files
  unset IFS; set +f
  for row in "$@"; do
    rest=${row#* }
    [ "${rest#* }" = "$wanted" ] || continue
    written=${row%% *} first=${rest%% *}
  done
}

is_release() {
  case $1 in *[!0-9a-f]*) return 1 ;; ????????????????) return 0 ;; esac
  return 1
}

# Sets current, the release in use ("-": none), and foreign, why that can't be switched.
find_current() {
  current=- foreign='' link=$TARGET/current
  [ -n "$TARGET" ] || return 0
  for dir in "$TARGET" "$TARGET/releases"; do
    if { [ -e "$dir" ] || [ -h "$dir" ]; } && [ ! -d "$dir" ]; then foreign="file $dir"; return; fi
  done
  if [ -h "$link" ]; then
    line=$(readlink -- "$link")
    if is_release "${line#releases/}"; then current=${line#releases/}; else foreign="link $line"; fi
  elif [ -e "$link" ]; then foreign="there $link"; fi
}
# The link current says $1, a release or "-".
link_is() { find_current; [ -z "$foreign" ] && [ "$current" = "$1" ]; }

# Our releases on the disk, the latest last: those that the record doesn't know first.
list_releases() {
  [ -n "$TARGET" ] || return 0
  for dir in "$TARGET"/releases/*; do
    if ! is_release "${dir##*/}" || [ ! -d "$dir" ] || [ -h "$dir" ]; then continue; fi
    case $NL$rec_releases in *"$NL${dir##*/}$NL"*) ;; *) printf '%s\n' "${dir##*/}" ;; esac
  done
  each_line there_yet "$rec_releases"
}
there_yet() { if is_release "$line" && [ -d "$TARGET/releases/$line" ]; then printf '%s\n' "$line"; fi; }

# --- look ---------------------------------------------------------------------------------------

do_app_look() {
  open_app || return 0
  # What a change has left that was cut off before it touched anything live, or couldn't tidy up.
  if { [ -f "$S/staging" ] || [ -f "$S/making" ] || [ -f "$S/owner" ]; } && [ ! -d "$S/pending" ] && try_lock; then
    [ -d "$S/pending" ] || sweep_app
    unlock
  fi
  read_record
  is_at_home || return 0
  told='' reals='' sends='' total=0 count=0 trouble=''
  each_line tell_file "$ASKED"
  each_line tell_recorded "$rec_files"
  [ -z "$trouble" ] || { refuse "${trouble%% *}" "${trouble#* }"; return; }
  [ "$total" -le "$MAX_BYTES" ] || { refuse big "$total"; return; }
  owner
  emit state "$S$NL$owner"
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  find_manager || emit unmanaged "$SERVICE"
  find_current
  emit app "${RECORDED:-no}$NL$current$NL$foreign"
  emit releases "$(list_releases)"
  emit reals "${reals%"$NL"}"
  emit files "${told%"$NL"}"
  send_texts
  emit_done ok look ''
}

# File $line: its real name to reals; size, size of the text before us, checksum of that, what it is to told.
# The text before us is sent for files that are ours, and for those that somebody has edited since.
tell_file() {
  count=$((count + 1))
  [ "$count" -le "$MAX_FILES" ] || { trouble="many $MAX_FILES"; return; }
  if [ ! -f "$line" ]; then reals=$reals$line$NL told="$told- - - absent$NL"; return; fi
  real=$(real_names "$line")
  [ -r "$real" ] || { trouble="unreadable $line"; return; }
  size=$(($(wc -c <"$real")))
  [ "$size" -le "$MAX_EDIT" ] || { trouble="big $line"; return; }
  recorded "$real"
  reals=$reals$real$NL sends=$sends$real$NL total=$((total + size))
  what=plain
  if [ -n "$written" ]; then
    sums "$real"
    case $SUMS in
      "$written$NL") what=ours ;;
      "$first$NL") ;;
      *) what=edited ;;
    esac
  fi
  kept=$S/originals/$first
  if [ "$what" = ours ] || { [ "$what" = edited ] && [ -r "$kept" ]; }; then
    less=$(($(wc -c <"$kept" 2>/dev/null || echo 0)))
    sends=$sends$kept$NL total=$((total + less)) told="$told$size $less $first $what$NL"
  else told="$told$size - ${first:--} $what$NL"; fi
}
# One that we have written, and that nobody has asked for.
tell_recorded() {
  line=${line#* } line=${line#* }
  case $NL$reals in *"$NL$line$NL"*) return ;; esac
  if [ -f "$line" ]; then tell_file; fi
}

# The texts of the files, each with the one before us. One that changes meanwhile must not shift the frames.
send_texts() {
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $sends
  unset IFS; set +f
  [ $# -gt 0 ] || return 0
  printf '@bytes %s\n' "$total" 2>/dev/null
  cat -- "$@" /dev/zero 2>/dev/null | head -c "$total" 2>/dev/null
  printf '\n' 2>/dev/null
  sums "$@"
  emit sums "${SUMS%"$NL"}"
}
