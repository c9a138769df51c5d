"""The images of a fake docker engine: built, tagged, saved and loaded with real archives and real digests."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Refused(Exception):
    """What the docker command prints on stderr (and, at times, on stdout), and the code that it ends with."""

    def __init__(self, text: str, code: int = 1, out: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.out = out


@dataclass
class FakeImage:
    """An image: its id is the digest of its configuration, as Docker's is."""

    labels: dict[str, str]
    layers: list[str]
    tags: list[str] = field(default_factory=list)

    @property
    def config(self) -> bytes:
        rootfs = {"type": "layers", "diff_ids": self.layers}
        return json.dumps({"config": {"Labels": self.labels}, "rootfs": rootfs}, sort_keys=True).encode()

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"

    def inspected(self) -> dict[str, Any]:
        return {
            "Id": self.id,
            "RepoTags": self.tags,
            "Config": {"Labels": self.labels or None},
            "RootFS": {"Type": "layers", "Layers": self.layers},
            "Size": 1 << 20,
        }


class FakeImages:
    """What an engine has, the newest first. `remote` are images that a pull would find."""

    def __init__(self) -> None:
        self.kept: dict[str, FakeImage] = {}
        self.remote: dict[str, FakeImage] = {}

    def add(self, name: str, labels: dict[str, str] | None = None, *, layers: int = 2) -> FakeImage:
        """Have an image that somebody made: a base image, a proxy's."""
        made = FakeImage(labels or {}, [digest(f"{name} layer {n}".encode()) for n in range(layers)])
        return self._kept(made, name)

    def find(self, ref: str) -> FakeImage | None:
        """By id, by a beginning of the id, or by name; a name without a tag is `latest`."""
        wanted = ref.removeprefix("sha256:")
        for image in self.kept.values():
            by_id = len(wanted) >= 12 and image.id[7:].startswith(wanted)
            if by_id or with_tag(ref) in image.tags:
                return image
        return None

    def the(self, ref: str, text: str = "Error response from daemon: No such image: {}") -> FakeImage:
        found = self.find(ref)
        if found is None:
            raise Refused(text.format(with_tag(ref)))
        return found

    def listed(self, labels: dict[str, str]) -> list[FakeImage]:
        return [image for image in self.kept.values() if labels.items() <= image.labels.items()]

    def tag(self, ref: str, name: str) -> None:
        self._kept(self.the(ref), name)

    def build(self, context: Path, name: str, labels: dict[str, str]) -> FakeImage:
        """An image from the base that the Dockerfile names and the files beside it; equal ones are one."""
        if not context.is_dir():
            raise Refused(f'unable to prepare context: path "{context}" not found')
        lines = (context / "Dockerfile").read_text().splitlines()
        base = next(line.split()[1] for line in lines if line.startswith("FROM "))
        if any("fail-this-build" in line for line in lines):
            raise Refused("The command '/bin/sh -c fail-this-build' returned a non-zero code: 1")
        below = self.the(base, "pull access denied for {}, repository does not exist")
        files = sorted(path for path in context.rglob("*") if path.is_file() and ".git" not in path.parts)
        whole = b"".join(str(p.relative_to(context)).encode() + b"\0" + p.read_bytes() for p in files)
        return self._kept(FakeImage({**below.labels, **labels}, [*below.layers, digest(whole)]), name)

    def remove(self, ref: str, users: list[tuple[str, str, bool]]) -> None:
        """Take a name away, or the image with its last one. `users` are (container, image id, running)."""
        image = self.the(ref)
        by_name = with_tag(ref) in image.tags
        if by_name and len(image.tags) > 1:
            image.tags.remove(with_tag(ref))
            return
        if not by_name and len(image.tags) > 1:
            raise Refused(
                f"Error response from daemon: conflict: unable to delete {image.id[7:19]} (must be forced)"
                " - image is referenced in multiple repositories"
            )
        for container, used, running in users:
            if used != image.id:
                continue
            if by_name:
                raise Refused(
                    "Error response from daemon: conflict: unable to remove repository reference"
                    f' "{ref}" (must force) - container {container[:12]} is using its referenced image'
                    f" {image.id[7:19]}"
                )
            how = "cannot be forced" if running else "must be forced"
            using = "running" if running else "stopped"
            raise Refused(
                f"Error response from daemon: conflict: unable to delete {image.id[7:19]} ({how})"
                f" - image is being used by {using} container {container[:12]}"
            )
        del self.kept[image.id]

    def save(self, ref: str, path: Path) -> None:
        image = self.the(ref, "Error response from daemon: No such image: {}")
        names = [f"{layer[7:]}/layer.tar" for layer in image.layers]
        config = f"{image.id[7:]}.json"
        manifest = [{"Config": config, "RepoTags": image.tags, "Layers": names}]
        with tarfile.open(path, "w") as archive:
            _put(archive, config, image.config)
            for layer, name in zip(image.layers, names, strict=True):
                _put(archive, name, layer.encode() * 4)
            _put(archive, "manifest.json", json.dumps(manifest).encode())

    def load(self, path: Path) -> FakeImage:
        """Take an archive; a layer may be missing from it only where an image here has all up to it."""
        try:
            archive = tarfile.open(path)  # noqa: SIM115 - closed below
        except FileNotFoundError as error:
            raise Refused(f"open {path}: no such file or directory") from error
        with archive:
            manifest = json.load(archive.extractfile("manifest.json"))[0]
            config = json.load(archive.extractfile(manifest["Config"]))
            layers = config["rootfs"]["diff_ids"]
            for depth, name in enumerate(manifest["Layers"], 1):
                known = any(image.layers[:depth] == layers[:depth] for image in self.kept.values())
                if not known and name not in archive.getnames():
                    raise Refused(
                        f"open /var/lib/docker/tmp/docker-import-314159265/{name}: no such file or directory"
                    )
        made = FakeImage(config["config"]["Labels"] or {}, layers)
        for name in manifest["RepoTags"] or [""]:
            made = self._kept(made, name)
        return made

    def pull(self, ref: str) -> FakeImage:
        found = self.remote.get(with_tag(ref))
        if found is None:
            raise Refused(f"Error response from daemon: manifest for {with_tag(ref)} not found: unknown")
        return self._kept(FakeImage(found.labels, found.layers), ref)

    def push(self, ref: str) -> None:
        text = "An image does not exist locally with the tag: {}"
        self.remote[with_tag(ref)] = self.the(ref, text)

    def _kept(self, image: FakeImage, name: str) -> FakeImage:
        image = self.kept.setdefault(image.id, image)
        for other in self.kept.values():
            if name and with_tag(name) in other.tags:
                other.tags.remove(with_tag(name))
        if name:
            image.tags.append(with_tag(name))
        self.kept = {image.id: image, **self.kept}
        return image


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def with_tag(ref: str) -> str:
    return ref if ":" in ref.rpartition("/")[2] or ref.startswith("sha256:") else f"{ref}:latest"


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
