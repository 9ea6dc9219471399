"""``python -m dynsim`` is the command ``dynsim``."""

import sys

from dynsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
