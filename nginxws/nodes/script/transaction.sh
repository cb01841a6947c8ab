# --- transaction --------------------------------------------------------------------------------

do_transaction() {
  locate || return 0
  [ -n "$MASTER" ] || { refuse_without_master; return; }
  make_state || return 0
  lock || return 0
  if [ -d "$S/pending" ]; then
    refuse pending ''
  elif await_others && base_unchanged && few_draining; then
    sweep
    stage_and_go
  fi
  unlock
}

refuse_without_master() {
  no_master
  case $why in *reloaded) refuse no-master "$why" ;; *) refuse not-running "$PIDFILE" ;; esac
}

# Each reload leaves a generation of workers to drain; the user may set how many there can be.
few_draining() {
  [ "$MAX_DRAINING" -gt 0 ] || return 0
  look
  generations
  [ "$GENERATIONS" -ge "$MAX_DRAINING" ] || return 0
  # shellcheck disable=SC2086 # a list of numbers
  set -- $DRAINING
  refuse draining "$GENERATIONS $# $OLDEST"
  return 1
}

# Every file of the plan's snapshot still has the checksum it had then.
base_unchanged() {
  changed=
  each_line must_be_regular "$BASE_PATHS" # a FIFO would hold us up for ever
  if [ -z "$changed" ] && [ -n "$BASE_PATHS" ]; then
    set -f; IFS=$NL
    # shellcheck disable=SC2086 # split at line ends on purpose
    set -- $BASE_PATHS
    unset IFS; set +f
    sums "$@"
    [ "$SUMS" != "$BASE_SUMS" ] || return 0
    rest=$BASE_SUMS
    each_line compare_sum "$BASE_PATHS"
  fi
  [ -n "$changed" ] || return 0
  refuse stale "$changed"
  return 1
}
must_be_regular() { [ -f "$line" ] || changed=$changed$line$NL; }
compare_sum() {
  path=$line
  has_sum "$path" "${rest%%"$NL"*}" || changed=$changed$path$NL
  rest=${rest#*"$NL"}
}

# From here on every way out goes through abandon (nothing live touched) or undo.
stage_and_go() {
  step stage "$COUNT"
  [ -z "$STOP" ] || { abandon stage ''; return; }
  { each_file echo_names >"$S/staging"; } 2>/dev/null || { refuse no-space "$S"; sweep; return; }
  IN_PLACE=
  find_mounts
  each_file stage_file || { abandon stage "$path: $why"; return; }
  each_file check_staged || { abandon stage "$path: $why"; return; }
  may_reload || { abandon reload-denied "$why"; return; }
  test_staged || { abandon test "$why"; return; }
  same_list || { sweep; refuse stale "$changed"; return; }
  step checkpoint
  checkpoint || { overtaken_early || abandon "$lack" "$why"; return; }
  go_live
}

# The staged files at their live paths, in a mount namespace of our own: nobody else sees them there.
test_staged() {
  set --
  n=0
  while [ "$n" -lt "$COUNT" ]; do
    n=$((n + 1))
    eval "set -- \"\$@\" \"\$new_$n\" \"\$path_$n\""
  done
  why=
  if [ "$(id -u)" = 0 ] && have unshare; then
    # Old versions of unshare leave mounts shared: without a private root nothing is mounted.
    # shellcheck disable=SC2016 # expanded by the inner shell
    why=$(outside unshare -m sh -c '
      bin=$1 conf=$2 prefix=$3; shift 3
      mount --make-rprivate / || exit 99
      while [ $# -gt 0 ]; do mount --bind "$1" "$2" 2>/dev/null || mount -o bind "$1" "$2" || exit 99; shift 2; done
      if [ -n "$prefix" ]; then set -- -p "$prefix"; fi
      { "$bin" "$@" -c "$conf" -T; echo "# status $?"; } \
        | sed -n "s/^# configuration file \(.*\):\$/# file \1/p; \$p"' sh "$BIN" "$CONF" "$PREFIX" "$@" 2>&1 </dev/null)
    drop_empty_pid_file
  fi
  # NGINX's complaints, then the files that it read, then its exit status: none of it needs room on a disk.
  code=${why##*"$NL"} STAGED_LIST=$(printf '%s\n' "$why" | sed -n 's/^# file //p')
  why=$(printf '%s\n' "$why" | grep -v '^# ')
  case $code in
    '# status 0') step test 'before activation, in a mount namespace' ;;
    '# status '*) step test 'before activation, in a mount namespace'; return 1 ;;
    *) STAGED_LIST='' why=''; step test 'after activation' ;;
  esac
}

# The configuration consists of the files that the plan knows: no include has brought in another.
same_list() {
  changed=
  if [ -n "$STAGED_LIST" ]; then
    LISTED=$STAGED_LIST
    compare_list && return 0
  fi
  # The new text itself may include more; so it is the live tree that counts.
  list_files
  compare_list
}

# LISTED against BASE_PATHS; a test that fails lists nothing, and then there is nothing to compare.
compare_list() {
  [ -n "$LISTED" ] || return 0
  configuration_files "$LISTED"
  set -f; IFS=$NL
  # shellcheck disable=SC2086 # split at line ends on purpose
  set -- $FILES
  unset IFS; set +f
  [ $# -gt 0 ] || return 0
  reals=$(real_names "$@")
  [ "$reals$NL" != "$BASE_PATHS" ] || return 0
  changed=$(printf '%s\n' "$reals" | sort -u
    printf '%s' "$BASE_PATHS" | sort -u)
  changed=$(printf '%s\n' "$changed" | sort | uniq -u)
  [ -z "$changed" ]
}

# The undo, on disk before the do.
checkpoint() {
  why="cannot write to $S" lack=checkpoint
  undo=$S/pending.tmp
  mkdir -- "$undo" 2>/dev/null || return 1
  { { printf 'tx %s\nwho %s\nsince %s\nmessage %s\ndigest %s\nkind %s\n' \
    "$TX" "$WHO" "$(date +%s)" "$MESSAGE" "$DIGEST" "$KIND" && each_file meta_line; } >"$undo/meta"; } 2>/dev/null || return 1
  look
  { printf 'workers %s\n' "$MASTER$SERVING" >"$undo/journal"; } 2>/dev/null || return 1
  each_file save_copies || return 1
  set -- "$undo" "$undo"/*
  n=0
  while [ "$n" -lt "$COUNT" ]; do n=$((n + 1)); eval "set -- \"\$@\" \"\$new_$n\""; done
  flush "$@"
  each_file still_there || return 1
  if somebody_edits; then return 1; fi
  is_master "$MASTER" || { lack=gone why="the master process $MASTER ended"; return 1; }
  [ -z "$STOP" ] || return 1
  mv -- "$undo" "$S/pending" && flush "$S"
}

# Nothing live was touched, and somebody else has begun to edit: his turn.
overtaken_early() {
  [ -z "$STOP" ] || return 1
  if [ -n "$changed" ]; then sweep; refuse stale "$changed"; return; fi
  [ -n "$other" ] || return 1
  sweep
  refuse "$kind" "$other"
}

go_live() {
  step activate "$COUNT${IN_PLACE:+, in place: ${IN_PLACE#, }}"
  [ -z "$STOP" ] || { undo activate ''; return; }
  each_file activate_file || {
    if [ -n "$changed" ]; then overtaken; else undo activate "$path: $why"; fi
    return
  }
  test_live || { undo test "$why"; return; }
  step reload
  reload_and_prove || { undo "reload${SORT:+-$SORT}" "$why"; return; }
  wait_for_word
}

# The live tree passes, or fails only as it did before us.
test_live() {
  why=$(nginx -t 2>&1)
  code=$?
  drop_empty_pid_file
  [ "$code" != 0 ] || return 0
  [ -n "$TEST_REFUSED" ] && case $why in *'Permission denied'*) return 0 ;; esac
  return 1
}
