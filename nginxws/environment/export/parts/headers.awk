# A location's proxy_set_header lines, and those of its parents, which it would otherwise cancel. The parents'
# own values win over nginxws's defaults, except for the handshake's two; the route's own (NGINXWS_OWN) win over all.

BEGIN {
    n = split(" upgrade connection host x-real-ip x-forwarded-for x-forwarded-proto", ours, " ")
    for (i = 1; i <= n; i++) is_ours[ours[i]] = i
    n = split(tolower(ENVIRON["NGINXWS_OWN"]), list, " ")
    for (i = 1; i <= n; i++) is_own[list[i]] = 1
    while ((getline line < ENVIRON["NGINXWS_FOUND"]) > 0) {
        if (split(line, part, "\t") < 3 || part[1] != "header") continue
        name = tolower(part[2])
        gsub(/^["']|["']$/, "", name)
        if (is_own[name] || name == "upgrade" || name == "connection") continue
        if (!(name in given)) order[++names] = name
        given[name] = given[name] part[2] " " part[3] "\n"
    }
}

function emit(lines,   i, n, list) {
    n = split(lines, list, "\n")
    for (i = 1; i < n; i++) {
        text = "    proxy_set_header " list[i] ";"
        if (text == last) sub(/^    proxy_set_header [^ ]+ /, "& ", text)
        print text
        last = text
    }
}

function rest(   i) {
    for (i = 1; i <= names; i++) if (!is_ours[order[i]]) emit(given[order[i]])
}

/^    proxy_set_header / {
    name = tolower($2)
    if (is_ours[name] && !is_own[name] && (name in given)) { emit(given[name]); pending = 1; next }
    if (!is_ours[name] && pending) { rest(); pending = 0 }
    print
    last = $0
    if (is_ours[name]) pending = 1
    next
}
pending { rest(); pending = 0 }
{ print; last = $0 }
