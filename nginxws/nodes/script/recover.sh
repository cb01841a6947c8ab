# --- recover, unlock ----------------------------------------------------------------------------

do_recover() {
  locate || return 0
  [ -d "$S" ] || { all_clean; return; }
  lock || return 0
  last_revision
  emit last "$number $(sed -n 's/^tx //p' "$S/revisions/$number/meta" 2>/dev/null)"
  if [ ! -d "$S/pending" ]; then
    sweep
    all_clean
  else
    load_pending
    if [ "$ACCEPT" = yes ]; then accept; else restore recovery "interrupted transaction $TX"; fi
  fi
  unlock
}

# Nothing to undo; but when NGINX isn't running, not all is well.
all_clean() {
  why=
  find_master || no_master
  emit_done ok clean "$why"
}

# The files stay as they are, somebody's edits included, and NGINX serves them if it can.
accept() {
  why=
  if [ -z "$MASTER" ]; then no_master
  elif test_live; then reload_and_prove && why=
  fi
  close_pending
  emit_done accepted recovery "$why"
}

do_unlock() {
  locate || return 0
  [ -d "$S" ] || { emit_done ok free ''; return; }
  owner
  freed=$owner
  pid=${freed#pid }; pid=${pid%%"$NL"*}
  if [ "$FORCE" = yes ] && is_holder; then
    kill -TERM "$pid" 2>/dev/null # it restores what it has done, then ends
    LOCK_TIMEOUT=$((RELOAD_TIMEOUT * 2))
  fi
  lock || return 0
  if [ -d "$S/pending" ]; then emit pending "$(cat "$S/pending/meta" 2>/dev/null)"; fi
  unlock
  emit_done ok freed "$freed"
}

# Process $pid does hold the lock: a number in a file may long be another process's.
is_holder() {
  is_number "$pid" || return 1
  if have flock; then
    [ -d /proc/self/fd ] || return 0
    [ "$(readlink "/proc/$pid/fd/9" 2>/dev/null)" = "$(realpath -- "$S/lock" 2>/dev/null || readlink -f "$S/lock")" ]
  else
    [ "$pid $(birth "$pid")" = "$(cat "$S/locked" 2>/dev/null)" ]
  fi
}
