"""The zygote, on a machine whose wall clock goes wrong by as many seconds as a file says.

The client's clock is this process's own; the node's is that of every program started from here, by
libfaketime. (Loaded into the client as well, that would take its monotonic clock from it.)
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main(clock: Path, library: str) -> None:
    """``clock`` holds a number with its sign; it is read whenever somebody asks for the time."""
    real = time.time
    time.time = lambda: real() + int(clock.read_text())
    os.environ |= {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    from faults import zygote

    zygote.main()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
