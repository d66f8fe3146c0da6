"""What of the package goes onto the disk: the built pages, as plain files within one folder, and small to send."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from dicomnode.errors import ViewerError

DIST, LICENCE_FILE, COMPRESSED = "dist", "LICENSE", ".gz"
_INSIDE = PurePosixPath("package")
_LARGEST_FILE, _LARGEST_ALL, _MOST_FILES = 64 * 1024**2, 512 * 1024**2, 4000
_TEXTS = frozenset({".js", ".css", ".html", ".json", ".svg", ".wasm"})
_WORTHWHILE = 2048  # bytes below which compression saves no packet
_LEVEL = 6


def unpack(package: Path, folder: Path, told: Callable[[int], None]) -> None:
    """Write the built pages and the licence into a folder, each text also compressed.

    Left out: source maps, which no reader needs; the service worker, which would keep pages in the browser and
    load scripts from elsewhere; and the runtime of OHIF's own models, whose weights the node's pages may not fetch.

    Args:
        package: The tarball, of the pinned digest.
        folder: Exists, empty.
        told: Called with the bytes of the tarball that are done.

    Raises:
        ViewerError: The tarball holds what no package holds.
    """
    written = files = 0
    try:
        with package.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as tarball:
            for member in tarball:
                place = _place(member)
                if place is not None:
                    written, files = written + member.size, files + 1
                    if member.size > _LARGEST_FILE or written > _LARGEST_ALL or files > _MOST_FILES:
                        raise ViewerError(f"{package.name} holds more than a viewer: {member.name} is too much")
                    _write(tarball, member, folder / place)
                told(file.tell())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ViewerError(f"{package.name} cannot be unpacked into {folder.parent}: {error}") from error


def _place(member: tarfile.TarInfo) -> PurePosixPath | None:
    """Where a member goes, counted from the folder; None: nowhere."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise ViewerError(f"the package names a file outside of itself: {member.name!r}")
    if not path.is_relative_to(_INSIDE) or not member.isreg():
        return None
    inside = path.relative_to(_INSIDE)
    is_wanted = inside.parts[:1] == (DIST,) and not _is_left_out(inside.relative_to(DIST))
    return inside if is_wanted or inside == PurePosixPath(LICENCE_FILE) else None


def _is_left_out(path: PurePosixPath) -> bool:
    return path.suffix == ".map" or path.parts[:1] == ("ort",) or path.name == "sw.js"


def _write(tarball: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tarball.extractfile(member)
    if source is None:
        raise ViewerError(f"the package's {member.name!r} cannot be read")
    content = source.read()
    path.parent.mkdir(parents=True, exist_ok=True)
    _keep(path, content)
    for compressed in _compressed(path, content):
        _keep(path.with_name(path.name + COMPRESSED), compressed)


def _keep(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # on the disk before the folder gets the name that says so


def _compressed(path: Path, content: bytes) -> Iterator[bytes]:
    if path.suffix in _TEXTS and len(content) >= _WORTHWHILE:
        # mtime 0: the same package gives the same files
        yield gzip.compress(content, _LEVEL, mtime=0)
