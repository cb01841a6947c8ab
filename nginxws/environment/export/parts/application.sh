
# --- an application ---

begin_application() {
    edits=0
    switched=
    previous=
    : >"$work/edits"
    mkdir "$work/edit.d"
}

# release TARGET NAME KEEP: the archive, as base64 on standard input, becomes what `current` points to.
release() {
    target=$1 release=$2 keep=$3
    cat >"$work/archive"
    [ ! -e "$target/current" ] || [ -L "$target/current" ] || die "$target/current isn't a link: move it away first"
    previous=$(readlink "$target/current") || previous=
    if [ "$previous" = "releases/$release" ] && [ -d "$target/$previous" ]; then return 0; fi
    change "$target: release $release"
    [ "$action" = apply ] || return 0
    mkdir -p "$target/releases"
    if [ ! -d "$target/releases/$release" ]; then
        rm -rf "$target/releases/.$release.new"
        mkdir "$target/releases/.$release.new"
        base64 -d <"$work/archive" | tar -xzf - -C "$target/releases/.$release.new"
        fill_release "$target/releases/.$release.new"
        mv "$target/releases/.$release.new" "$target/releases/$release"
    fi
    undo=restore_application
    switched=yes
    point_to "releases/$release"
}

# A link is switched by renaming a new one over it: at no moment is there none.
point_to() {
    ln -sfn "$1" "$target/.current.new" # a run that was cut off may have left one
    mv -fT "$target/.current.new" "$target/current"
}

# swap FILE OLD NEW: the only OLD in a file becomes NEW; prints how many there are.
swap() {
    NGINXWS_OLD=$2 NGINXWS_NEW=$3 NGINXWS_BARE=$(no_final_newline "$1") NGINXWS_COUNT=$work/count awk '
        BEGIN { old = ENVIRON["NGINXWS_OLD"] }
        {
            if (NR > 1) print last
            rest = $0
            last = ""
            while ((at = index(rest, old)) > 0) {
                count++
                last = last substr(rest, 1, at - 1) ENVIRON["NGINXWS_NEW"]
                rest = substr(rest, at + length(old))
            }
            last = last rest
        }
        END {
            if (NR) printf "%s%s", last, ENVIRON["NGINXWS_BARE"] ? "" : "\n"
            print count + 0 >ENVIRON["NGINXWS_COUNT"]
        }' "$1" >"$work/swapped"
    cat "$work/count"
}

# address FILE PLACEHOLDER ADDRESS: a file of the node in which the address stands.
address() {
    [ -f "$1" ] || die "$1: there is no such file"
    count=$(swap "$1" "$2" "$3")
    if [ "$count" = 0 ] && [ "$(swap "$1" "$3" "$3")" = 1 ]; then return 0; fi
    [ "$count" = 1 ] || die "$1: the placeholder is there $count times: it must be there exactly once"
    swap "$1" "$2" "$3" >/dev/null
    change "$1: $3"
    [ "$action" = apply ] || return 0
    edits=$((edits + 1))
    cp -p "$1" "$work/edit.d/$edits"
    cp "$work/swapped" "$work/edit.d/$edits.new"
    printf '%s\t%s\n' "$edits" "$1" >>"$work/edits"
    [ -e "$(dirname "$1")/.$(basename "$1").nginxws.old" ] || cp -p "$1" "$(dirname "$1")/.$(basename "$1").nginxws.old"
    undo=restore_application
    put "$1" "$work/swapped"
}

restore_application() {
    undo=
    while IFS='	' read -r number file; do
        if cmp -s "$file" "$work/edit.d/$number.new"; then put "$file" "$work/edit.d/$number"; fi
    done <"$work/edits"
    if [ -n "$switched" ]; then
        if [ -n "$previous" ]; then point_to "$previous"; else rm -f "$target/current"; fi
    fi
    run_restart "$restart" "$service" || say "the restart with the old files failed" >&2
}

# Whether somebody listens on the application's port: curl's exit code 7 is "could not connect".
listens() {
    if command -v curl >/dev/null; then
        code=0
        curl -s --noproxy '*' --max-time 2 -o "$work/ignored" "http://$1/" </dev/null >/dev/null 2>&1 || code=$?
        case $code in 6 | 7) return 1 ;; esac
    elif command -v nc >/dev/null; then
        nc -z "$2" "$3" </dev/null >/dev/null 2>&1
    fi
}

# finish_application HOST PORT SECONDS: no seconds, no wait.
finish_application() {
    [ "$action" = apply ] || return 0
    if [ -z "$changed" ]; then
        say "nothing to change"
        return 0
    fi
    run_restart "$restart" "$service" || die "the restart failed"
    if [ "$3" = 0 ]; then
        undo=
        return 0
    fi
    tries=0
    until listens "$1:$2" "$1" "$2"; do
        tries=$((tries + 1))
        [ "$tries" -lt $(($3 * 10)) ] || die "nobody listens on $1:$2 after the restart"
        pause
    done
    say "up: $1:$2"
    undo=
    if [ -n "$switched" ]; then prune; fi
}

# The newest releases stay, and the one in use.
prune() {
    # shellcheck disable=SC2010 # the names are 16 hexadecimal digits
    ls -1t "$target/releases" | grep -x '[0-9a-f]\{16\}' | grep -vxF "$release" | tail -n "+$keep" >"$work/old" || :
    while read -r name; do rm -rf "$target/releases/$name"; done <"$work/old"
}
