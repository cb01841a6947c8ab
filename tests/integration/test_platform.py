"""The platform's own layout, and others that real balancers have: same bytes, same metadata, afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode, site_conf

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]
BOTH = pytest.mark.parametrize("binary", ["debian", "wheel"], indirect=True)

MakeNode = Callable[..., NginxNode]
OverSsh = Callable[[NginxNode], Nginxws]
Here = OverSsh

#: The file that the platform includes from its nginx.conf: the whole http{}, tabs and markers and all.
PLATFORM = """######## HTTP SECTION PROTOTYPE ########

http {
\tserver_tokens off ;
        default_type application/octet-stream;

        set_real_ip_from  192.168.0.0/16;
        real_ip_header    X-Forwarded-For;
        real_ip_recursive on;

        log_format main
        '"$http_x_forwarded_for" - $remote_user [$time_local] '
                '"$request" $status $bytes_sent '
                '"$gzip_ratio"';

        client_max_body_size 50m;
        \x20
        proxy_buffering off;
        client_body_temp_path @PREFIX@/tmp/c; proxy_temp_path @PREFIX@/tmp/p;
        fastcgi_temp_path @PREFIX@/tmp/f; uwsgi_temp_path @PREFIX@/tmp/u; scgi_temp_path @PREFIX@/tmp/s;
        access_log @PREFIX@/access.log main;

    map $upstream_addr        $group {
        default               "";
    ### MAPPING FOLLOWS HERE ###
    ### ~XXX\\.XXX\\.XXX\\.XXX\\:XX$   $GROUPNAME; ### MAPPROTO ### Do not remove this line!
    }

    ### DEFAULT UPSTREAM FOLLOWS HERE ###
    upstream default_upstream{
    ### server XXX.XXX.XXX.XXX; ### $GROUPNAME ### DEFUPPROTO ###
    server @BACKEND@;
    keepalive 100; }

    ### UPSTREAMS LIST FOLLOWS HERE ###
        #upstream nodes{ server XXX.XXX.XXX.XXX; server 127.0.0.1:8001 backup # UPSTREAMPROTO # Keep this! }

        #GFADMIN

        server {
                listen *:@PORT@;
                server_name  localhost;

                proxy_connect_timeout 10s;
                error_page   500 502 503 504  /50x.html;

                proxy_next_upstream error timeout http_500;
                proxy_http_version 1.1;
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Host $http_host;
                proxy_set_header X-Forwarded-For $http_x_forwarded_for;
                proxy_set_header X-URI $uri;
                proxy_set_header X-ARGS $args;
                proxy_set_header Refer $http_refer;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection "upgrade";

                location = /50x.html {
                        root   html;
                }

                location / {
                        if ($cookie_SRVGROUP ~ group|common) {
                                proxy_pass http://$cookie_SRVGROUP;
                                error_page   500 502 503 504 = @rescue;
                        }

                        if ($cookie_SRVGROUP !~ group|common) {
                                add_header Set-Cookie "SRVGROUP=$group; path=/";
                        }
                        proxy_pass http://default_upstream;
                        add_header Set-Cookie "SRVGROUP=$group; path=/";
                }

                location @rescue {
                        proxy_pass http://default_upstream;
                        add_header Set-Cookie "SRVGROUP=$group; path=/";
                }
                #USERLOCATIONS
        }

 include @PREFIX@/etc/conf.d/*.conf;

}

######## TCP SECTION PROTOTYPE ########
"""
MAIN = """user  root;
worker_processes  2;
error_log  @PREFIX@/error.log info;
pid        @PREFIX@/nginx.pid;

events {
    worker_connections  1024;
}

include @PREFIX@/etc/nginx-platform.conf;
"""


@pytest.fixture
def platform_node(make_node: MakeNode, tmp_path: Path, backend: Backend) -> NginxNode:
    prefix = tmp_path / "node"
    node = make_node(main=MAIN.replace("@PREFIX@", str(prefix)), site="", prefix=prefix, start=False)
    text = PLATFORM.replace("@PREFIX@", str(prefix)).replace("@BACKEND@", backend.address)
    (prefix / "etc" / "nginx-platform.conf").write_text(text.replace("@PORT@", str(node.port)))
    node.start()
    return node


@BOTH
def test_platform_configuration(platform_node: NginxNode, over_ssh: OverSsh, backend: Backend) -> None:
    nginxws, before = over_ssh(platform_node), platform_node.digests()
    nginxws("add-route", "/ws/", backend.address)

    after = (platform_node.conf.parent / "nginx-platform.conf").read_text()
    lines = [line.strip() for line in after.splitlines()]
    end = lines.index("# nginxws: end route /ws/")
    assert lines[end + 1] == "location = /50x.html {"
    assert lines[-1] == "######## TCP SECTION PROTOTYPE ########"
    # The platform's scripts drop one of two equal neighbours, blank lines, and lines with their words.
    block = after[after.index("# nginxws: begin route") : after.index("# nginxws: end route")].splitlines()
    assert all(block)
    assert all(a != b for a, b in pairwise(block))
    assert not any(word in "\n".join(block) for word in ("PROTO", "TCP SECTION", "common"))

    assert echoes(platform_node.port, "/ws/x?y=1", host="env.example.com")
    _, headers = backend.requests[-1]
    wanted = {"host": "env.example.com", "x-real-ip": "127.0.0.1", "x-uri": "/ws/x", "x-args": "y=1"}
    assert headers.items() >= (wanted | {"x-host": f"env.example.com:{platform_node.port}"}).items()
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")
    assert "x-forwarded-for" not in headers, "the operator's own value, empty here, wins over our default"

    nginxws("remove-route", "/ws/")
    assert platform_node.digests() == before


@pytest.fixture
def here(command: Nginxws) -> Here:
    """The command line with a node on this machine as its TARGET: the node's work is the same."""
    return lambda node: command.at("--node", "local", *node.options())


def there_and_back(node: NginxNode, nginxws: Nginxws, backend: Backend) -> bytes:
    """Add a route, use it, remove it; everything is as before. The site file's bytes in between."""
    before = node.digests()
    nginxws("add-route", "/ws/", backend.address)
    between = node.site.read_bytes()
    assert echoes(node.port)
    changed = node.digests()
    assert changed.keys() == before.keys(), "no file came, none went"
    assert all(changed[name].split()[1:] == before[name].split()[1:] for name in before), "mode or owner"
    nginxws("remove-route", "/ws/")
    assert node.digests() == before
    return between


def test_crlf_file_stays_so(make_node: MakeNode, here: Here, backend: Backend) -> None:
    node = make_node(site="\r\n".join(site_conf(0).replace(":0;", ":@PORT@;").split("\n")))
    text = there_and_back(node, here(node), backend)
    assert b"# nginxws: begin route /ws/" in text
    assert text.count(b"\n") == text.count(b"\r\n")


def test_whole_server_on_one_line(make_node: MakeNode, here: Here, backend: Backend) -> None:
    node = make_node(site="server { listen 127.0.0.1:@PORT@; location / { root html; } } # the end")
    text = there_and_back(node, here(node), backend)
    assert text.startswith(b"# nginxws: begin map websocket ")
    assert b"# nginxws: begin route /ws/ " in text
    assert text.endswith(b"location / { root html; } } # the end")


def test_no_final_newline_and_bytes_that_are_not_utf8(
    make_node: MakeNode, here: Here, backend: Backend
) -> None:
    node = make_node(start=False)
    node.site.write_bytes(node.site.read_bytes().replace(b"# The site.", b"# caf\xe9").rstrip(b"\n"))
    node.start()
    assert b"# caf\xe9" in there_and_back(node, here(node), backend)


def test_name_with_spaces_and_letters_outside_ascii(
    make_node: MakeNode, over_ssh: OverSsh, backend: Backend
) -> None:
    node = make_node(start=False)
    node.site = node.site.rename(node.site.with_name("my site's $HOME — ü.conf"))
    node.start()
    assert b"# nginxws: begin route /ws/" in there_and_back(node, over_ssh(node), backend)


def test_symbolic_link_stays_one(make_node: MakeNode, over_ssh: OverSsh, backend: Backend) -> None:
    """Debian's layout: sites-enabled/chat -> ../sites-available/chat."""
    node = make_node(start=False)
    etc = node.conf.parent
    node.conf.write_text(node.conf.read_text().replace("conf.d/*.conf", "sites-enabled/*"))
    for name in ("sites-available", "sites-enabled"):
        (etc / name).mkdir()
    target, link = etc / "sites-available" / "chat", etc / "sites-enabled" / "chat"
    node.site = node.site.rename(target)
    link.symlink_to("../sites-available/chat")
    node.start()
    assert b"# nginxws: begin route /ws/" in there_and_back(node, over_ssh(node), backend)
    assert link.is_symlink()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_mode_and_owner_are_kept(node: NginxNode, nginxws: Nginxws, backend: Backend) -> None:
    os.chown(node.site, 1234, 2345)
    node.site.chmod(0o640)
    there_and_back(node, nginxws, backend)
    stat = node.site.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (1234, 2345, 0o640)


def test_hard_link_stays_one(node: NginxNode, here: Here, backend: Backend) -> None:
    other = node.prefix / "the-same-file"
    other.hardlink_to(node.site)
    there_and_back(node, here(node), backend)
    assert other.samefile(node.site)


@contextlib.contextmanager
def bind_mounted(source: Path, target: Path) -> Iterator[None]:
    mounted = subprocess.run(["mount", "--bind", source, target], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no bind mounts here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_bind_mounted_file_is_edited_in_place(make_node: MakeNode, here: Here, backend: Backend) -> None:
    """As a container's configuration: a rename over the file is impossible."""
    node = make_node(start=False)
    outside = node.prefix / "outside.conf"
    outside.write_bytes(node.site.read_bytes())
    with bind_mounted(outside, node.site):
        node.start()
        inode = outside.stat().st_ino
        there_and_back(node, here(node), backend)
        assert outside.stat().st_ino == inode
        node.stop()


def test_the_server_may_stand_in_an_included_file(
    make_node: MakeNode, over_ssh: OverSsh, backend: Backend
) -> None:
    """Locations from an include, relative to the main file: the block goes before that include."""
    node = make_node(start=False)
    node.site.write_text(
        f"server {{\n\tlisten {node.port};\n\tserver_name _;\n\tinclude snippets/*.conf;\n}}\n"
    )
    snippets = node.conf.parent / "snippets"
    snippets.mkdir()
    (snippets / "all.conf").write_text("location / {\n\troot html;\n}\n")
    node.start()
    text = there_and_back(node, over_ssh(node), backend).decode()
    assert text.index("# nginxws: end route /ws/") < text.index("include snippets/*.conf;")
