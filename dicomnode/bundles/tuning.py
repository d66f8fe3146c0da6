"""How a bundle's network computes on a device: what ``dicomnode models tune`` measured, ``configs/tuning.json``.

The file says how fast each way is on a device, how far its answers are from those of plain float32, and which way was
chosen. It belongs to machines, not to the model, so it is no part of what an administrator approves: the same approved
bundle may be tuned on several machines that share one folder. What it can do is bounded by what *is* approved: the
limits of agreement stand in the bundle's metadata, are checked again whenever the file is read, and only the ways named
here exist. A tuning counts for the bundle digest, the device and the versions of the software that it names, and for
nothing else; where none counts, the network computes as it did before, in float32.

As a way changes scores within its limit, it is one of the settings that change evidence: it goes into the digest of the
input (`dicomnode.inference.analyse.digest_input`), and so into the SOP Instance UIDs of documents.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dicomnode.bundles.bundle import Bundle
from dicomnode.bundles.digest import TUNING
from dicomnode.bundles.metadata import Agreement, Text
from dicomnode.errors import BundleError

_CLOSED = ConfigDict(extra="forbid")
_MOST_BYTES = 1 << 20
_SOFTWARE = ("torch", "openvino")

Number = Annotated[float, Field(ge=0.0)]


class Way(StrEnum):
    """A way for a network to compute."""

    EAGER = "eager"  # float32, operation by operation: the reference
    CHANNELS_LAST = "channels-last"
    BFLOAT16 = "bfloat16"  # with channels last
    COMPILED = "compiled"  # torch.compile, with channels last
    COMPILED_BFLOAT16 = "compiled-bfloat16"
    OPENVINO = "openvino"
    OPENVINO_BFLOAT16 = "openvino-bfloat16"
    GRAPHS = "cuda-graphs"  # with channels last
    GRAPHS_BFLOAT16 = "cuda-graphs-bfloat16"

    @property
    def is_bfloat16(self) -> bool:
        """Whether it computes with eight bits of precision."""
        return self.value.endswith("bfloat16")


@dataclass(frozen=True, slots=True)
class TriedWay:
    """What a way did on a device.

    Attributes:
        images_per_second: Median over repetitions of full batches; 0 if it does not work here.
        slowest: Of the repetitions.
        fastest: Of the repetitions.
        start_seconds: Until its first answer.
        largest_difference: Of any score from that of plain float32, on the reference images.
        changed: Reference images whose class, or whose findings at the operating point, are others.
        problem: Why it does not work here; empty if it does.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    way: Way
    images_per_second: Number = 0.0
    slowest: Number = 0.0
    fastest: Number = 0.0
    start_seconds: Number = 0.0
    largest_difference: Number = 0.0
    changed: Annotated[int, Field(ge=0)] = 0
    problem: str = ""

    def why_not(self, limits: Agreement) -> str:
        """Why it must not be used; empty if it may."""
        limit = limits.bfloat16 if self.way.is_bfloat16 else limits.float32
        if self.problem:
            return self.problem
        if self.changed:
            return f"{self.changed} reference images get another class or other findings"
        if self.largest_difference > limit:
            return f"scores differ by up to {self.largest_difference:.2g}, more than {limit:g}"
        return ""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was measured of a bundle on one device.

    Attributes:
        bundle_digest: Of the bundle, hex.
        device: Make of the device.
        software: Versions of what computes, by name.
        batch_size: Images in a batch.
        references: How many reference images were compared.
        measured_on: The day.
        chosen: The way that is used.
        ways: Every way that was tried.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    bundle_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    device: Text
    software: dict[Text, Text]
    batch_size: Annotated[int, Field(ge=1)]
    references: Annotated[int, Field(ge=1)]
    measured_on: date
    chosen: Way
    ways: tuple[TriedWay, ...]


_FORM: TypeAdapter[tuple[Tuning, ...]] = TypeAdapter(tuple[Tuning, ...])


def software() -> dict[str, str]:
    """Versions of what computes, as far as it is installed."""
    found = {}
    for name in _SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_tunings(path: Path) -> tuple[Tuning, ...]:
    """What stands in a bundle, one entry for each device; empty if it was not tuned.

    Args:
        path: Folder of the bundle.

    Raises:
        BundleError: The file cannot be read or is not what it should be.
    """
    file = path / TUNING
    if not file.is_file():
        return ()
    try:
        with file.open("rb") as stream:
            return _FORM.validate_json(stream.read(_MOST_BYTES))
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise BundleError(f"bundle {path.name}: {TUNING}: {why}; 'dicomnode models tune' writes it anew") from None


def write_tuning(path: Path, tuning: Tuning) -> None:
    """Write what was measured on a device into a bundle, in place of what was measured there before."""
    others = [one for one in read_tunings(path) if one.device != tuning.device]
    values = _FORM.dump_python((*others, tuning), mode="json")
    partial = (path / TUNING).with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    partial.replace(path / TUNING)


def tuned_way(bundle: Bundle, device: str) -> tuple[Way, str]:
    """The way that a bundle's network is to compute on a device, and why it is not the tuned one.

    Args:
        bundle: The bundle.
        device: Make of the device.

    Returns:
        ``EAGER`` if nothing that was measured counts. The reason is empty unless a tuning for this device is not used.
    """
    try:
        tunings = [one for one in read_tunings(bundle.path) if one.device == device]
    except BundleError as error:
        return Way.EAGER, str(error)
    if not tunings:
        return Way.EAGER, ""
    reason = _why_not(tunings[0], bundle)
    return (Way.EAGER, reason) if reason else (tunings[0].chosen, "")


def _why_not(tuning: Tuning, bundle: Bundle) -> str:
    again = f"run 'dicomnode models tune {bundle.name}' again"
    if tuning.bundle_digest != bundle.digest:
        return f"bundle {bundle.name}: it changed since it was tuned; {again}"
    if tuning.software != software():
        return f"bundle {bundle.name}: torch or OpenVINO changed since it was tuned; {again}"
    tried = [one for one in tuning.ways if one.way is tuning.chosen]
    why = tried[0].why_not(bundle.node.agreement) if tried else "it was not measured"
    return f"bundle {bundle.name}: the way {tuning.chosen} is not used: {why}; {again}" if why else ""
