"""What ``dicomnode models`` prints, as values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicomnode.bundles import BrokenBundle, Bundle, list_bundles, read_tunings
from dicomnode.cli.bundle_argument import find_bundle
from dicomnode.errors import DicomNodeError
from dicomnode.settings import Settings

if TYPE_CHECKING:
    from dicomnode.archive.records import Deployment

_WAITING = "waits for approval: `dicomnode models set {name} silent`"
_CHANGED = "changed since it was approved: `dicomnode models set {name} {state}` approves it as it is now"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A line of ``models list``.

    Attributes:
        name: Folder name.
        state: ``off``, ``silent`` or ``live``; ``waiting`` while the digest is not approved; ``broken``.
        version: Of the bundle.
        task: Classification, detection or exam.
        digest: Hex SHA-256.
        runs_code: Whether it holds ``$`` expressions.
        note: What to do, or empty.
        problem: Why it cannot be used, or empty.
    """

    name: str
    state: str
    version: str = ""
    task: str = ""
    digest: str = ""
    runs_code: bool = False
    note: str = ""
    problem: str = ""

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A line of ``models check``."""

    name: str
    passed: bool
    text: str

    def values(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def listed(settings: Settings) -> list[ListedModel]:
    """Every bundle in the models folder with its state."""
    deployments = {item.model_name: item for item in _deployments(settings)}
    return [_listed(item, deployments.get(item.name)) for item in list_bundles(settings.models.folder)]


def _deployments(settings: Settings) -> Sequence[Deployment]:
    if not settings.archive.database_url and not settings.node.data_dir.exists():
        return ()  # asking must not make a data folder
    from dicomnode.archive import Archive

    archive = Archive.open(settings)
    try:
        return archive.deployments.list()
    finally:
        archive.close()


def _listed(bundle: Bundle | BrokenBundle, deployment: Deployment | None) -> ListedModel:
    if isinstance(bundle, BrokenBundle):
        return ListedModel(bundle.name, "broken", problem=bundle.problem)
    state, note = "waiting", _WAITING.format(name=bundle.name)
    if deployment is not None and deployment.digest == bundle.digest:
        state, note = deployment.state.value, ""
    elif deployment is not None:
        note = _CHANGED.format(name=bundle.name, state=deployment.state.value)
    return ListedModel(
        bundle.name, state, bundle.version, bundle.node.task.value, bundle.digest, bundle.runs_code, note
    )


def bundle_values(bundle: Bundle) -> dict[str, Any]:
    """Everything that a bundle says of itself."""
    return {
        "name": bundle.name,
        "path": str(bundle.path),
        "version": bundle.version,
        "description": bundle.description,
        "digest": bundle.digest,
        "runs_code": bundle.runs_code,
        "targets": list(bundle.targets),
        "tuned": {one.device: one.chosen.value for one in read_tunings(bundle.path)},
        **asdict(bundle.node),
    }


def checked(names: Sequence[str], settings: Settings, device: str, allow_code: bool) -> Iterator[CheckedModel]:
    """Build each bundle and run it once on a generated image.

    Args:
        names: Names or folders; empty means every bundle in the models folder.
        settings: For the models folder.
        device: As in the settings.
        allow_code: Lets ``$`` expressions run.
    """
    for name in names or [item.name for item in list_bundles(settings.models.folder)]:
        try:
            yield _check(find_bundle(name, settings), device, allow_code)
        except DicomNodeError as error:
            yield CheckedModel(Path(name).name, False, f"failed: {error}")


def _check(bundle: Bundle, device: str, allow_code: bool) -> CheckedModel:
    from dicomnode.inference.devices import choose_device
    from dicomnode.inference.self_check import check_bundle

    chosen = choose_device(device)
    check = check_bundle(bundle, chosen, allow_code=allow_code)
    answer = check.prediction.answer
    what = "image" if bundle.node.exam is None else "exam"
    shape = f"{len(answer.classes)} class scores" if answer.classes else f"{len(check.prediction.findings)} regions"
    text = f"runs on {chosen}: loaded in {check.load_seconds:.1f} s, one {what} in {check.seconds:.2f} s, {shape}"
    return CheckedModel(bundle.name, True, text)
