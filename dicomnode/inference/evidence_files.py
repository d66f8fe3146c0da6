"""The documents of a result as files in a folder, each judged by the gate before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.errors import GateError
from dicomnode.evidence import EvidenceObject, NodeIdentity, build_evidence, check, to_bytes
from dicomnode.evidence.sources import read_headers
from dicomnode.findings import Result


def write_evidence(result: Result, sources: Sequence[Path], folder: Path, node: NodeIdentity) -> tuple[Path, ...]:
    """Write ``answer.dcm``, ``text.dcm`` and what else there is: ``lesions.dcm``, ``heat-map.dcm``, ``heat-map-2.dcm``.

    Args:
        result: What the model said of the study.
        sources: Files of the instances it was asked about.
        folder: An existing folder.
        node: Who writes them.

    Raises:
        InputError: The sources cannot be read.
        GateError: A document failed the gate's checks; the documents before it are written.
    """
    headers = read_headers(sources)
    objects = build_evidence(result, sources, {}, node, headers)
    return tuple(_write(item, objects, headers, folder) for item in objects)


def _write(item: EvidenceObject, objects: Sequence[EvidenceObject], headers: Sequence[Dataset], folder: Path) -> Path:
    known = {str(header.get("SOPInstanceUID", "")) for header in headers}
    companions = [other.dataset for other in objects if other is not item]
    problems = check(item.dataset, headers, known.__contains__, companions)
    if problems:
        raise GateError(tuple(f"{item.kind}: {problem}" for problem in problems))
    path = folder / f"{item.kind}.dcm"
    path.write_bytes(to_bytes(item.dataset))
    return path
