"""The package's bytes, from a registry or a file, into a file beside where it will lie, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import requests

from dicomnode.errors import ViewerError
from dicomnode.web.viewer.package import INTEGRITY, NAME, VERSION, Digest, tarball_address

Told = Callable[[str, int, int | None], None]
"""Called with what is done, how much of it, and how much there is; None where that is unknown."""

_LARGEST = 128 * 1024**2  # the package has 48 MiB
_PIECE = 1 << 18
_WAIT_SECONDS = 60.0


def fetch(registry: str, into: Path, told: Told) -> None:
    """Download the package.

    Raises:
        ViewerError: The registry does not answer with it, or it is another one.
    """
    address = tarball_address(registry)
    try:
        # identity: the length that is told is that of the tarball, which is compressed already
        headers = {"Accept-Encoding": "identity"}
        with requests.get(address, headers=headers, stream=True, timeout=_WAIT_SECONDS) as answer:
            if answer.status_code != requests.codes.ok:
                raise ViewerError(
                    f"{address} answered {answer.status_code} {answer.reason}: name another registry with --registry, "
                    f"or get the file elsewhere (npm pack {NAME}@{VERSION}) and give it with --from"
                )
            length = answer.headers.get("content-length", "")
            total = int(length) if length.isdecimal() else None
            _keep(answer.iter_content(_PIECE), into, address, lambda done: told("fetching", done, total))
    except (requests.RequestException, OSError) as error:
        raise ViewerError(
            f"{address} cannot be fetched: {type(error).__name__}: get the file where the network allows it "
            f"(npm pack {NAME}@{VERSION}) and give it with --from"
        ) from error


def copy(source: Path, into: Path, told: Told) -> None:
    """Take the package from a file.

    Raises:
        ViewerError: The file cannot be read, or is another package.
    """
    with ExitStack() as opened:
        try:
            file = opened.enter_context(source.open("rb"))
            total = source.stat().st_size
        except OSError as error:
            raise ViewerError(f"{source} cannot be read: {error.strerror}") from error
        _keep(_pieces(file), into, str(source), lambda done: told("reading", done, total))


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _keep(pieces: Iterator[bytes], into: Path, where: str, told: Callable[[int], None]) -> None:
    digest, done = Digest(), 0
    with into.open("wb") as file:
        for piece in pieces:
            done += len(piece)
            if done > _LARGEST:
                raise ViewerError(f"{where} is larger than {NAME} {VERSION} can be: it is not that package")
            digest.update(piece)
            file.write(piece)
            told(done)
    if digest.integrity != INTEGRITY:
        raise ViewerError(
            f"{where} is not {NAME} {VERSION} as it was published: its digest is {digest.integrity}, "
            f"{INTEGRITY} was expected. Nothing was installed; fetch it again, or from another place"
        )
