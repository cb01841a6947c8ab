"""Which server NGINX chooses for a host name."""

from __future__ import annotations

import pytest

from nginxws.config.names import answering, by_name, resolve
from nginxws.config.servers import ServerBlock
from nginxws.config.tree import MappingReader, load


def servers_of(*names: str, listen: str = "80") -> list[ServerBlock]:
    """Servers on one address, each with these names."""
    named = (f"server {{ listen {listen}; {f'server_name {one};' if one else ''} }}" for one in names)
    return load("n", MappingReader({"n": f"http {{ {' '.join(named)} }}".encode()})).http_servers()


def chosen(host: str, *names: str) -> int | None:
    """The number of the server that is chosen."""
    servers = servers_of(*names)
    found = by_name(servers, host)
    return None if found is None else [id(one) for one in servers].index(id(found))


# From the strongest: each is chosen over all that follow it, wherever they stand.
RANKS = ["www.example.org", "*.example.org", "*.org", "www.example.*", "www.*", "~^www"]


@pytest.mark.parametrize("first", range(len(RANKS)))
def test_the_order_of_the_kinds(first: int) -> None:
    names = RANKS[first:]
    assert chosen("www.example.org", *names) == 0
    assert chosen("www.example.org", *reversed(names)) == len(names) - 1


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("a.test", "a.test"),
        ("A.test", "a.TEST"),
        ("a.test", "a.test."),
        (".b.test", "b.test"),
        (".b.test", "x.b.test"),
        ("*.b.test", "x.y.b.test"),
        ("www.*", "www.a"),
        ("www.*", "www.a.b"),
        ("~^www", "www.test"),
        ("~b", "abc"),
        ("~^WWW", "www.test"),
        ("~^WwW", "www.test"),
        ("~^caf\xe9", "caf\xe9"),
        ('""', ""),
        ("", ""),
        ("x a.test y", "a.test"),
    ],
)
def test_a_name_that_fits(name: str, host: str) -> None:
    assert chosen(host, name) == 0


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("a.test", "b.test"),
        ("a.test", "x.a.test"),
        ("*.b.test", "b.test"),
        ("*.b.test", "ab.test"),
        (".b.test", "ab.test"),
        ("www.*", "www"),
        ("www.*", "www.."),
        ("www.*", "wwwx.test"),
        ("www.*", "wab.test"),
        ("~^www", "awww"),
        ("~(?R)", "a"),
        ("a.test", ""),
        ("", "a.test"),
    ],
)
def test_a_name_that_does_not_fit(name: str, host: str) -> None:
    assert chosen(host, name) is None


@pytest.mark.parametrize("name", ["a.test", ".test", "*.test", "a.*", "~a", "~^a"])
def test_of_two_that_fit_as_well_the_first_is_chosen(name: str) -> None:
    assert chosen("a.test", "x", name, name) == 1
    assert chosen("a.test", "~a", "~test") == 0


def test_the_longer_pattern_is_chosen_whatever_the_star() -> None:
    assert chosen("x.b.test", "*.test", ".b.test") == 1
    assert chosen("x.b.test", "*.b.test", ".b.test") == 0


def test_servers_are_told_apart_by_port() -> None:
    data = (
        b"http { server { listen 80; listen 81; server_name a; } server { listen 81; server_name b; }"
        b" server { listen 82; listen 82; server_name a; } server { listen unix:/x; server_name a; } }"
    )
    first, second, third, fourth = load("n", MappingReader({"n": data})).http_servers()
    servers = [first, second, third, fourth]
    assert resolve(servers, "a", None) == [first, third, fourth]
    assert resolve(servers, "a", 81) == [first]
    assert resolve(servers, "b", 80) == []
    assert answering(servers, "b", 81) == [second]
    assert answering(servers, "c", 81) == [first]
    assert answering(servers, "c", 82) == [third]


def test_the_default_is_the_marked_one_of_that_port() -> None:
    data = (
        b"http { server { listen 80; } server { listen 80; listen 81 default_server; }"
        b" server { listen 80 default_server; listen 81; } }"
    )
    servers = load("n", MappingReader({"n": data})).http_servers()
    assert answering(servers, "x", 80) == [servers[2]]
    assert answering(servers, "x", 81) == [servers[1]]
