"""The digest of a bundle: what an administrator approves, and the model's device UID is made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dicomnode.errors import BundleError

EVALUATION = "docs/evaluation.json"
"""What a bundle was measured to do. It decides nothing and names the digest that it is about, so it does not count."""

TUNING = "configs/tuning.json"
"""How fast the bundle's network is on which device, and the way that was chosen there, within limits that do count; see
`dicomnode.bundles.tuning` for why it does not."""

REFERENCE = "docs/reference.json"
"""What the network answered on generated images where it was made, for `dicomnode models tune` to compare with."""

_UNCOUNTED = (EVALUATION, TUNING, REFERENCE)
_BLOCK = 1 << 20


def bundle_digest(path: Path) -> str:
    """Hex SHA-256 over the names and bytes of every file of the bundle, in the order of their names.

    `EVALUATION`, `TUNING` and `REFERENCE` do not count.

    A ``<name>.node.toml`` beside the folder counts as part of it, as it decides what the model answers.

    Raises:
        BundleError: The folder is missing or holds a symbolic link, whose target could change unseen.
    """
    if not path.is_dir():
        raise BundleError(f"bundle {path} is not a folder; name the folder that holds configs/metadata.json")
    digest = hashlib.sha256()
    for name, file in sorted(_files(path)):
        digest.update(f"{len(name.encode())}:{name}:{file.stat().st_size}:".encode())
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def node_file(path: Path) -> Path:
    """Where the node metadata of a bundle from elsewhere stands: ``<name>.node.toml`` beside the folder."""
    return path.parent / f"{path.name}.node.toml"


def _files(path: Path) -> list[tuple[str, Path]]:
    files = []
    for file in path.rglob("*"):
        if file.is_symlink():
            raise BundleError(
                f"bundle {path.name}: {file.relative_to(path)} is a symbolic link; put the file itself there"
            )
        name = file.relative_to(path).as_posix()
        if file.is_file() and name not in _UNCOUNTED:
            files.append((name, file))
    beside = node_file(path)
    if beside.is_file():
        files.append((f"../{beside.name}", beside))
    return files
