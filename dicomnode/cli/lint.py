"""`dicomnode lint PATH...`: the gate, as a command, for the node's objects and for those of others."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomnode.errors import UsageError, describe


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one file.

    Attributes:
        path: The file.
        problems: One sentence for each failed check; empty means it passes.
        unchecked: What was not looked at.
    """

    path: Path
    problems: tuple[str, ...]
    unchecked: tuple[str, ...]


# What `dicomnode predict` and `dicomnode demo` write beside the documents.
_COMPANIONS = {".json", ".png", ".jpg"}


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser("lint", help="check evidence objects as the gate does")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="DICOM file, or folder of them")
    parser.add_argument(
        "--source",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="file or folder of the source study: identity, outlines and references are checked against it",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check every file and print a verdict on each; 1 if any has a problem."""
    verdicts = lint(_files(arguments.paths), _files(arguments.source))
    if not verdicts:
        raise UsageError("no file in the given folders; name DICOM files or folders that hold some")
    print(_as_json(verdicts) if arguments.json else "\n".join(map(_as_text, verdicts)))
    return int(any(verdict.problems for verdict in verdicts))


def lint(paths: Sequence[Path], source_paths: Sequence[Path]) -> list[Verdict]:
    """Check files against the gate.

    Args:
        paths: The files to check; they are taken for documents of one result where they fit together.
        source_paths: Files of the source study.

    Raises:
        UsageError: A source file is not DICOM.
    """
    from pydicom.errors import InvalidDicomError

    from dicomnode.evidence import examine

    sources = [_read(path) for path in source_paths if _is_dicom(path)]
    if source_paths and not sources:
        raise UsageError(f"--source {source_paths[0]}: no DICOM file there; name the study that was analysed")
    verdicts, datasets = [], {}
    for path in paths:
        try:
            datasets[path] = _read(path)
        except (InvalidDicomError, EOFError, ValueError, NotImplementedError) as error:
            verdicts.append(Verdict(path, (f"not a readable DICOM file: {error}",), ()))
    for path, dataset in datasets.items():
        try:
            examination = examine(dataset, _of_study(dataset, sources), list(datasets.values()))
        except (AttributeError, IndexError, KeyError, NotImplementedError, TypeError, ValueError) as error:
            verdicts.append(Verdict(path, (f"malformed beyond examination: {describe(error)}",), ()))
        else:
            verdicts.append(Verdict(path, examination.problems, examination.unchecked))
    return sorted(verdicts, key=lambda verdict: verdict.path)


def _read(path: Path) -> Any:
    """A data set; only a segmentation or secondary capture, whose pixels are required, with its pixels."""
    from pydicom import dcmread
    from pydicom.uid import SecondaryCaptureImageStorage

    header = dcmread(path, stop_before_pixels=True)
    with_pixels = header.get("Modality") == "SEG" or header.get("SOPClassUID") == SecondaryCaptureImageStorage
    return dcmread(path) if with_pixels else header


def _of_study(dataset: Any, sources: Iterable[Any]) -> list[Any]:
    return [source for source in sources if source.get("StudyInstanceUID") == dataset.get("StudyInstanceUID")]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist; name a DICOM file or a folder")
        found += sorted(_candidates(path)) if path.is_dir() else [path]
    return found


def _candidates(folder: Path) -> Iterable[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() not in _COMPANIONS)


def _as_text(verdict: Verdict) -> str:
    word = "pass" if not verdict.problems else f"{len(verdict.problems)} problem(s)"
    lines = [f"{verdict.path}: {word}", *(f"  - {problem}" for problem in verdict.problems)]
    lines += [f"  not checked: {what}" for what in verdict.unchecked]
    return "\n".join(lines)


def _as_json(verdicts: Iterable[Verdict]) -> str:
    rows = [
        {"path": str(v.path), "passes": not v.problems, "problems": list(v.problems), "unchecked": list(v.unchecked)}
        for v in verdicts
    ]
    return json.dumps(rows, indent=2)
