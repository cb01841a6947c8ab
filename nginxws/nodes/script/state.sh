# --- state --------------------------------------------------------------------------------------

open_state() {
  state_folder
  key=$(printf %s "$MAIN" | { sums /dev/stdin; printf %s "$SUMS"; })
  S=$STATE/${key%"${key#????????????????}"}
}

make_state() {
  mkdir -p -- "$S/revisions" 2>/dev/null
  is_safe || return 1
  chmod -- 700 "$S" 2>/dev/null
  if [ -w "$S" ]; then
    [ -s "$S/conf" ] || { printf '%s\n' "$MAIN" >"$S/conf"; } 2>/dev/null && return 0
  fi
  refuse_state
  return 1
}
