"""``python -m nginxws``."""

from nginxws.cli import main

if __name__ == "__main__":
    main()
