"""Option values of our own kinds."""

from __future__ import annotations

import pytest
from click import BadParameter

from nginxws.cli.options import Pair, ProbeHeader, Seconds


def test_pairs() -> None:
    assert Pair().convert("X-A=1=2", None, None) == ("X-A", "1=2")
    assert Pair().convert("X-A=", None, None) == ("X-A", "")
    assert Pair().convert(("X-A", "1"), None, None) == ("X-A", "1")
    for wrong in ("X-A", "=1", ""):
        with pytest.raises(BadParameter):
            Pair().convert(wrong, None, None)


def test_pairs_in_a_variable_stand_on_lines_of_their_own() -> None:
    assert Pair().split_envvar_value("A=1 2\r\n\n B=3 \n") == ["A=1 2", "B=3"]


def test_probe_headers() -> None:
    assert ProbeHeader().convert("Origin=https://x", None, None) == ("Origin", "https://x")
    assert ProbeHeader().convert(("Origin", "x"), None, None) == ("Origin", "x")


def test_durations() -> None:
    assert Seconds().convert("1h30m", None, None) == 5400
    assert Seconds().convert(7, None, None) == 7
    with pytest.raises(BadParameter, match="isn't a time"):
        Seconds().convert("soon", None, None)


def test_a_wait_may_be_none_at_all() -> None:
    for none in ("0", "0s"):
        assert Seconds(least=0).convert(none, None, None) == 0
        with pytest.raises(BadParameter, match="from 1s to 365d"):
            Seconds().convert(none, None, None)
    for wrong in ("", "soon", "366d"):
        with pytest.raises(BadParameter, match="isn't a time from 0s to 365d"):
            Seconds(least=0).convert(wrong, None, None)
