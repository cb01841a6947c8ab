set -eu
LC_ALL=C
export LC_ALL
umask 022

say() { printf 'nginxws: %s\n' "$*"; }
die() {
    printf 'nginxws: error: %s\n' "$*" >&2
    exit 1
}

# Whatever ends the script before the work is done takes back what it did.
undo=
changed=
work=$(mktemp -d)
leave() {
    code=$?
    trap - EXIT
    if [ -n "$undo" ]; then
        "$undo"
        say "failed: everything is as it was" >&2
        [ "$code" != 0 ] || code=1
    fi
    rm -rf "$work"
    exit "$code"
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

change() {
    changed=yes
    if [ "$action" = check ]; then say "would change: $*"; else say "changed: $*"; fi
}

pause() { sleep 0.1 2>/dev/null || sleep 1; }

# What an awk program says: its words for the user end the script.
programs() {
    cat >"$work/edit.awk" <<'NGINXWS_PART'
@@edit.awk@@
NGINXWS_PART
    cat >"$work/headers.awk" <<'NGINXWS_PART'
@@headers.awk@@
NGINXWS_PART
}

no_final_newline() {
    if [ -s "$1" ] && [ -n "$(tail -c 1 "$1" | tr -d '\n\000')" ]; then echo yes; fi
}

# put FILE NEW: the new bytes in place of the file's, at once, with its mode and owner; through symbolic links.
put() {
    real=$(readlink -f "$1")
    staged=$(dirname "$real")/.$(basename "$real").nginxws.new
    cp -p "$real" "$staged"
    cat "$2" >"$staged"
    # A file that is mounted into a container can't be replaced, only written.
    if ! mv -f "$staged" "$real" 2>/dev/null; then
        rm -f "$staged"
        cat "$2" >"$real"
    fi
}

run_restart() {
    if [ -n "$1" ]; then
        sh -c "$1" </dev/null
    elif [ -n "$2" ]; then
        if [ -d /run/systemd/system ]; then systemctl restart "$2"
        elif command -v rc-service >/dev/null; then rc-service "$2" restart
        else service "$2" restart; fi
    fi
}
