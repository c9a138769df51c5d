"""An image registry on loopback that behaves: the parts of the OCI distribution API that docker uses."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from aiohttp import web

_DIGEST = "Docker-Content-Digest"


class FakeImageRegistry:
    """An async context manager; `address` is host:port. What is changed here is what the next pull gets.

    `manifests` are (type, content) by `REPOSITORY:TAG` and `REPOSITORY@DIGEST`, `blobs` by digest.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.requests: list[str] = []
        self.port = 0
        self._uploads: dict[str, bytearray] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> FakeImageRegistry:
        application = web.Application(client_max_size=1 << 30, middlewares=[self._noted])
        application.router.add_get("/v2/", self._hello)
        application.router.add_get("/v2/{name:.+}/blobs/{digest}", self._blob)
        application.router.add_post("/v2/{name:.+}/blobs/uploads/", self._upload)
        application.router.add_patch("/v2/{name:.+}/blobs/uploads/{id}", self._more)
        application.router.add_put("/v2/{name:.+}/blobs/uploads/{id}", self._whole)
        application.router.add_get("/v2/{name:.+}/manifests/{ref}", self._manifest)
        application.router.add_put("/v2/{name:.+}/manifests/{ref}", self._put_manifest)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        return await handler(request)

    async def _hello(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _blob(self, request: web.Request) -> web.Response:
        digest = request.match_info["digest"]
        if digest not in self.blobs:
            return _unknown("BLOB_UNKNOWN")
        return web.Response(body=self.blobs[digest], headers={_DIGEST: digest})

    async def _upload(self, request: web.Request) -> web.Response:
        made = uuid.uuid4().hex
        self._uploads[made] = bytearray()
        return web.Response(status=202, headers={"Location": f"{request.path}{made}", "Range": "0-0"})

    async def _more(self, request: web.Request) -> web.Response:
        upload = self._uploads[request.match_info["id"]]
        upload += await request.read()
        headers = {"Location": request.path, "Range": f"0-{len(upload) - 1}"}
        return web.Response(status=202, headers=headers)

    async def _whole(self, request: web.Request) -> web.Response:
        upload = self._uploads.pop(request.match_info["id"]) + await request.read()
        digest = request.query["digest"]
        if _digest(bytes(upload)) != digest:
            return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
        self.blobs[digest] = bytes(upload)
        return web.Response(status=201, headers={"Location": request.path, _DIGEST: digest})

    async def _manifest(self, request: web.Request) -> web.Response:
        name, ref = request.match_info["name"], request.match_info["ref"]
        found = self.manifests.get(f"{name}@{ref}" if ":" in ref else f"{name}:{ref}")
        if found is None:
            return _unknown("MANIFEST_UNKNOWN")
        headers = {_DIGEST: _digest(found[1]), "Content-Type": found[0]}
        return web.Response(body=found[1], headers=headers)

    async def _put_manifest(self, request: web.Request) -> web.Response:
        name, ref, content = request.match_info["name"], request.match_info["ref"], await request.read()
        digest = _digest(content)
        for key in (f"{name}:{ref}", f"{name}@{digest}"):
            self.manifests[key] = (request.content_type, content)
        return web.Response(status=201, headers={"Location": request.path, _DIGEST: digest})


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _unknown(code: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": "unknown"}]}, status=404)
