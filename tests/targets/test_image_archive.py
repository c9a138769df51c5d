"""An image's archive without the layers that its receiver has: what is in it, always the same bytes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from executor.errors import Permanent
from executor.targets.image_archive import digest_of, known_layers, write_archive

LAYERS = {"a": b"base" * 999, "b": b"packages" * 99, "c": b"program"}


def put(archive, name: str, content: bytes = b"", *, link: str = "", mtime: int = 0) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), mtime
    if link:
        member.type, member.linkname = tarfile.SYMTYPE, link
    archive.addfile(member, io.BytesIO(content))


def old_layout(path: Path, *, mtime: int = 0, names: str = "abc") -> Path:
    """What docker before 25 saves: a directory for each layer."""
    with tarfile.open(path, "w") as archive:
        for name in names:
            put(archive, f"{name}/json", b"{}", mtime=mtime)
            put(archive, f"{name}/layer.tar", LAYERS[name], mtime=mtime)
        put(archive, "f00d.json", b'{"config": {}}', mtime=mtime)
        layers = [f"{name}/layer.tar" for name in "abc"]
        manifest = [{"Config": "f00d.json", "RepoTags": ["x:1"], "Layers": layers}]
        put(archive, "manifest.json", json.dumps(manifest).encode(), mtime=mtime)
    return path


def oci_layout(path: Path) -> Path:
    """What docker from 25 on saves: everything is a blob."""
    with tarfile.open(path, "w") as archive:
        for name, content in LAYERS.items():
            put(archive, f"blobs/sha256/{name}", content)
        put(archive, "blobs/sha256/f00d", b'{"config": {}}')
        put(archive, "index.json", b"{}")
        put(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        layers = [f"blobs/sha256/{name}" for name in "abc"]
        manifest = [{"Config": "blobs/sha256/f00d", "RepoTags": ["x:1"], "Layers": layers}]
        put(archive, "manifest.json", json.dumps(manifest).encode())
    return path


def contents(archive: Path) -> dict[str, bytes | None]:
    with tarfile.open(archive) as opened:
        files = {member.name: opened.extractfile(member) for member in opened if not member.issym()}
        return {name: file.read() if file else None for name, file in files.items()}


@pytest.mark.parametrize(("layout", "layer"), [(old_layout, "{}/layer.tar"), (oci_layout, "blobs/sha256/{}")])
def test_only_the_known_layers_are_left_out(layout, layer, tmp_path: Path):
    saved, archive = layout(tmp_path / "saved"), tmp_path / "thin.tar.gz"
    write_archive(saved, archive, without=2)
    with tarfile.open(saved) as opened:
        before = set(opened.getnames())
    assert set(contents(archive)) == before - {layer.format("a"), layer.format("b")}
    assert contents(archive)[layer.format("c")] == b"program"
    assert contents(archive)["manifest.json"]
    write_archive(saved, archive, without=0)
    assert set(contents(archive)) == before


def test_the_same_image_saved_at_another_time_gives_the_same_bytes(tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_archive(old_layout(tmp_path / "s1", mtime=1), one, without=1)
    write_archive(old_layout(tmp_path / "s2", mtime=2_000_000_000, names="cab"), two, without=1)
    assert digest_of(one) == digest_of(two)


def test_a_layer_that_a_kept_one_is_a_link_to_stays(tmp_path: Path):
    saved, archive = tmp_path / "saved", tmp_path / "thin"
    with tarfile.open(saved, "w") as made:
        put(made, "a/layer.tar", b"equal")
        put(made, "b/layer.tar", b"other")
        put(made, "c/layer.tar", link="../a/layer.tar")
        manifest = [{"Config": "x", "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}]
        put(made, "manifest.json", json.dumps(manifest).encode())
    write_archive(saved, archive, without=2)
    with tarfile.open(archive) as opened:
        assert opened.getnames() == ["a/layer.tar", "c/layer.tar", "manifest.json"]
        assert opened.extractfile("c/layer.tar").read() == b"equal"


def test_a_layer_that_is_there_twice_stays_when_its_second_place_is_not_known(tmp_path: Path):
    saved, archive = tmp_path / "saved", tmp_path / "thin"
    with tarfile.open(saved, "w") as made:
        put(made, "blobs/a", b"empty")
        put(made, "blobs/b", b"other")
        put(made, "manifest.json", json.dumps([{"Layers": ["blobs/a", "blobs/b", "blobs/a"]}]).encode())
    write_archive(saved, archive, without=2)
    assert set(contents(archive)) == {"blobs/a", "manifest.json"}


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_is_no_image_is_refused_and_leaves_nothing(content: bytes, tmp_path: Path):
    saved, archive = tmp_path / "saved", tmp_path / "thin"
    saved.write_bytes(content)
    with pytest.raises(Permanent, match="cannot be read as an image"):
        write_archive(saved, archive, without=0)
    with tarfile.open(saved, "w") as made:
        put(made, "manifest.json", b"[]")
    with pytest.raises(Permanent, match="cannot be read as an image"):
        write_archive(saved, archive, without=0)
    assert list(tmp_path.iterdir()) == [saved]


def test_what_is_known_are_the_layers_from_the_lowest_one_on():
    assert known_layers(("a", "b", "c"), [("a",), ("a", "b", "x"), ("x", "b", "c")]) == 2
    assert known_layers(("a", "b"), [("a", "b", "c")]) == 2
    assert known_layers(("a", "b"), [("b", "a"), ()]) == 0
    assert known_layers(("a",), []) == 0
