"""The floor of the daemon's replies: Starlette's JSON alone under uvicorn, and one FULL commit for each POST.

`python -m tests.bench.bare DIR PORT`; the document that GET replies is read from stdin as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.harness import durable


def application(state_dir: Path, document: dict[str, Any]) -> Starlette:
    """Two routes."""
    connection = durable(state_dir / "bare.db")
    connection.execute("CREATE TABLE asked (id INTEGER PRIMARY KEY, body TEXT)")

    async def status(_: Request) -> JSONResponse:
        return JSONResponse(document)

    async def submit(request: Request) -> JSONResponse:
        body = await request.json()
        connection.execute("INSERT INTO asked (body) VALUES (?)", (json.dumps(body),))
        return JSONResponse(document, 202)

    return Starlette(
        routes=[
            Route("/executor/builds/{build_id}/status", status),
            Route("/executor/build-droplet", submit, methods=["POST"]),
        ]
    )


async def main(state_dir: Path, port: int) -> None:
    """Serve until killed."""
    app = application(state_dir, json.loads(sys.stdin.readline()))
    config = uvicorn.Config(app, port=port, http="httptools", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"ready": True}), flush=True)
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
