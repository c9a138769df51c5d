"""`python -m executor` is `fpai serve`."""

from __future__ import annotations

import sys

from executor.cli.main import main

if __name__ == "__main__":
    sys.argv[1:1] = ["serve"]
    main()
