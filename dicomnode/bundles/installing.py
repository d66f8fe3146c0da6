"""Put a bundle into the models folder, all of it or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

from dicomnode.bundles.bundle import Bundle
from dicomnode.bundles.digest import bundle_digest, node_file
from dicomnode.bundles.loading import load_bundle
from dicomnode.errors import BundleError


def install_bundle(source: Bundle, folder: Path, *, replace: bool) -> Bundle:
    """Copy a bundle, and the description beside one from elsewhere, into the models folder.

    Args:
        source: A bundle that was loaded, so that a broken one never arrives.
        folder: The models folder; it is made if it is not there.
        replace: True lets it take the place of another bundle of its name.

    Returns:
        The bundle as it lies there now.

    Raises:
        BundleError: Another bundle of its name is there, or the copy is not what was read.
    """
    target = folder.absolute() / source.path.name
    if target.resolve() == source.path.resolve():
        return source
    if target.exists() and not replace:
        raise BundleError(f"{target} exists; give --replace to put this bundle in its place")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder.absolute() / f".{source.path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source.path, partial, symlinks=True)
    _swap(partial, target)
    _copy_description(source.path, target)
    if bundle_digest(target) != source.digest:
        raise BundleError(f"{target} is not what was read from {source.path}: it changed meanwhile; add it again")
    return load_bundle(target)


def _swap(partial: Path, target: Path) -> None:
    old = target.parent / f".{target.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _copy_description(source: Path, target: Path) -> None:
    beside = node_file(target)
    beside.unlink(missing_ok=True)
    if node_file(source).is_file():
        shutil.copyfile(node_file(source), beside)
