"""`python -m xaihelpers`."""

import sys

from xaihelpers.run.cli import main

if __name__ == "__main__":
    sys.exit(main())
