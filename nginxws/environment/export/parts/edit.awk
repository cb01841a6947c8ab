# NGINX configuration, read as NGINX itself splits it into words, and managed blocks in and out of it.
#
# mode  find   every file of the configuration: which server block is meant (NGINXWS_SERVER: NAME[:PORT] or
#              nothing), the proxy_set_header lines that a new location of it would cancel, the blocks there are
#       edit   one file: put the blocks of the list NGINXWS_BLOCKS in, around the server of line NGINXWS_LINE
#       strip  one file: without its managed blocks
#       body   one file: the lines of the block NGINXWS_ID without indentation
#       files  one file: what it includes, each with the block it is included in
# NGINXWS_FILES lists the files, each with that block, the copy that is read and the name it has on the node.
# Lines that begin with "error" are for the user. A file that this can't follow is refused, never guessed at.

function refuse(what) {
    if (failed == "") failed = shown(FILENAME) ":" FNR ": " what
}

function shown(file) { return file in real ? real[file] : file }

function plain(text,   first) {
    first = substr(text, 1, 1)
    if ((first == "\"" || first == "'") && substr(text, length(text)) == first) return substr(text, 2, length(text) - 2)
    return text
}

function blank(text) { return text ~ /^[ \t\r]*$/ }

function new_file() {
    if (NR > 1 && (depth || state || words)) refuse("a block of the file before isn't closed")
    state = depth = words = managed = inside = 0
    word = ""
    around = FILENAME in context ? context[FILENAME] : "main"
}

# The block that a line of the top level of this file, or of a block, stands in.
function surrounding() { return depth ? block_name[depth] : around }

function end_word() {
    held[++words] = word
    word = ""
}

# One line: its words and blocks. States: 0 between words, 1 in a word, 2 in a quoted one, 3 right behind that.
function scan(text,   i, n, c) {
    n = length(text)
    for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        if (state == 2) {
            word = word c
            if (c == "\\") { i++; word = word substr(text, i, 1) }
            else if (c == quote) state = 3
            continue
        }
        if (state == 1) {
            if (c == "\\") { i++; word = word c substr(text, i, 1); continue }
            if (c == "$") {
                word = word c
                if (substr(text, i + 1, 1) == "{") { i++; word = word "{" }
                continue
            }
            if (c !~ /[ \t\r;{]/) { word = word c; continue }
            end_word()
            state = 0
        }
        if (state == 3) {
            if (c !~ /[ \t\r;{)]/) { refuse("text right behind a quoted word"); return }
            end_word()
            state = 0
        }
        if (c ~ /[ \t\r]/) continue
        if (c == ";") directive(0, i)
        else if (c == "{") directive(1, i)
        else if (c == "}") closing(text, i)
        else if (c == "#") { comment(text, i); return }
        else {
            if (!words) { first_line = FNR; first_column = i }
            if (c == "\"" || c == "'") { state = 2; quote = c; word = c }
            else { state = 1; word = ""; i-- }
        }
        if (failed != "") return
    }
    if (state == 2) word = word "\n"
    else if (state) { end_word(); state = 0 }
}

function comment(text, i,   part, n) {
    if (text !~ /^[ \t]*# nginxws: (begin|end) /) return
    n = split(text, part, " ")
    sub(/\r$/, "", part[n])
    if (part[3] == "begin" && !inside && (n == 6 || (n == 7 && part[7] == "inline"))) {
        inside = 1
        from = FNR
        id = part[4] " " part[5]
        held_digest = part[6]
        is_inline = n == 7
    } else if (part[3] == "end" && inside && n == 5 && part[4] " " part[5] == id) {
        inside = 0
        block_id[++blocks] = id
        block_file[blocks] = FILENAME
        block_from[blocks] = from
        block_to[blocks] = FNR
        block_digest[blocks] = held_digest
        block_inline[blocks] = is_inline
        block_server[blocks] = in_server()
    } else refuse("the marker lines of nginxws don't pair up here")
}

function in_server(   level) {
    for (level = depth; level; level--) if (server_at[level]) return server_at[level]
    return 0
}

function directive(opens, i,   name, at, above) {
    if (!words) { if (opens) refuse("a block without a name"); return }
    name = plain(held[1])
    if (opens) {
        if (name ~ /_by_lua_block$/) { refuse("Lua code, which this script can't read: use nginxws itself"); return }
        at = depth && server_at[depth]
        if (name == "location" && at && !inside && !location_line[server_at[depth]]) {
            location_line[server_at[depth]] = first_line
            location_column[server_at[depth]] = first_column
        }
        above = surrounding()
        depth++
        block_name[depth] = name
        server_at[depth] = 0
        if (name == "server" && words == 1 && above == "http") {
            server_at[depth] = ++servers
            server_file[servers] = FILENAME
            server_line[servers] = first_line
            server_column[servers] = first_column
        }
    } else simple(name)
    words = 0
}

function simple(name,   at, i) {
    at = depth ? server_at[depth] : 0
    if (at && !child_column[at] && !inside) { child_line[at] = first_line; child_column[at] = first_column }
    if (at && name == "server_name") for (i = 2; i <= words; i++) names[at] = names[at] " " tolower(plain(held[i]))
    if (at && name == "listen") listens[at] = listens[at] "\n" listen_words()
    if (at && name == "return") answers[at] = 1 # every request: no location of it serves any
    if (name == "include") print_include(plain(held[2]))
    if (name == "proxy_set_header" && words == 3 && !inside) {
        if (at) server_headers[at] = server_headers[at] held[2] "\t" held[3] "\n"
        else if (surrounding() == "http") http_headers = http_headers held[2] "\t" held[3] "\n"
        if (held[3] ~ /[\n\t]/ && (at || surrounding() == "http"))
            refuse("a header with a line break or tab: use nginxws itself")
    }
}

function listen_words(   i, text) {
    text = plain(held[2])
    for (i = 3; i <= words; i++) text = text " " plain(held[i])
    return text
}

function print_include(what) {
    if (mode == "files") print surrounding() "\t" what
}

function closing(text, i,   at) {
    if (!depth || words) { refuse("a closing brace where none can be"); return }
    at = server_at[depth]
    if (at) {
        server_end[at] = FNR
        end_column[at] = i
    }
    depth--
}

# --- which server is meant ---

function port_of(listen,   address) {
    address = listen
    sub(/ .*/, "", address)
    if (address ~ /^[0-9]+$/) return address
    if (address ~ /:[0-9]+$/) { sub(/.*:/, "", address); return address }
    return "80"
}

function fits(at, name, port,   i, n, list) {
    if (name != "" && index(names[at] " ", " " name " ") == 0) return 0
    if (answers[at]) return 0
    if (port == "") return 1
    n = split(substr(listens[at], 2), list, "\n")
    if (!n) return port == "80"
    for (i = 1; i <= n; i++) if (port_of(list[i]) == port) return 1
    return 0
}

function choose(   name, port, at, found, list) {
    name = tolower(ENVIRON["NGINXWS_SERVER"])
    port = ""
    if (name ~ /[^:]:[0-9]+$/) { port = name; sub(/.*:/, "", port); sub(/:[0-9]+$/, "", name) }
    found = 0
    for (at = 1; at <= servers; at++) if (fits(at, name, port)) {
        list = list " " shown(server_file[at]) ":" server_line[at]
        if (found) found = -1
        else found = at
    }
    if (found > 0) chosen(found, port)
    else if (found < 0) print "error\tseveral server blocks could be meant:" list
    else print "none"
}

function chosen(at, port,   i, n, list, address) {
    n = split(substr(listens[at], 2), list, "\n")
    address = "80"
    for (i = n; i; i--) if (port == "" || port_of(list[i]) == port) address = list[i]
    print "server\t" server_file[at] "\t" server_line[at]
    print "listen\t" address
    print "name" names[at]
    n = split(server_headers[at] != "" ? server_headers[at] : http_headers, list, "\n")
    for (i = 1; i < n; i++) print "header\t" list[i]
    for (i = 1; i <= blocks; i++)
        if (block_id[i] !~ /^route / || (block_server[i] == at))
            print "block\t" block_file[i] "\t" block_id[i] "\t" block_digest[i]
}

# --- the edit ---

# What stands for four spaces at a line: a tab where the line, or else the next one inside it, has tabs.
function unit_at(i,   indent) {
    indent = indent_of(lines[i])
    if (indent == "") {
        for (i++; i <= FNR && lines[i] ~ /^[ \t\r]*(#|$)/; i++) ;
        return index(indent_of(lines[i]), "\t") ? "\t" : "    "
    }
    return indent ~ /\t$/ ? "\t" : "    "
}

function write_block(at, indent, end, id, digest, file,   line, lead, unit, n) {
    unit = unit_at(at)
    put(indent "# nginxws: begin " id " " digest end)
    while ((getline line < file) > 0) {
        n = 0
        while (substr(line, 1, 4) == "    ") { line = substr(line, 5); n++ }
        for (lead = ""; n; n--) lead = lead unit
        put(indent lead line end)
    }
    close(file)
    put(indent "# nginxws: end " id end)
}

function put(line) { out[++outs] = line }

function indent_of(line) {
    match(line, /^[ \t]*/)
    return substr(line, 1, RLENGTH)
}

function edit(   at, i, part, line, target, indent, end, k) {
    target = ENVIRON["NGINXWS_LINE"]
    for (i = 1; i <= servers; i++) if (server_line[i] == target) at = i
    if (!at || !server_end[at]) { refuse("the server block isn't there any more"); return }
    if (!blank(substr(lines[target], 1, server_column[at] - 1))) { refuse("the server block begins in mid-line: use nginxws itself"); return }
    place(at)
    if (failed != "") return
    while ((getline line < ENVIRON["NGINXWS_BLOCKS"]) > 0) {
        split(line, part, "\t")
        wanted[++wants] = part[1]
        wanted_digest[wants] = part[2]
        wanted_file[wants] = part[3]
        for (k = 1; k <= blocks; k++) if (block_id[k] == part[1] && (part[1] !~ /^route / || block_server[k] == at)) {
            there[wants] = 1
            if (block_digest[k] == part[2]) continue
            if (block_inline[k]) { refuse("the block " part[1] " stands in mid-line: use nginxws itself"); return }
            replaces[block_from[k]] = wants
            skip_to[block_from[k]] = block_to[k]
        }
    }
    for (i = 1; i <= FNR; i++) {
        end = lines[i] ~ /\r$/ ? "\r" : ""
        if (i == target) for (k = 1; k <= wants; k++)
            if (!there[k] && wanted[k] !~ /^route /) write_block(i, indent_of(lines[i]), end, wanted[k], wanted_digest[k], wanted_file[k])
        if (i == route_line) for (k = 1; k <= wants; k++)
            if (!there[k] && wanted[k] ~ /^route /) write_block(i, route_indent, end, wanted[k], wanted_digest[k], wanted_file[k])
        if (i in replaces) {
            k = replaces[i]
            write_block(i, indent_of(lines[i]), end, wanted[k], wanted_digest[k], wanted_file[k])
            i = skip_to[i]
        } else put(lines[i])
    }
}

# Just before the first hand-written location, else before the closing brace.
function place(at,   column) {
    route_line = location_line[at] ? location_line[at] : server_end[at]
    column = location_line[at] ? location_column[at] : end_column[at]
    if (!blank(substr(lines[route_line], 1, column - 1))) { refuse("the server block has no line of its own for a location: use nginxws itself"); return }
    route_indent = indent_of(lines[route_line])
    if (location_line[at]) return
    if (child_column[at] && blank(substr(lines[child_line[at]], 1, child_column[at] - 1))) route_indent = indent_of(lines[child_line[at]])
    else route_indent = route_indent (route_indent ~ /\t$/ ? "\t" : "    ")
}

function flush_out(   i) {
    for (i = 1; i < outs; i++) print out[i]
    if (outs) printf "%s%s", out[outs], ENVIRON["NGINXWS_NO_FINAL_NEWLINE"] ? "" : "\n"
}

function without_blocks(   i, k) {
    for (k = 1; k <= blocks; k++) if (!block_inline[k]) skip_to[block_from[k]] = block_to[k]
    for (i = 1; i <= FNR; i++) if (i in skip_to) i = skip_to[i]; else put(lines[i])
}

function body(   i, k, line) {
    for (k = 1; k <= blocks; k++) if (block_id[k] == ENVIRON["NGINXWS_ID"])
        for (i = block_from[k] + 1; i < block_to[k]; i++) {
            line = lines[i]
            sub(/^[ \t]*/, "", line)
            sub(/\r$/, "", line)
            print line
        }
}

BEGIN {
    while ((getline row < ENVIRON["NGINXWS_FILES"]) > 0) {
        split(row, column, "\t")
        context[column[2]] = column[1]
        real[column[2]] = column[3]
    }
}
FNR == 1 { new_file() }
failed == "" { lines[FNR] = $0; scan($0) }
END {
    if (failed == "" && (depth || state || words || inside)) refuse("a block or word isn't closed at the end")
    if (failed == "" && mode == "edit") edit()
    if (failed != "") { print "error\t" failed; exit 1 }
    if (mode == "find") choose()
    else if (mode == "body") body()
    else if (mode == "strip") { without_blocks(); flush_out() }
    else if (mode == "edit") flush_out()
}
