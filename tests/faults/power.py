"""A disk that loses power: file operations as they are made, and what may be left after any of them.

What was written and not flushed may be there, not be there, or be zeros; names given, changed or taken away in a folder
that was not flushed may be so or as before, each by itself. What was flushed stays.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PIECES = 3  # a write is as many, of which any number may have come


@dataclass(frozen=True)
class Operation:
    """What happened to the disk; paths are relative to its root."""

    kind: str
    """create, rename, unlink or mkdir (names); write; fsync, fsync_folder; done: the caller was told of success."""
    path: str = ""
    file: int = -1
    """Which file, whatever its name."""
    content: bytes = b""
    source: str = ""
    """Former name."""


class Recorder:
    """The operations below a root, from now on."""

    def __init__(self, root, patch):
        self.root = Path(root)
        self.operations: list[Operation] = []
        self._names: dict[str, int] = {}
        self._contents: dict[int, bytes] = {}
        self._folders = {"."}
        for name in ("replace", "unlink", "mkdir", "link", "fsync"):
            patch.setattr(os, name, self._recorded(getattr(os, name), getattr(self, f"_{name}")))

    def done(self):
        """Note that the caller was told of success."""
        self._notice()
        self._add("done")

    def flushed(self):
        """Take all that is there for flushed."""
        self._notice()
        for name, number in self._names.items():
            self._add("fsync", name, number)
        for name in self._folders:
            self._add("fsync_folder", name)

    def _recorded(self, plain: Callable, note: Callable):
        def call(*arguments, **options):
            self._notice()
            result = plain(*arguments, **options)
            note(*arguments)
            self._notice()
            return result

        return call

    def _add(self, kind, path="", file=-1, **more):
        self.operations.append(Operation(kind, path, file, **more))

    def _notice(self):
        """Find what was made and written meanwhile; names change only by calls that are recorded."""
        found = {self._name(path): path for path in self.root.rglob("*") if path.is_file()}
        assert set(self._names) <= set(found), "a name went, and it was not recorded"
        for name, path in found.items():
            if name not in self._names:
                self._names[name] = len(self._contents)
                self._contents[self._names[name]] = b""
                self._add("create", name, self._names[name])
            number, content = self._names[name], path.read_bytes()
            before = self._contents[number]
            if content != before:
                kept = len(before) if content.startswith(before) else 0
                for piece in range(_PIECES + 1):
                    self._add("write", file=number, content=content[: kept + (len(content) - kept) * piece // _PIECES])
                self._contents[number] = content

    def _replace(self, source, target, *_):
        source, target = self._name(source), self._name(target)
        assert Path(source).parent == Path(target).parent
        self._names[target] = self._names.pop(source)
        self._add("rename", target, self._names[target], source=source)

    def _unlink(self, path, *_):
        self._add("unlink", self._name(path), self._names.pop(self._name(path)))

    def _link(self, path, name, *_):
        self._names[self._name(name)] = self._names[self._name(path)]
        self._add("create", self._name(name), self._names[self._name(name)])

    def _mkdir(self, path, *_):
        self._folders.add(self._name(path))
        self._add("mkdir", self._name(path))

    def _fsync(self, descriptor):
        stat = os.fstat(descriptor)
        same = [one for one in (*self._folders, *self._names) if os.path.samestat(stat, (self.root / one).stat())]
        assert same, "a file of another place was flushed"
        if same[0] in self._folders:
            self._add("fsync_folder", same[0])
        else:
            self._add("fsync", same[0], self._names[same[0]])

    def _name(self, path):
        return Path(path).relative_to(self.root).as_posix()


@dataclass
class Disk:
    """What was flushed, and what was not."""

    safe: dict[int, bytes] = field(default_factory=dict)
    cached: dict[int, bytes] = field(default_factory=dict)
    entries: dict[str, dict[str, int | None]] = field(default_factory=lambda: {".": {}})
    """Flushed names by folder; None is a folder."""
    waiting: dict[str, list[Operation]] = field(default_factory=lambda: {".": []})
    """Changes of names by folder, not flushed."""
    done: int = 0

    def apply(self, one: Operation) -> None:
        """Let an operation happen."""
        if one.kind == "done":
            self.done += 1
        elif one.kind == "write":
            self.cached[one.file] = one.content
        elif one.kind == "fsync":
            self.safe[one.file] = self.cached.get(one.file, b"")
        elif one.kind == "fsync_folder":
            for change in self.waiting[one.path]:
                _rename(self.entries[one.path], change)
            self.waiting[one.path] = []
        else:
            self.waiting[Path(one.path).parent.as_posix()].append(one)
            if one.kind == "mkdir":
                self.entries[one.path], self.waiting[one.path] = {}, []

    def lose_power(self, target: Path, how: str, generator) -> None:
        """Write below `target` what is left: `dropped` or `kept` whatever was not flushed, or `mixed`."""
        self._write_folder(".", target, how, generator)

    def _write_folder(self, folder: str, target: Path, how: str, generator) -> None:
        entries, waiting = dict(self.entries[folder]), self.waiting[folder]
        if how == "mixed":
            if generator.random() < 0.5:  # a journal keeps them in order
                waiting = waiting[: generator.randint(0, len(waiting))]
            else:
                waiting = [one for one in waiting if generator.random() < 0.5]
        for one in waiting if how != "dropped" else []:
            _rename(entries, one)
        target.mkdir()
        for name, number in entries.items():
            if number is None:
                self._write_folder((Path(folder) / name).as_posix(), target / name, how, generator)
            else:
                (target / name).write_bytes(self._left(number, how, generator))

    def _left(self, number: int, how: str, generator) -> bytes:
        safe = self.safe.get(number, b"")
        cached = self.cached.get(number, b"")
        choices = {"dropped": [safe], "kept": [cached]}
        return generator.choice(choices.get(how, [safe, cached, safe.ljust(len(cached), b"\0")]))


def _rename(entries: dict[str, int | None], one: Operation) -> None:
    name = Path(one.path).name
    if one.kind == "unlink":
        entries.pop(name, None)
        return
    if one.kind == "rename":
        entries.pop(Path(one.source).name, None)
    entries[name] = None if one.kind == "mkdir" else one.file
