"""A GitHub on loopback: its REST API for repositories, and real git over HTTP with a token check."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

TOKEN = "ghp_the-only-token-let-in"


class FakeGitHub:
    """`async with FakeGitHub(directory) as hub:`; `hub.url` is its API.

    `drop_next` names calls (`create`, `push`) that take effect and lose their reply. `status`, with `headers`
    and `message`, answers every call of the API, and `body` in its place; `elsewhere` is where git is sent on
    to. `login` is whom the token belongs to, `may_create` whether it has the right to; `before_push` is
    called when a push looks (GET) and when it sends (POST).
    With `tls` the API is https, and names addresses for git that are not.
    """

    def __init__(
        self,
        directory: Path,
        owner: str = "fullpotential-ai",
        kind: str = "Organization",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.directory = directory
        self.tls = tls
        self.owner = owner
        self.kind = kind
        self.repositories: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.drop_next: set[str] = set()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.message = "no"
        self.body = ""
        self.elsewhere = ""
        self.login = owner
        self.may_create = True
        self.before_push: Callable[[str], object] | None = None
        self.url = ""

    async def __aenter__(self) -> FakeGitHub:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_get("/api/users/{owner}", self._owner)
        app.router.add_get("/api/user", self._user)
        app.router.add_get("/api/repos/{owner}/{name}", self._get)
        app.router.add_post("/api/orgs/{owner}/repos", self._create)
        app.router.add_post("/api/user/repos", self._create)
        app.router.add_route("*", "/git/{path:.*}", self._git)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        where = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self._root = f"http://{where}"
        self.url = f"{'https' if self.tls else 'http'}://{where}/api"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def add(self, name: str, description: str = "") -> Path:
        """A repository that somebody made."""
        path = self.directory / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        subprocess.run(["git", "--git-dir", str(path), "config", "http.receivepack", "true"], check=True)
        self.repositories[name] = {
            "name": name,
            "description": description,
            "html_url": f"https://github.example/{self.owner}/{name}",
            "clone_url": f"{self._root}/git/{name}.git",
        }
        return path

    def branch(self, name: str, branch: str) -> str:
        """The commit that a branch names, empty if there is none."""
        argv = [
            "git",
            "--git-dir",
            str(self.directory / f"{name}.git"),
            "rev-parse",
            "-q",
            "--verify",
            branch,
        ]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()

    def _refused(self, request: web.Request) -> web.Response | None:
        if self.body:
            return web.Response(text=self.body, content_type="text/html")
        if self.status:
            return web.json_response({"message": self.message}, status=self.status, headers=self.headers)
        if request.headers.get("Authorization") != f"token {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        return None

    async def _owner(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        if request.match_info["owner"] != self.owner:
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response({"login": self.owner, "type": self.kind})

    async def _user(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"login": self.login, "type": "User"})

    async def _get(self, request: web.Request) -> web.Response:
        self.calls.append(f"GET {request.match_info['name']}")
        if refused := self._refused(request):
            return refused
        found = self.repositories.get(request.match_info["name"])
        return web.json_response(found or {"message": "Not Found"}, status=200 if found else 404)

    async def _create(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        if not self.may_create:
            return web.json_response({"message": "Not Found"}, status=404)
        body = await request.json()
        self.calls.append(f"POST {request.path.removeprefix('/api')} {body['name']}")
        if body["name"] in self.repositories:
            error = {
                "resource": "Repository",
                "code": "custom",
                "field": "name",
                "message": "name already exists",
            }
            return web.json_response({"message": "failed.", "errors": [error]}, status=422)
        self.add(body["name"], body["description"])
        self.repositories[body["name"]]["private"] = body["private"]
        if "create" in self.drop_next:
            self.drop_next.discard("create")
            request.transport.close()
        return web.json_response(self.repositories[body["name"]], status=201)

    async def _git(self, request: web.Request) -> web.StreamResponse:
        """git-http-backend as CGI: the real server side of git."""
        if self.elsewhere:
            raise web.HTTPFound(self.elsewhere + request.path_qs)
        wanted = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if request.headers.get("Authorization") != wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        is_push = request.method == "POST" and request.path.endswith("git-receive-pack")
        if self.before_push and "git-receive-pack" in request.path_qs:
            self.before_push(request.method)
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.directory), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": "/" + request.match_info["path"], "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method, "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""), "REMOTE_USER": "executor",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        out, _ = await process.communicate(await request.read())
        self.calls.append(f"git {request.method} {request.match_info['path']}")
        if is_push and "push" in self.drop_next:
            self.drop_next.discard("push")
            request.transport.close()
        head, _, body = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)
