"""The daemon of `tests.bench.served` as a program, loaded as `fpai serve` is.

`python -m tests.bench.start_served DIR PORT COUNT`
"""

from __future__ import annotations

import sys
from pathlib import Path

from executor.collector import rest_while_loading

if __name__ == "__main__":
    rest_while_loading()
    from tests.bench.served import serve  # the whole daemon

    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
