"""A bundle named on the command line: by its folder, or by its name in the models folder."""

from __future__ import annotations

from pathlib import Path

from dicomnode.bundles import Bundle, load_bundle
from dicomnode.errors import BundleError
from dicomnode.settings import Settings


def find_bundle(name: str, settings: Settings) -> Bundle:
    """Load it.

    Raises:
        BundleError: There is no such folder and no such name, or the bundle cannot be used.
    """
    folder = settings.models.folder
    for path in (Path(name), folder / name):
        if (path / "configs").is_dir():
            return load_bundle(path.resolve())
    here = ", ".join(sorted(path.parent.name for path in folder.glob("*/configs"))) or "none"
    raise BundleError(f"no bundle {name!r}: neither a folder with configs/, nor in {folder}, which holds: {here}")
