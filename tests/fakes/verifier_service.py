"""The ecosystem's Verifier on loopback: jobs that are queued, run and reported as the real one's are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import web

PHASES = ("Structure Scan", "UDC Compliance", "Security", "Functionality", "Code Quality")
NEEDED = ("app/main.py", "app/models.py", "requirements.txt", ".gitignore", "app", "tests")


@dataclass
class Job:
    """One verification: how often it was looked at, and what each phase came to."""

    phases: dict[str, str]
    looks: int = 0


class FakeVerifierService:
    """`async with FakeVerifierService() as verifier:` serves at `verifier.url`; `requests` keeps bodies.

    With `sh="dash"`, as on Debian, phases 2 and 4 fail for every droplet. `looks` is how often a job is still
    running when it is asked for; `ends` is how it ends; `files` are what it found in the droplet's directory.
    """

    def __init__(self, *, sh: str = "dash", looks: int = 2, ends: str = "completed") -> None:
        self.requests: list[dict[str, Any]] = []
        self.files: list[str] = []
        self.url = ""
        self._sh, self._looks, self._ends = sh, looks, ends
        self._jobs: dict[str, Job] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeVerifierService:
        app = web.Application()
        app.router.add_post("/verify", self._verify)
        app.router.add_get("/verify/{job}", self._status)
        app.router.add_get("/verify/{job}/report", self._report)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _verify(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        if not {"droplet_path", "droplet_name"} <= set(body):
            return web.json_response({"detail": [{"msg": "field required"}]}, status=422)
        root, job = Path(body["droplet_path"]), f"ver-{secrets.token_hex(4)}"
        self.files = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        self._jobs[job] = Job(self._judged(root))
        answer = {"job_id": job, "status": "queued", "estimated_duration_seconds": 180}
        return web.json_response(answer, status=202)

    def _judged(self, root: Path) -> dict[str, str]:
        phases = dict.fromkeys(PHASES, "PASS")
        if not all((root / name).exists() for name in NEEDED):
            phases["Structure Scan"] = "FAIL"
        if self._sh == "dash" or not (root / ".venv/bin/python").exists():
            phases["UDC Compliance"] = phases["Functionality"] = "FAIL"
        return phases

    async def _status(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["job"])
        if job is None:
            return web.json_response({"detail": "Job not found"}, status=404)
        job.looks += 1
        status = "queued" if job.looks == 1 else "running"
        return web.json_response({"status": self._ends if job.looks > self._looks else status})

    async def _report(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["job"])
        if job is None:
            return web.json_response({"detail": "Job not found"}, status=404)
        if job.looks <= self._looks or self._ends != "completed":
            return web.json_response({"detail": "Verification not completed"}, status=400)
        failed = "FAIL" in job.phases.values()
        return web.json_response(
            {
                "decision": "FIXES_REQUIRED" if failed else "APPROVED",
                "phases": [{"phase": n, "status": s, "checks": []} for n, s in job.phases.items()],
                "strengths": [],
                "recommendations": [],
                "summary": "",
            }
        )
