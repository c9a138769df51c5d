"""What may be on the disk when the power goes: everything that was synced, and any part of what was not.

A write that was not synced may be there, not be there, or be torn at its 512-byte sectors; writes need not
arrive in their order. What a refused sync left behind is clean in the kernel's eyes: any part of it is on the
disk, and no later sync brings the rest. A name that was made, changed or removed may be so or not until its
directory was synced. What was synced is there: that is all that a disk promises (trust.md, R5).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.disk.recorder import Operation

_SECTOR = 512
WAYS = ("none", "all", "prefix", "any", "torn")


@dataclass
class _File:
    """A file's synced content, and what was done to it since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def sync(self) -> None:
        for one in self.pending:
            _apply(self.synced, one)
        self.pending.clear()

    def refuse(self, chance: random.Random) -> None:
        """A sync failed: part of what was written is on the disk, the rest never will be."""
        for one in _surviving(self.pending, chance, chance.choice(WAYS)):
            _apply(self.synced, one)
        self.pending.clear()

    def survivor(self, chance: random.Random, way: str) -> bytes:
        content = bytearray(self.synced)
        for one in _surviving(self.pending, chance, way):
            _apply(content, one)
        return bytes(content)


@dataclass
class Disk:
    """The state of a directory between two operations; feed it operations in order."""

    lying: bool = False
    fate: random.Random = field(default_factory=lambda: random.Random(1))
    files: dict[int, _File] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    synced_names: dict[str, int] = field(default_factory=dict)
    name_changes: list[tuple[str, str, str]] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    acknowledged: list[str] = field(default_factory=list)

    @classmethod
    def holding(cls, directory: Path) -> Disk:
        """A disk with everything that is in a directory now."""
        disk = cls()
        for path in (path for path in directory.rglob("*") if path.is_file()):
            number = len(disk.files) + 1
            disk.files[number] = _File(bytearray(path.read_bytes()))
            disk.names[str(path.relative_to(directory))] = number
        disk.synced_names = dict(disk.names)
        return disk

    def do(self, one: Operation) -> None:
        """Apply one operation. A lying disk forgets what it was asked to sync."""
        if one.kind == "A":
            self.acknowledged.append(one.data.decode())
        elif one.kind == "C":
            self.names[one.path] = number = len(self.files) + 1
            self.files[number] = _File()
            self.name_changes.append(("make", one.path, str(number)))
        elif one.kind == "D":
            self.folders.add(one.path)
            self.name_changes.append(("make", one.path, "0"))
        elif one.kind in "WT":
            self.files[self.names[one.path]].pending.append(one)
        elif one.kind == "S" and not self.lying:
            self._sync(one.path)
        elif one.kind == "F" and one.path in self.names:
            self.files[self.names[one.path]].refuse(self.fate)
        elif one.kind == "U":
            self.names.pop(one.path, None)
            self.name_changes.append(("remove", one.path, ""))
        elif one.kind == "R":
            self.names[one.data.decode()] = self.names.pop(one.path)
            self.name_changes.append(("rename", one.path, one.data.decode()))

    def crash(self, chance: random.Random) -> dict[str, bytes]:
        """One of the directories that a power cut at this moment may leave: content by name."""
        way = chance.choice(WAYS)
        names = dict(self.synced_names)
        for change in _subset(self.name_changes, chance):
            _rename(names, change)
        gone = self.folders - names.keys()
        return {
            name: self.files[number].survivor(chance, way)
            for name, number in names.items()
            if name not in self.folders and not gone.intersection((".", _folder(name)))
        }

    def _sync(self, path: str) -> None:
        if path in self.names:
            self.files[self.names[path]].sync()
        else:  # a directory: its names hold
            for change in [one for one in self.name_changes if _folder(one[1]) == path]:
                _rename(self.synced_names, change)
                self.name_changes.remove(change)


def moments(done: Sequence[Operation], count: int, disk: Disk) -> Iterator[tuple[int, Disk]]:
    """`count` moments, spread evenly over the operations; the disk is good until the next is asked for."""
    shown = 0
    for number, one in enumerate(done, 1):
        disk.do(one)
        while shown * len(done) < number * count:
            shown += 1
            yield shown, disk


def _subset(changes: list[tuple[str, str, str]], chance: random.Random) -> list[tuple[str, str, str]]:
    """The first ones, as a journal keeps them; or any of them, for who writes one file's names out alone."""
    if chance.random() < 0.5:
        return changes[: chance.randint(0, len(changes))]
    return [one for one in changes if chance.random() < 0.5]


def _folder(name: str) -> str:
    """The directory that holds a name; the state directory is "." itself."""
    return ".." if name == "." else str(Path(name).parent)


def _rename(names: dict[str, int], change: tuple[str, str, str]) -> None:
    kind, name, other = change
    if kind == "make":
        names[name] = int(other)
    elif kind == "remove":
        names.pop(name, None)
    elif name in names:
        names[other] = names.pop(name)


def _surviving(pending: list[Operation], chance: random.Random, way: str) -> Iterable[Operation]:
    if way == "all":
        return pending
    if way == "prefix":
        return pending[: chance.randint(0, len(pending))]
    if way == "any":
        return [one for one in pending if chance.random() < 0.5]
    if way == "torn":
        return [part for one in pending for part in _sectors(one, chance)]
    return ()


def _sectors(one: Operation, chance: random.Random) -> Iterable[Operation]:
    """Those of its sectors that arrived; they lie where the disk's own do."""
    if one.kind != "W":
        if chance.random() < 0.5:
            yield one
        return
    start = 0
    while start < len(one.data):
        end = min(len(one.data), start + _SECTOR - (one.offset + start) % _SECTOR)
        if chance.random() < 0.5:
            yield Operation("W", one.path, one.offset + start, one.data[start:end])
        start = end


def _apply(content: bytearray, one: Operation) -> None:
    if one.kind == "T":
        if one.offset < len(content):
            del content[one.offset :]
        else:
            content.extend(bytes(one.offset - len(content)))
        return
    if one.offset > len(content):
        content.extend(bytes(one.offset - len(content)))
    content[one.offset : one.offset + len(one.data)] = one.data
