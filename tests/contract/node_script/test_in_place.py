"""A file that is written in place: cut off anywhere, it is known for what it is, and put back."""

from __future__ import annotations

import os

import pytest
from support.nginx import NginxNode
from support.talking import Talk

from nginxws.errors import NginxwsError, RestoreFailed
from nginxws.nodes.script import script

pytestmark = [pytest.mark.nginx]

KILL = "{ kill -KILL $$; exit; }"  # we may be in a subshell, which must not go on either
GROWTH = 'then cut_to "$has"; return 1; fi'
OVER = '  cat -- "$1" 1<>"$path" || return 1'
CUT = '  [ "$needs" -ge "$has" ] || cut_to "$needs"'
#: Where the writing ends, and what stands there instead.
PLACES = {
    "grown": (GROWTH, f"{GROWTH}; {KILL}"),
    "a byte over": (OVER, f'  head -c 1 "$1" 1<>"$path"; {KILL}'),
    "half over": (OVER, f'  head -c $((has / 2)) "$1" 1<>"$path"; {KILL}'),
    "all over": (CUT, f"  {KILL}"),
}


def broken(place: str) -> bytes:
    old, new = PLACES[place]
    text = script().decode()
    assert text.count(old) == 1
    return text.replace(old, new).encode()


@pytest.fixture
def linked(node: NginxNode) -> NginxNode:
    os.link(node.site, node.prefix / "second-name")
    return node


@pytest.mark.parametrize("back", PLACES)
@pytest.mark.parametrize("there", PLACES)
def test_cut_off_there_and_on_the_way_back(dash: Talk, linked: NginxNode, there: str, back: str) -> None:
    old = linked.digests()
    with pytest.raises(NginxwsError):
        dash.transact(dash.plan(), text=broken(there))
    assert linked.digests() != old
    with pytest.raises(NginxwsError):
        dash.recover(text=broken(back))
    assert dash.recover().undone
    assert linked.digests() == old
    assert linked.lock_is_free()


@pytest.mark.parametrize("there", ["grown", "half over"])
def test_cut_off_under_every_shell(talk: Talk, linked: NginxNode, there: str) -> None:
    old = linked.digests()
    with pytest.raises(NginxwsError):
        talk.transact(talk.plan(), text=broken(there))
    assert talk.recover().undone
    assert linked.digests() == old


@pytest.mark.parametrize(("at", "byte"), [(0, b"\0"), (20, b"!"), (-1, b"!")])
def test_one_byte_of_somebody_else_in_it_is_an_edit(
    talk: Talk, linked: NginxNode, at: int, byte: bytes
) -> None:
    with pytest.raises(NginxwsError):
        talk.transact(talk.plan(), text=broken("half over"))
    edited = bytearray(linked.site.read_bytes())
    edited[at : at % len(edited) + 1] = byte
    linked.site.write_bytes(edited)
    with pytest.raises(RestoreFailed, match="edited"):
        talk.recover()
    assert linked.site.read_bytes() == edited


def test_less_than_either_text_is_an_edit(dash: Talk, linked: NginxNode) -> None:
    """Nothing that we write is ever shorter: somebody emptied the file."""
    old = len(linked.site.read_bytes())
    with pytest.raises(NginxwsError):
        dash.transact(dash.plan(), text=broken("grown"))
    os.truncate(linked.site, old - 1)
    with pytest.raises(RestoreFailed, match="edited"):
        dash.recover()
