"""What a node keeps of what was applied."""

from __future__ import annotations

import pytest

from nginxws.errors import NginxwsError
from nginxws.revision import History, Revision

TWO = History((Revision(4), Revision(5)))


def test_the_newest_and_a_certain_one() -> None:
    assert TWO.newest == TWO.revision(5) == Revision(5)
    assert TWO.revision(4) == Revision(4)
    assert History().newest is None


def test_one_that_is_not_kept() -> None:
    with pytest.raises(NginxwsError, match="there is no revision 3") as caught:
        TWO.revision(3)
    assert "keeps 4 to 5" in (caught.value.hint or "")
    with pytest.raises(NginxwsError) as caught:
        History().revision(1)
    assert caught.value.hint == "nothing was applied by nginxws here yet"
