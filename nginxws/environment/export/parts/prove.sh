
# --- proof: a real WebSocket handshake (RFC 6455, with the key and the answer of its section 1.3) ---

# prove SERVER HOST PATH EXPECTED MUST [CURL-OPTION...]: ask until the answer is the one that counts as proof.
prove() {
    server=$1 host=$2 path=$3 expected=$4 must=$5
    shift 5
    if ! command -v curl >/dev/null; then
        say "not proved: curl isn't installed" >&2
        return 0
    fi
    whereabouts
    tries=0
    while :; do
        if answers "$@"; then
            say "proved: $scheme://$host$path answers $expected"
            return 0
        fi
        tries=$((tries + 1))
        [ "$tries" -lt "$prove_tries" ] || break
        pause
    done
    seen=$(head -n 1 "$work/answer" 2>/dev/null | tr -d '\r') || seen=
    [ -n "$seen" ] || seen='no answer'
    if [ "$must" = yes ]; then die "not proved: $scheme://$host$path: $seen"; fi
    say "not proved: $scheme://$host$path: $seen" >&2
}

# The address on which the server listens, as a client on this machine reaches it, and the name to ask for.
whereabouts() {
    [ -s "$work/files" ] || read_tree
    find_server
    address=$(found listen 2)
    scheme=http
    case " $address " in *' ssl '*) scheme=https ;; esac
    address=$(printf '%s\n' "$address" | sed 's/ .*//; s/^[0-9]*$/127.0.0.1:&/; s/^\*:/127.0.0.1:/; s/^0\.0\.0\.0:/127.0.0.1:/; s/^\[::\]:/[::1]:/')
    case $address in
        unix:*) die "not proved: the server listens on a socket file" ;;
        *:[0-9]*[0-9] | *:[0-9]) ;;
        *) address=$address:80 ;;
    esac
    port=$(printf '%s\n' "$address" | sed 's/.*://')
    if [ "$host" = - ]; then
        host=$(sed -n 's/^name //p' "$work/found" | tr ' ' '\n' | grep -x '[a-z0-9][a-z0-9.-]*' | head -n 1) || host=
        [ -n "$host" ] || host=localhost
    fi
}

# One handshake. An accepted one stays open, so the answer is read while curl still runs.
answers() {
    : >"$work/answer"
    curl --http1.1 -gsk -D "$work/answer" -o /dev/null --max-time 5 --noproxy '*' --connect-to "::$address" \
        -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$@" \
        "$scheme://$host:$port$path" >/dev/null 2>&1 </dev/null &
    asked=$!
    polls=0
    while kill -0 "$asked" 2>/dev/null && ! has_head && [ "$polls" -lt 60 ]; do
        polls=$((polls + 1))
        pause
    done
    kill "$asked" 2>/dev/null || :
    wait "$asked" 2>/dev/null || :
    head -n 1 "$work/answer" | grep -q "^HTTP/1\.1 $expected " || return 1
    [ "$expected" != 101 ] || grep -qi '^Sec-WebSocket-Accept: *s3pPLMBiTxaQ9kYGzzhZRbK+xOo=' "$work/answer"
}

has_head() { tr -d '\r' <"$work/answer" | grep -q '^$'; }
