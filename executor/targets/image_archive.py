"""An image as one compressed file without the layers that its receiver has already.

`docker load` reads a layer's file only when it does not know the chain of layers up to there (Moby's
image/tarexport), so the files of known layers can be left out; they are most of an image.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from executor.errors import Permanent

_CHUNK = 1 << 20
_MANIFEST = "manifest.json"


def known_layers(layers: tuple[str, ...], others: Iterable[tuple[str, ...]]) -> int:
    """How many layers, from the lowest one, an image shares with the one of `others` that is most like it."""
    most = 0
    for other in others:
        shared = 0
        for mine, theirs in zip(layers, other, strict=False):
            if mine != theirs:
                break
            shared += 1
        most = max(most, shared)
    return most


def write_archive(saved: Path, archive: Path, *, without: int) -> None:
    """Rewrite what `docker save` wrote without its `without` lowest layers; the same input, the same bytes.

    The file is in place whole or not at all. Raises Permanent for a file that is no saved image, OSError when
    the disk refuses.
    """
    # A name of its own: the thread of a call that was cancelled may still be writing.
    handle, name = tempfile.mkstemp(prefix=f"{archive.name}.", dir=archive.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw, tarfile.open(saved) as source:
            _rewrite(source, raw, without)
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(archive)
    except (tarfile.TarError, LookupError, ValueError) as error:
        raise Permanent(f"What docker saved in {saved} cannot be read as an image: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _rewrite(source: tarfile.TarFile, raw: IO[bytes], without: int) -> None:
    left_out = _left_out(source, without)
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as target,
    ):
        for member in sorted(source.getmembers(), key=lambda item: item.name):
            if member.name not in left_out:
                _copy(source, member, target)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _left_out(source: tarfile.TarFile, without: int) -> frozenset[str]:
    file = source.extractfile(_MANIFEST)
    if file is None:
        raise ValueError("it has no manifest")
    layers: list[str] = json.loads(file.read())[0]["Layers"]
    left_out = set(layers[:without])
    for kept in layers[without:]:
        left_out.discard(kept)
        member = source.getmember(kept)
        if member.issym():  # two equal layers are saved once, and a kept one may point at one left out
            left_out.discard(posixpath.normpath(posixpath.join(posixpath.dirname(kept), member.linkname)))
    return frozenset(left_out)


def _copy(source: tarfile.TarFile, member: tarfile.TarInfo, target: tarfile.TarFile) -> None:
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.linkname, plain.mode, plain.size = member.type, member.linkname, 0o644, member.size
    if member.isdir():
        plain.mode = 0o755
    content: IO[bytes] | None = source.extractfile(member) if member.isreg() else None
    target.addfile(plain, content)
