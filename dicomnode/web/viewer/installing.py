"""Putting the viewer into its folder, whole or not at all, and finding it there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dicomnode.errors import ViewerError
from dicomnode.web.viewer.fetching import Told
from dicomnode.web.viewer.package import VERSION
from dicomnode.web.viewer.unpacking import DIST, unpack

_NAME = f"ohif-{VERSION}"
HOW_TO_GET_IT = "dicomnode viewer install"


@dataclass(frozen=True, slots=True)
class Installed:
    """A viewer that lies in its folder.

    Attributes:
        folder: Of this version.
        version: Of the package.
    """

    folder: Path
    version: str

    @property
    def dist(self) -> Path:
        """The built pages."""
        return self.folder / DIST


def find_installed(folder: Path) -> Installed | None:
    """The viewer in a folder, if it is the version that this node is made for."""
    place = folder / _NAME
    # A folder of this name is whole: it got its name last.
    return Installed(place, VERSION) if (place / DIST / "index.html").is_file() else None


def install(folder: Path, bring: Callable[[Path, Told], None], told: Told) -> Installed:
    """Bring the package, check it, unpack it beside its place, and only then give it its name.

    Args:
        folder: Made if it is missing; other versions in it are left alone.
        bring: Writes the package into a file and checks it; see `fetching`.
        told: How far it is.

    Raises:
        ViewerError: It cannot be fetched, is another package, or the folder cannot be written.
    """
    found = find_installed(folder)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder) as draft:
            return _install(folder, Path(draft), bring, told)
    except OSError as error:
        raise ViewerError(f"the viewer cannot be written into {folder}: {error.strerror}") from error


def _install(folder: Path, draft: Path, bring: Callable[[Path, Told], None], told: Told) -> Installed:
    package, unpacked = draft / "package.tgz", draft / _NAME
    bring(package, told)
    unpacked.mkdir(mode=0o755)
    total = package.stat().st_size
    unpack(package, unpacked, lambda done: told("unpacking", done, total))
    if not (unpacked / DIST / "index.html").is_file():
        raise ViewerError("the package holds no dist/index.html: it is no built viewer")
    _take_place(unpacked, folder / _NAME)
    return Installed(folder / _NAME, VERSION)


def _take_place(unpacked: Path, place: Path) -> None:
    if place.exists():  # the remains of an older way of copying it here: no index.html lies in it
        shutil.rmtree(place)
    unpacked.rename(place)


def size_of(installed: Installed) -> int:
    """Bytes on the disk."""
    return sum(path.stat().st_size for path in installed.folder.rglob("*") if path.is_file())
