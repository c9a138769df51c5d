"""A terminal recording of build, watch, approve and open: in tmux, at two widths, with and without colour.

What the screens showed is kept beside the browser's screenshots, for people to look at.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli import documents

ROOT = Path(__file__).parents[2]
KEPT = Path(os.environ.get("FPAI_SCREENSHOTS", ROOT / ".screenshots"))
INTENT = "Build Analytics Engine for tracking droplet metrics"
SHELL = ("bash", "--norc", "--noprofile")
ESCAPE = "\x1b["
FPAI = f"exec {shlex.quote(sys.executable)} -c 'from executor.cli.main import main; main()' \"$@\"\n"


class Terminal:
    """A tmux session of its own server; everything typed and every screen kept goes into the recording."""

    def __init__(self, directory: Path, columns: int, lines: int, env: dict[str, str]) -> None:
        self.columns = columns
        self.recording: list[str] = []
        # A unix socket's path is short; pytest's directories are not.
        self._socket = Path("/tmp") / f"fpai-tmux-{os.getpid()}-{columns}-{lines}"
        size = ("-x", str(columns), "-y", str(lines))
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "t", *size, *SHELL, cwd=directory, env=env)

    def _tmux(self, *arguments: str, **more: Any) -> str:
        argv = ["tmux", "-S", str(self._socket), *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20, **more).stdout

    def type(self, text: str) -> None:
        """Type a line."""
        self.recording.append(f"$ {text}" if text.startswith("fpai") else f"> {text}")
        self.press(text)
        self.press("Enter")

    def press(self, key: str) -> None:
        self._tmux("send-keys", "-t", "t", key)

    def clear(self) -> None:
        self.press("clear")
        self.press("Enter")
        self.until_not("fpai ")

    def screen(self, *, escapes: bool = False) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t", *(("-e",) if escapes else ()))

    def until(self, *parts: str) -> str:
        """Wait until the screen shows all of them; keep that screen."""
        return self._look(lambda shown: all(part in shown for part in parts), f"no {parts}")

    def until_not(self, part: str) -> str:
        return self._look(lambda shown: part not in shown, f"still {part!r}", keep=False)

    def _look(self, is_it: Callable[[str], bool], why: str, *, keep: bool = True) -> str:
        until = time.monotonic() + 30
        while not is_it(shown := self.screen()):
            assert time.monotonic() < until, f"{why} on the screen:\n{shown}"
            time.sleep(0.05)
        if keep:
            self.recording.append(shown.rstrip() + "\n")
        return shown

    def close(self) -> None:
        self._tmux("kill-server")
        self._socket.unlink(missing_ok=True)


@pytest.fixture
def terminal(served: Any, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals in which fpai is on the path, the fake daemon its daemon, and a browser writes down."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (("fpai", FPAI), ("browser", 'echo "$1" > opened\n')):
        (programs / name).write_text(f"#!/bin/sh\n{script}")
        (programs / name).chmod(0o755)
    opened: list[Terminal] = []

    def open_one(columns: int, lines: int, **env: str) -> Terminal:
        kept = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}}
        path = f"{programs}:{os.environ['PATH']}"
        shell = {"PS1": "$ ", "LC_ALL": "C.UTF-8", "PATH": path, "FPAI_URL": served.url}
        found = {**kept, **shell, "BROWSER": "browser", "PAGER": "cat", **env}
        found.pop("TMUX", None)
        opened.append(Terminal(tmp_path, columns, lines, found))
        opened[-1].until("$")
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.mark.parametrize("colour", [True, False], ids=["colour", "plain"])
@pytest.mark.parametrize(("columns", "lines"), [(80, 40), (200, 50)])
def test_build_watch_approve_open(
    served: Any,
    terminal: Callable[..., Terminal],
    tmp_path: Path,
    columns: int,
    lines: int,
    colour: bool,
) -> None:
    fake, screen = served.fake, terminal(columns, lines, **({} if colour else {"NO_COLOR": "1"}))
    now = datetime.now(UTC)
    fake.promised = (now + timedelta(minutes=90)).isoformat()
    details = documents.make_build(1)["current_step_details"] | {"started_at": now.isoformat()}
    fake.submitted = {"approval_mode": "final", "intent": INTENT, "current_step_details": details}
    fake.submitted["estimated_completion"] = fake.promised
    # build: the table moves with the build
    screen.type(f'fpai build "{INTENT}" --mode final --notify slack')
    shown = screen.until("Analytics Droplet #13", "● in progress", "4 Apprentice Build", "4 tests pass")
    fits(shown, columns)
    coloured(screen, colour)
    (build,) = fake.builds
    # Ctrl-C: it goes on without us
    screen.press("C-c")
    screen.until("Detached; the build goes on.", f"Follow it: fpai watch {build}")
    screen.type("echo the code is $?")
    screen.until("the code is 130")
    # watch: to the gate, over a restart of the daemon
    screen.clear()
    screen.type("fpai watch")
    screen.until("● in progress", "4 tests pass")
    served.stop()
    screen.until("The link to the daemon broke")
    served.start()
    screen.until_not("The link to the daemon broke")
    fake.logs[build] = [log_line("168 tests pass")]
    fake.tell(
        build, "Verified.", step=5, current_step=5, current_step_name="Verifier", steps_completed=done(4)
    )
    screen.until("168 tests pass")
    fake.notices[build] = [documents.notice("slack", about="build.gate_opened")]
    waits = {"status": "waiting_approval", "gate": documents.gate() | {"evidence": EVIDENCE}}
    waits |= {"current_step": 6, "current_step_name": "Deployer", "steps_completed": done(5)}
    fake.tell(build, "Deploy it?", step=6, **waits)
    shown = screen.until(
        "waits for your decision.", "168 pass, 0 fail", "44 checked, none broken", "slack was"
    )
    assert f"fpai approve {build}" in shown
    fits(shown, columns)
    coloured(screen, colour)
    # approve: the evidence first
    screen.clear()
    fake.artifacts[build, "diff"] = ("text/x-diff", DIFF)
    fake.artifacts[build, "tests"] = ("application/json", TESTS)
    screen.type("fpai approve")
    shown = screen.until("Approve? [y/N]:", "99.1 %", "1 file, +2 -1", "yes means", "deployed and registered")
    fits(shown, columns)
    fake.builds[build] |= {"status": "in_progress", "gate": None}
    screen.type("y")
    screen.until(f"{build}: in progress", f"follow it: fpai watch {build}")
    body = next(body for method, _, body in reversed(fake.requests) if method == "POST")
    assert body == {"decision": "approve", "gate_id": "built-abc"}
    # diff: coloured line by line
    screen.clear()
    screen.type("fpai diff")
    fits(screen.until("+after", "-before"), columns)
    coloured(screen, colour)
    # open
    screen.clear()
    screen.type("fpai open")
    screen.until(fake.builds[build]["web_url"])
    until_written(tmp_path / "opened", fake.builds[build]["web_url"])
    KEPT.mkdir(parents=True, exist_ok=True)
    kind = "colour" if colour else "plain"
    (KEPT / f"terminal-{columns}-{kind}.txt").write_text("\n".join(screen.recording), encoding="utf-8")


EVIDENCE = {
    "tests_passing": 168,
    "tests_failing": 0,
    "rules_checked": 44,
    "rules_failed": [],
    "not_shown": "",
}
TESTS = '{"findings": [{"rule": "C11", "result": "pass", "evidence": "99.1 %"}]}'
DIFF = """\
 app/notes.py | 3 ++-
 1 file changed, 2 insertions(+), 1 deletion(-)

diff --git a/app/notes.py b/app/notes.py
--- a/app/notes.py
+++ b/app/notes.py
@@ -1 +1,2 @@
-before
+after
+more
"""


def done(steps: int) -> list[dict[str, Any]]:
    return [
        {"step": n, "name": "", "status": "complete", "duration_seconds": 4.5 * n}
        for n in range(1, steps + 1)
    ]


def log_line(text: str) -> dict[str, Any]:
    return {"line": 1, "step": 5, "level": "info", "text": text, "timestamp": "2026-11-14T12:31:00Z"}


def fits(shown: str, columns: int) -> None:
    """No line is wider than the screen, and no bar of the table of steps has wrapped or lost its name."""
    rows = shown.splitlines()
    assert [row for row in rows if cell_len(row) > columns] == []
    bars = [row for row in rows if "━━━" in row]
    assert [row for row in bars if not any(f" {number} " in row for number in range(1, 9))] == []


def coloured(screen: Terminal, colour: bool) -> None:
    """Colours only where nobody has asked for none; bold and dim are no colours."""
    shown = screen.screen(escapes=True)
    codes = {code for part in shown.split(ESCAPE)[1:] for code in part.split("m")[0].split(";")}
    assert bool(codes & {str(number) for number in range(30, 50)} - {"39", "49"}) is colour, codes


def until_written(path: Path, text: str) -> None:
    until = time.monotonic() + 30
    while not path.exists() or path.read_text().strip() != text:
        assert time.monotonic() < until, "the browser was not asked to open the page"
        time.sleep(0.05)


def test_a_terminal_that_cannot_draw_gets_a_line_an_event(
    served: Any, terminal: Callable[..., Terminal]
) -> None:
    build = served.fake.add(documents.make_build(1), ["writing tests"])["build_id"]
    screen = terminal(80, 24)
    screen.type(f"TERM=dumb fpai watch {build}")
    screen.until("50%  4 Apprentice Build", "writing tests")
    served.fake.tell(build, "All done.", step=8, status="complete", progress_percent=100)
    shown = screen.until("All done.", "is live and registered.")
    assert ESCAPE not in screen.screen(escapes=True)
    fits(shown, 80)


def test_a_low_terminal_shows_steps_figures_and_a_lost_link(
    served: Any, terminal: Callable[..., Terminal]
) -> None:
    build = served.fake.add(documents.make_build(1, warnings=["no model was used"]))["build_id"]
    served.fake.logs[build] = [log_line(f"line {n}") | {"line": n} for n in range(1, 9)]
    screen = terminal(80, 24)
    screen.type("fpai watch")
    screen.until("8 Report", "elapsed", "line 8")
    served.stop()
    screen.until("1 Intent", "8 Report", "The link to the daemon broke")


def test_saying_no_to_the_question_decides_nothing(served: Any, terminal: Callable[..., Terminal]) -> None:
    build = served.fake.add(documents.make_build(1, status="waiting_approval", gate=documents.gate()))[
        "build_id"
    ]
    screen = terminal(100, 40)
    screen.type("fpai approve; echo the code is $?")
    screen.until("Approve? [y/N]:")
    screen.type("")
    screen.until("Nothing was decided.", f"fpai revise {build}", "the code is 8")
    screen.clear()
    screen.type("fpai approve; echo the code is $?")
    screen.until("Approve? [y/N]:")
    screen.press("C-c")
    screen.until("Nothing was sent.", "the code is 130")
    assert {method for method, _, _ in served.fake.requests} == {"GET"}
    screen.clear()
    screen.type("fpai approve --yes; echo the code is $?")
    screen.until("the code is 0")
    assert served.fake.requests[-1][2] == {"decision": "approve"}


def test_a_long_diff_is_paged_and_nothing_in_it_steers_the_terminal(
    served: Any, terminal: Callable[..., Terminal]
) -> None:
    if shutil.which("less") is None:
        pytest.skip("less is not installed")
    build = served.fake.add(documents.make_build(1))["build_id"]
    hostile = "+\x1b[2J\x1b]0;owned\x07 first\n"
    text = hostile + "".join(f"+line {n} of a long diff\n" for n in range(2, 200))
    served.fake.artifacts[build, "diff"] = ("text/x-diff", text)
    screen = terminal(80, 24, PAGER="less")
    screen.type("fpai diff; echo the code is $?")
    shown = screen.until("+[2J]0;owned first", "+line 20 of a long diff")
    assert "line 60" not in shown and "the code" not in shown.splitlines()[-1]
    coloured(screen, True)
    screen.press("q")
    screen.until("the code is 0")
    screen.clear()
    screen.type("fpai diff --no-pager; echo the code is $?")
    screen.until("+line 199 of a long diff", "the code is 0")


def test_errors_are_broken_between_words(served: Any, terminal: Callable[..., Terminal]) -> None:
    message = "Build build-13-analytics-20261114-001 is complete; only a build that failed can be retried."
    served.fake.refuse_next = [(409, "CONFLICT", message, {"hint": "Start it anew: fpai build"})]
    screen = terminal(80, 24)
    screen.type("fpai list; echo the code is $?")
    shown = screen.until("the code is 5")
    assert "fpai: Build build-13-analytics-20261114-001 is complete; only a build that" in shown
    assert "\n  failed can be retried.\n  → Start it anew: fpai build\n" in shown


def test_open_without_a_browser_says_how_to_see_the_page(
    served: Any, terminal: Callable[..., Terminal]
) -> None:
    page = served.fake.add(documents.make_build(1))["web_url"]
    none = {"BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    here = terminal(100, 24, **none, SSH_CONNECTION="")
    here.type("fpai open; echo the code is $?")
    here.until(page, "No browser here; open the address where there is one.", "the code is 0")
    far = terminal(120, 24, **none, SSH_CONNECTION="192.0.2.1 5000 192.0.2.2 22")
    far.type("fpai open")
    far.until(page, "ssh -L 8400:localhost:8400 THIS-HOST")
