"""R11: requests made from the daemon's own description, right, wrong and in sequences, find it true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.daemon import RealDaemon
from tests.proof.ledger import Ledger
from tests.proof.scale import scaled

EXAMPLES = scaled(2, 60)
# A WebSocket and streams without an end are tried in test_stream.py and test_sse.py.
ENDLESS = r"/stream$|/events$|^/live/"
AUDIO = "^/executor/voice"  # no generator makes any: test_voice.py
# What a description cannot say makes a request that it allows a wrong one: an intent names a thing to build,
# body and query name one step, a page's form carries its session's token.
MORE_THAN_A_SCHEMA_SAYS = "positive_data_acceptance"


def test_r11_a_real_daemon_answers_whatever_its_description_allows_or_forbids(
    tmp_path: Path, ledger: Ledger
) -> None:
    daemon = RealDaemon(tmp_path, FPAI_BUILDS__MAX_CONCURRENT="1", FPAI_MODEL__PROVIDER="scaffold")
    try:
        daemon.start()
        told = _tried(f"{daemon.url}/openapi.json", tmp_path)
        status, _ = daemon.call("GET", "/readyz")
        assert status == 200
    finally:
        daemon.clean_up()
    ledger.tried("requests made from the description", told)


def _tried(description: str, where: Path) -> int:
    """How many requests were made; fails with the report of what was found."""
    words = ["--seed", "7", "--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"]
    words += ["--phases", "examples,coverage,fuzzing,stateful", "--request-timeout", "30"]
    words += ["--exclude-path-regex", f"{ENDLESS}|{AUDIO}", "--exclude-checks", MORE_THAN_A_SCHEMA_SAYS]
    argv = [str(Path(sys.executable).with_name("st")), "run", description, *words]
    ran = subprocess.run(argv, cwd=where, capture_output=True, text=True, timeout=3000, check=False)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    found = re.search(r"(\d[\d,]*) generated", ran.stdout)
    assert found, json.dumps(ran.stdout[-2000:])
    return int(found[1].replace(",", ""))
