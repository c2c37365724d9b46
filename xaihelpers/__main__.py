"""`python -m xaihelpers`."""

import sys

from xaihelpers.reproduce.cli import main

if __name__ == "__main__":
    sys.exit(main())
