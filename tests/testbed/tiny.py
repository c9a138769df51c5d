"""Droplets so small that their images are made in a second: the standard library's server, no package."""

from __future__ import annotations

from pathlib import Path

from executor.targets.base import Release

DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /srv
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin droplet \\
    && install -d -o droplet -g droplet /data
LABEL droplet.id="77" droplet.name="tiny"
COPY app ./app
USER droplet
VOLUME ["/data"]
HEALTHCHECK --interval=1s --timeout=2s --retries=2 CMD ["python", "app/well.py"]
CMD ["python", "-u", "app/main.py"]
"""

_WELL = """\
import sys, urllib.request
sys.exit(urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=2).status != 200)
"""

_SERVER = """\
import http.server, json, os, signal, sys, threading, time

RELEASE, PORT = os.environ["RELEASE_ID"], 8000
{before}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        {answer}
        self.say(200, {{"status": "active", "release": RELEASE}})

    def say(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    disable_nagle_algorithm = True

server = Server(("0.0.0.0", PORT), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print("serving", RELEASE)
server.serve_forever()
"""


def program(*, before: str = "", answer: str = "pass") -> str:
    """The droplet's program with a line that runs before it serves, and one in each answer."""
    return _SERVER.format(before=before, answer=answer)


def tiny_release(where: Path, name: str, *, droplet: str = "tiny", main: str | None = None) -> Release:
    """A release with its source laid down below `where`; `name` is its id."""
    source = where / name
    (source / "app").mkdir(parents=True)
    (source / "Dockerfile").write_text(DOCKERFILE)
    (source / "app" / "main.py").write_text(main if main is not None else program())
    (source / "app" / "well.py").write_text(_WELL)
    (source / "requirements.txt").write_text("")
    return Release(
        id=name,
        build_id=f"build-of-{name}",
        droplet_id=77,
        droplet_name=droplet,
        version="0.1.0",
        commit=f"{abs(hash(name)):x}".ljust(12, "0"),
        source=source,
        requirements=source / "requirements.txt",
    )
