
# --- a balancer ---

# A copy of every file of the configuration, with the block that the file is included in and its own name.
read_tree() {
    : >"$work/files"
    copies=0
    printf 'main\t%s\n' "$conf" >"$work/queue"
    while [ -s "$work/queue" ]; do
        : >"$work/next"
        while IFS='	' read -r around file; do
            cut -f3 "$work/files" >"$work/known"
            if [ ! -f "$file" ] || grep -qxF -- "$file" "$work/known"; then continue; fi
            copies=$((copies + 1))
            cp "$file" "$work/tree/$copies"
            cp "$file" "$work/as_it_was/$copies"
            printf '%s\t%s\t%s\n' "$around" "$work/tree/$copies" "$file" >>"$work/files"
            look files "$work/tree/$copies" >"$work/includes" || fail_with "$work/includes"
            follow
        done <"$work/queue"
        mv "$work/next" "$work/queue"
    done
    [ -s "$work/files" ] || die "there is no $conf"
}

follow() {
    while IFS='	' read -r around pattern; do
        case $pattern in /*) ;; *) pattern=$(dirname "$conf")/$pattern ;; esac
        (
            IFS=
            # shellcheck disable=SC2086 # an include is a pattern of file names
            for file in $pattern; do
                [ ! -f "$file" ] || printf '%s\t%s\n' "$around" "$file"
            done
        ) >>"$work/next"
    done <"$work/includes"
}

look() {
    mode=$1
    shift
    NGINXWS_FILES="$work/files" awk -v mode="$mode" -f "$work/edit.awk" "$@"
}

fail_with() {
    die "$(sed -n 's/^error	//p' "$1")"
}

nginx_test() {
    if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then "$nginx" -t -c "$conf"
    else sudo -n "$nginx" -t -c "$conf" || sudo -n service nginx configtest || sudo -n /etc/init.d/nginx configtest; fi
}

tested() { nginx_test >"$work/test" 2>&1 </dev/null; }

reload_nginx() {
    if [ -n "$reload_command" ]; then sh -c "$reload_command" </dev/null; return; fi
    own=
    if [ "$conf" = /etc/nginx/nginx.conf ] && [ -d /run/systemd/system ]; then own=yes; fi
    if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then
        if [ -n "$own" ] && systemctl is-active --quiet nginx; then systemctl reload nginx
        elif [ -n "$own" ] && [ -n "$site" ]; then systemctl start nginx
        elif ! "$nginx" -c "$conf" -s reload && [ -n "$site" ]; then "$nginx" -c "$conf"
        fi
    else
        sudo -n systemctl reload nginx || sudo -n service nginx reload || sudo -n /etc/init.d/nginx reload
    fi
}

begin_balancer() {
    programs
    blocks=0
    site_written=
    reloaded=
    : >"$work/wanted"
    mkdir "$work/block" "$work/tree" "$work/as_it_was"
}

# shared ID: a block of http context that routes lean on, on standard input.
shared() {
    blocks=$((blocks + 1))
    cat >"$work/block/$blocks"
    printf 'shared\t%s\t%s\t-\t-\n' "$1" "$blocks" >>"$work/wanted"
}

# route ID SERVER OWN: a location, on standard input; OWN are the headers that the route itself sets.
route() {
    blocks=$((blocks + 1))
    cat >"$work/block/$blocks"
    printf 'route\t%s\t%s\t%s\t%s\n' "$1" "$blocks" "$2" "$3" >>"$work/wanted"
}

digest() { sed 's/^[ 	]*//' "$1" | sha256sum | cut -c1-16; }

found() { awk -F '	' -v key="$1" -v column="$2" '$1 == key { print $column; exit }' "$work/found"; }

# Which server block a route is for; where there is none, one is written if the script may do that.
find_server() {
    cut -f2 "$work/files" >"$work/copies"
    set --
    while read -r file; do set -- "$@" "$file"; done <"$work/copies"
    wanted_server=$server
    [ "$server" != - ] || wanted_server=
    NGINXWS_SERVER=$wanted_server look find "$@" >"$work/found" || fail_with "$work/found"
    case $(head -n 1 "$work/found") in
        error*) fail_with "$work/found" ;;
        none*)
            if [ -z "$site" ] || [ -n "$site_written" ]; then die "no server block fits $server"; fi
            write_site
            find_server
            ;;
    esac
}

# Where http includes a folder of its own: /etc/nginx/conf.d, or http.d.
write_site() {
    site_written=yes
    look files "$work/tree/1" >"$work/includes"
    place=$(awk -F '	' '$1 == "http" && $2 ~ /(conf|http)\.d\/\*\.conf$/ { sub(/\/[^\/]*$/, "", $2); print $2; exit }' "$work/includes")
    case $place in
        '') die "no server block fits $server, and $conf includes no conf.d/*.conf for a new one" ;;
        /*) ;;
        *) place=$(dirname "$conf")/$place ;;
    esac
    copies=$((copies + 1))
    printf '%s\n' "$site" >"$work/tree/$copies"
    printf 'http\t%s\t%s\n' "$work/tree/$copies" "$place/nginxws-site.conf" >>"$work/files"
}

refuse_drift() { # COPY ID DIGEST
    now=$(NGINXWS_ID=$2 look body "$1" | sha256sum | cut -c1-16)
    if [ "$now" != "$3" ] && [ "$overwrite_drift" != yes ]; then
        die "$(own_name "$1"): $2 was edited by hand; OVERWRITE_DRIFT=yes gives the edit up"
    fi
}

own_name() { awk -F '	' -v copy="$1" '$2 == copy { print $3; exit }' "$work/files"; }

# The edit of one route, in the copy of its file, with the blocks that aren't as they should be.
edit_route() {
    find_server
    target=$(found server 2)
    line=$(found server 3)
    whole=$work/block/$number.whole
    if [ "$own" = '*' ]; then
        cp "$work/block/$number" "$whole"
    else
        NGINXWS_FOUND=$work/found NGINXWS_OWN=$own awk -f "$work/headers.awk" "$work/block/$number" >"$whole"
    fi
    : >"$work/list"
    while IFS='	' read -r kind name its _; do
        if [ "$kind" = shared ]; then list_block "$name" "$work/block/$its"; fi
    done <"$work/wanted"
    list_block "$id" "$whole"
    edit_copy
}

list_block() { # ID FILE
    fresh=$(digest "$2")
    awk -F '	' -v id="$1" '$1 == "block" && $3 == id { print $2 "\t" $4; exit }' "$work/found" >"$work/held"
    if [ -s "$work/held" ]; then
        IFS='	' read -r holder held <"$work/held"
        refuse_drift "$holder" "$1" "$held"
        if [ "$holder" != "$target" ]; then
            [ "$held" = "$fresh" ] || die "$(own_name "$holder"): $1 is of another version: use nginxws itself"
            return 0
        fi
    fi
    printf '%s\t%s\t%s\n' "$1" "$fresh" "$2" >>"$work/list"
}

edit_copy() {
    bare=$(no_final_newline "$target")
    NGINXWS_NO_FINAL_NEWLINE=$bare NGINXWS_LINE=$line NGINXWS_BLOCKS=$work/list \
        look edit "$target" >"$work/edit" || fail_with "$work/edit"
    # Without its managed blocks the file must be what it was, byte for byte.
    NGINXWS_NO_FINAL_NEWLINE=$bare look strip "$target" >"$work/before" || fail_with "$work/before"
    printf 'http\t%s\t%s\n' "$work/edit" "$(own_name "$target")" >>"$work/files"
    NGINXWS_NO_FINAL_NEWLINE=$bare look strip "$work/edit" >"$work/after" || fail_with "$work/after"
    sed '$d' "$work/files" >"$work/less"
    mv "$work/less" "$work/files"
    cmp -s "$work/before" "$work/after" || die "$(own_name "$target"): the edit would change foreign bytes"
    cat "$work/edit" >"$target"
}

edit_routes() {
    while IFS='	' read -r kind id number server own; do
        if [ "$kind" = route ]; then edit_route; fi
    done <"$work/wanted"
    while IFS='	' read -r _ copy file; do
        cmp -s "$copy" "$work/as_it_was/$(basename "$copy")" || change "$file"
    done <"$work/files"
}

# --- placing what was edited, and taking it back ---

each_edited() { # COMMAND: called with the number of the copy and the file
    while IFS='	' read -r _ copy file; do
        number=$(basename "$copy")
        cmp -s "$copy" "$work/as_it_was/$number" || "$1" "$number" "$file"
    done <"$work/files"
}

place_file() {
    if [ -e "$work/as_it_was/$1" ]; then
        cmp -s "$2" "$work/as_it_was/$1" || die "$2 was changed by somebody else meanwhile"
        put "$2" "$work/tree/$1"
    else
        [ ! -e "$2" ] || die "$2 is there, but the configuration doesn't include it"
        cat "$work/tree/$1" >"$2"
    fi
}

# The bytes before this run stay beside the file, under a name that no include matches.
keep_old() {
    [ -e "$work/as_it_was/$1" ] || return 0
    real=$(readlink -f "$2")
    old=$(dirname "$real")/.$(basename "$real").nginxws.old
    cp -p "$real" "$old"
    cat "$work/as_it_was/$1" >"$old"
}

take_back() {
    if [ ! -e "$work/as_it_was/$1" ]; then rm -f "$2"
    elif cmp -s "$2" "$work/tree/$1"; then put "$2" "$work/as_it_was/$1"; fi
}

restore_balancer() {
    undo=
    each_edited take_back
    if [ -n "$reloaded" ]; then reload_nginx >/dev/null 2>&1 || say "the reload of the old configuration failed" >&2; fi
}

# For a tool that writes files itself: the name and the new bytes of each file, in base64.
tell_file() {
    file=$2
    if [ -e "$file" ]; then file=$(readlink -f "$file"); fi
    printf 'file %s %s\n' "$(printf %s "$file" | base64 | tr -d '\n')" "$(base64 <"$work/tree/$1" | tr -d '\n')"
}

finish_balancer() {
    case $action in
        reload) reload_nginx; return ;;
        test) tested || { cat "$work/test" >&2; die "nginx -t fails"; }; return ;;
        prove) prove_routes; return ;;
    esac
    tested || { cat "$work/test" >&2; die "nginx -t fails already: nothing was changed"; }
    read_tree
    edit_routes
    case $action in
        plan) each_edited tell_file; return ;;
        check) return ;;
    esac
    if [ -n "$changed" ]; then
        undo=restore_balancer
        each_edited place_file
        tested || { cat "$work/test" >&2; die "nginx -t refuses the change"; }
        reloaded=yes
        reload_nginx || die "the reload failed"
    fi
    prove_routes
    undo=
    [ -z "$changed" ] || each_edited keep_old
    [ -n "$changed" ] || say "nothing to change"
}
