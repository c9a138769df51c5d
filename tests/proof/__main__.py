"""`python -m tests.proof [R5 … threats bench] [--sample | --table]`: try the promises, print what came of it.

Without names it tries everything, in full, for hours. What is not asked for keeps its last result.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.harness import BENCH
from tests.proof import book, table
from tests.proof.machine import described
from tests.proof.promises import PROMISES

_ROOT = Path(__file__).parents[2]
PROOF = _ROOT / ".proof"


def main(words: Sequence[str] | None = None) -> int:
    """Returns 1 when a promise was broken or never tried."""
    asked = _arguments(words)
    PROOF.mkdir(exist_ok=True)
    entries = book.load(PROOF / "book.json")
    if not asked.table:
        entries |= {one.test: one for one in _tried(asked.subjects, full=not asked.sample)}
        book.save(entries, PROOF / "book.json")
    text = table.proof(entries.values(), _figures(), described())
    (PROOF / "proof.md").write_text(text + "\n", "utf-8")
    print(text)
    return 0 if table.holds(entries.values()) else 1


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    known = [*PROMISES, "threats", "bench"]
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(known))
    parser.add_argument("--sample", action="store_true", help="as much as `make test` tries")
    parser.add_argument("--table", action="store_true", help="try nothing, print what is known")
    asked = parser.parse_args(words)
    unknown = set(asked.subjects) - set(known)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    return asked


def _tried(subjects: Sequence[str], *, full: bool) -> list[book.Entry]:
    """Run what is asked for; what a run that was interrupted has tried counts, too."""
    ledger = PROOF / "ledger.jsonl"
    ledger.unlink(missing_ok=True)
    scale = {"FPAI_SWEEP": "all"} if full else {}
    tests = [one for one in subjects if one != "bench"]
    if tests or not subjects:
        _run(
            "pytest",
            "-p",
            "tests.proof.selection",
            **scale,
            FPAI_PROOF=str(ledger),
            FPAI_PROOF_OF=" ".join(tests),
        )
    if "bench" in subjects or not subjects:
        _run("tests.bench", *([] if full else ["--quick"]))
    lines = ledger.read_text("utf-8").splitlines() if ledger.exists() else []
    today = datetime.now(UTC).date().isoformat()
    return book.entries_of(lines, date=today, commit=_commit())


def _run(module: str, *words: str, **env: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", module, *words], cwd=_ROOT, env={**os.environ, **env}
    ) as run:
        while run.poll() is None:
            with suppress(KeyboardInterrupt):  # it has heard it itself, and ends in order
                run.wait()


def _commit() -> str:
    argv = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _figures() -> list[dict[str, object]]:
    path = BENCH / "results.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
