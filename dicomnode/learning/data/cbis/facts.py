"""What is remembered of a file of CBIS-DDSM: enough to tell a mask from a crop without opening either again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicomnode.dicom.header import read_header
from dicomnode.errors import InputError
from dicomnode.learning.data.samples import Box
from dicomnode.learning.data.shapes import bright, mask_box, read_grey

CACHE_FILE = "cbis_ddsm_masks.json"
_FORM = 1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A DICOM file.

    Attributes:
        rows: Height in pixels; 0 if the file cannot be read.
        columns: Width in pixels.
        series_instance_uid: Of its header.
        two_valued: Whether its pixels have at most two values, as a mask's.
        box: xyxy around what is brighter than the middle of its values, in its own pixels; None if all are alike.
    """

    rows: int
    columns: int
    series_instance_uid: str = ""
    two_valued: bool = False
    box: Box | None = None


NOTHING = FileFacts(0, 0)


def header_facts(path: Path) -> FileFacts:
    """What the header alone tells."""
    try:
        header = read_header(path)
    except (InputError, OSError):
        return NOTHING
    return FileFacts(header.rows or 0, header.columns or 0, header.series_instance_uid)


def mask_facts(folder: Path, paths: Iterable[Path]) -> dict[Path, FileFacts]:
    """Header and values of files that are masks or crops, several decoded at a time.

    What was found is kept in ``cbis_ddsm_masks.json`` in the folder, if that can be written to: the masks of the whole
    set are tens of gigabytes. A file that has changed since is read again.
    """
    paths = list(dict.fromkeys(paths))
    kept = _kept(folder)
    marks = {path: _mark(folder, path) for path in paths}
    missing = [path for path in paths if marks[path] not in kept]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        read = dict(zip(missing, threads.map(_read, missing), strict=True))
    if missing:
        _keep(folder, {**kept} | {marks[path]: facts for path, facts in read.items()})
    return {path: read[path] if path in read else kept[marks[path]] for path in paths}


def _read(path: Path) -> FileFacts:
    header = header_facts(path)
    try:
        values = read_grey(path)
    except (InputError, OSError):
        return NOTHING
    two_valued = bool(((values == values.min()) | (values == values.max())).all())
    return FileFacts(values.shape[0], values.shape[1], header.series_instance_uid, two_valued, mask_box(bright(values)))


def _mark(folder: Path, path: Path) -> str:
    state = path.stat()
    return f"{path.relative_to(folder).as_posix()} {state.st_size} {state.st_mtime_ns}"


def _kept(folder: Path) -> Mapping[str, FileFacts]:
    try:
        content: dict[str, Any] = json.loads((folder / CACHE_FILE).read_text(encoding="utf-8"))
        if content.get("form") != _FORM:
            return {}
        return {mark: _facts(values) for mark, values in content["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # there is none, or it is damaged: the masks say it all again


def _facts(values: dict[str, Any]) -> FileFacts:
    box = values.pop("box")
    return FileFacts(**values, box=None if box is None else (box[0], box[1], box[2], box[3]))


def _keep(folder: Path, facts: Mapping[str, FileFacts]) -> None:
    content = {"form": _FORM, "files": {mark: asdict(found) for mark, found in facts.items()}}
    part = folder / f"{CACHE_FILE}.{os.getpid()}.part"
    try:
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(folder / CACHE_FILE)
    except OSError:
        part.unlink(missing_ok=True)  # a folder that is only for reading is read anew each time
