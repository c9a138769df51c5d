"""Virtual environments of droplets, made once for each set of requirements and shared read-only."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

from executor.errors import Permanent, ReleaseAtFault, Transient
from executor.sandbox.captive import Captive, Start
from executor.sandbox.interpreter import Interpreter, shared_interpreter
from executor.sandbox.ownership import remove_tree, remove_tree_now
from executor.sandbox.places import Places
from executor.sandbox.requirements import checked_requirements

_PATIENCE = 600.0
_WORDS_BYTES = 16 << 10
_BUILDING = ".building-"
_PASSED = re.compile(
    r"UV_.*|PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|CERT)|SSL_CERT_(FILE|DIR)|(HTTPS?|ALL|NO)_PROXY",
    re.IGNORECASE,
)
_SECRET = re.compile(r"TOKEN|KEY|PASSWORD|SECRET|CREDENTIAL", re.IGNORECASE)
_PIP_TO_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}
_WORTH_ANOTHER_TRY = re.compile(
    r"failed to fetch|error sending request|dns error|timed? ?out|connection (refused|reset|closed)|"
    r"network|tls|certificate|HTTP status server error|status code 5\d\d|429",
    re.IGNORECASE,
)


class VenvCache:
    """Venvs by the digest of their requirements and their Python.

    A venv is built beside its place and renamed into it, so whatever is there is whole. The
    resolver takes index, proxy and TLS settings from `environ`; no other variable and no secret reaches it.
    """

    def __init__(self, places: Places, uv_path: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self._places = places
        self._uv = uv_path
        self._environ = dict(os.environ if environ is None else environ)
        self._building: dict[Path, asyncio.Task[None]] = {}
        self._interpreter: Interpreter | None = None
        self._asking = asyncio.Lock()

    async def get(self, requirements: Path) -> Path:
        """Return the venv of this requirements file, to be bound read-only; callers at once share one build.

        Raises ReleaseAtFault with the resolver's words when the requirements cannot be met, Transient when
        the index cannot be reached or the disk is full, Permanent when there is no Python or no uv.
        """
        text = await asyncio.to_thread(requirements.read_text, "utf-8", "replace")
        python = await self._python()
        place = self._places.venvs / _digest(text, python)
        if place.is_dir():
            return place
        checked_requirements(text)
        if place not in self._building:
            task = asyncio.create_task(self._build(text, python, place))
            task.add_done_callback(lambda _: self._building.pop(place, None))
            self._building[place] = task
        await asyncio.shield(self._building[place])
        return place

    async def _python(self) -> Interpreter:
        async with self._asking:  # two first builds at once would sweep the same leftovers
            if self._interpreter is None:
                self._interpreter = await shared_interpreter()
                await asyncio.to_thread(_sweep, self._places.venvs)
        return self._interpreter

    async def _build(self, text: str, python: Interpreter, place: Path) -> None:
        made = Path(mkdtemp(prefix=f"{_BUILDING}{os.getpid()}-", dir=self._places.venvs))
        try:
            wanted = made / "requirements.txt"
            wanted.write_text(text, "utf-8")
            venv = made / "venv"
            await self._uv_run("venv", "--relocatable", "--python", str(python.path), str(venv))
            await self._uv_run(
                "pip", "install", "--python", str(venv / "bin/python"), "--only-binary", ":all:",
                "--link-mode", "hardlink", "--compile-bytecode", "-r", str(wanted),
            )  # fmt: skip
            venv.chmod(0o755)
            await asyncio.to_thread(_settle, venv, place)
        finally:
            await remove_tree(made)

    async def _uv_run(self, *arguments: str) -> None:
        env = resolver_environment(self._environ, self._places.caches)
        argv = [str(self._uv), "--quiet", "--no-progress", *arguments]
        captive = Captive(Start(argv, _WORDS_BYTES, env=env, cwd=str(self._places.caches)))
        try:
            async with asyncio.timeout(_PATIENCE):
                code = await captive.ended()
        except TimeoutError as error:
            raise Transient("The package resolver did not finish within ten minutes.") from error
        finally:
            await captive.destroy()
        if code != 0:
            raise _failure(captive.output())


def find_uv() -> Path:
    """Return the uv that was installed with the executor; raises Permanent if it is missing."""
    from uv import find_uv_bin  # noqa: PLC0415 - looks for a file, so only on demand

    try:
        return Path(find_uv_bin())
    except FileNotFoundError as error:
        raise Permanent("uv is missing, so droplets get no packages.", hint="Run: pip install uv.") from error


def resolver_environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the whole environment of the resolver: index, proxy and TLS settings, and no secret by name."""
    passed = {
        name: value for name, value in environ.items() if _PASSED.fullmatch(name) and not _SECRET.search(name)
    }
    for pip_name, uv_name in _PIP_TO_UV.items():
        if pip_name in passed:
            passed.setdefault(uv_name, passed.pop(pip_name))
    if "PIP_CERT" in passed:
        passed.setdefault("SSL_CERT_FILE", passed.pop("PIP_CERT"))
    defaults = {"UV_CACHE_DIR": str(home / "uv"), "UV_HTTP_RETRIES": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", **defaults, **passed}


def _sweep(venvs: Path) -> None:
    """Remove what killed daemons had begun; where an orphaned resolver still writes, the next start does."""
    for left in venvs.glob(f"{_BUILDING}*"):
        if not Path("/proc", left.name.removeprefix(_BUILDING).split("-")[0]).exists():
            with suppress(OSError):
                remove_tree_now(left)


def _settle(venv: Path, place: Path) -> None:
    """Put a finished venv in its place, its bytes on disk first: a power cut must not leave it hollow."""
    (venv / ".lock").unlink(missing_ok=True)  # uv leaves it writable by everyone
    os.sync()
    try:
        venv.rename(place)
    except OSError:
        if not place.is_dir():  # another daemon's was first: the same digest, the same venv
            raise


def _digest(text: str, python: Interpreter) -> str:
    return hashlib.sha256(f"1\n{python.path}\n{python.version}\n{text}".encode()).hexdigest()[:32]


def _failure(words: str) -> Exception:
    if "No space left" in words:
        return Transient(
            "The disk is full, so the droplet's packages cannot be installed.", hint="Free some space."
        )
    if _WORTH_ANOTHER_TRY.search(words) and "No solution found" not in words:
        return Transient(
            f"The package index cannot be reached: {words.strip()[-400:]}",
            hint="Check the network, UV_DEFAULT_INDEX and the proxy settings.",
        )
    return ReleaseAtFault(
        f"The droplet's requirements cannot be installed: {words.strip()[:600]}",
        hint="Correct requirements.txt: only published wheels can be used.",
        log=words,
    )
