"""Make the virtual environment of the Makefile, also where python3 comes without ensurepip (Debian's does).

python3 tools/make_venv.py FOLDER
"""

import importlib.util
import subprocess
import sys
import venv
from pathlib import Path


def main(folder: Path) -> int:
    bundled = _has_pip_inside()
    venv.EnvBuilder(clear=True, symlinks=True, with_pip=bundled).create(folder)
    if bundled:
        return 0
    if importlib.util.find_spec("pip") is None:
        sys.stderr.write("this python3 has neither ensurepip nor pip: apt install python3-venv\n")
        return 1
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "pip"]
    return subprocess.run(command, check=False).returncode


def _has_pip_inside() -> bool:
    try:
        from ensurepip import version
    except ImportError:
        return False
    return bool(version())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
