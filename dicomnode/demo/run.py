"""The demo: a drawn study through the node into a second PACS, and its answer back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.archive import Archive
from dicomnode.archive.records import DeploymentState, TraceEntry
from dicomnode.bundles import BrokenBundle, Bundle, list_bundles
from dicomnode.delivery.cstore import CStoreSender
from dicomnode.delivery.document import Document
from dicomnode.demo import configuration
from dicomnode.demo.collecting import Fetched, fetch_evidence
from dicomnode.demo.ct import make_ct
from dicomnode.demo.folder import DemoFolder
from dicomnode.demo.narration import Narrator
from dicomnode.demo.phantom import draw_phantom
from dicomnode.demo.processes import System
from dicomnode.demo.report import write_pictures, write_report
from dicomnode.demo.study import make_study, write_study
from dicomnode.demo.waiting import wait_for_answers
from dicomnode.errors import BundleError, DicomNodeError
from dicomnode.peers.association import DimsePeer
from dicomnode.peers.dicomweb import DicomWebPeer
from dicomnode.settings import load_settings

DEMO_MODELS = ("brain_mri_lesion_detector", "brain_mri_tumor_classifier")
_LOCALHOST = "127.0.0.1"
# Far more than an idle machine needs: a busy one is slow, not broken.
_START_SECONDS, _SEND_SECONDS, _ANSWER_SECONDS = 180.0, 60.0, 300.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a demo ended with.

    Attributes:
        study_instance_uid: The drawn study.
        fetched: SR and SEG as the second PACS gave them.
        pictures: Overlay pictures, the overview first.
        addresses: What to look at, with a word each.
        pacs_listener: Process ID of what listens to C-STORE at the second PACS.
    """

    study_instance_uid: str
    fetched: tuple[Fetched, ...]
    pictures: tuple[Path, ...]
    addresses: tuple[tuple[str, str], ...]
    pacs_listener: int


def run_demo(
    folder: DemoFolder, models: Path, narrator: Narrator, finished: Callable[[DemoResult], None]
) -> DemoResult:
    """Run the whole loop; node and PACS end with it.

    Args:
        folder: Where everything is written.
        models: Folder with the bundles of `DEMO_MODELS`.
        narrator: Told what happens.
        finished: Called with the result while both systems still run.

    Raises:
        BundleError: A model is missing or broken.
        DicomNodeError: A process ended, a model failed, or the answer did not arrive.
    """
    bundles = demo_bundles(models)
    with ExitStack() as running:
        pacs = running.enter_context(_system(folder, configuration.PACS, configuration.write_pacs_settings(folder)))
        pacs_at = _ports(pacs, configuration.PACS_AE_TITLE, narrator)
        settings = configuration.write_node_settings(folder, models, pacs_at.dicom, pacs_at.web)
        _approve(settings, bundles)
        node = running.enter_context(_system(folder, configuration.NODE, settings))
        images, others = _draw(folder, narrator)
        _send(folder, images, pacs_at, narrator)
        node_at = _ports(node, configuration.NODE_AE_TITLE, narrator)
        _send(folder, images, node_at, narrator)
        _wait(settings, images[0].StudyInstanceUID, narrator, (node, pacs))
        _send(folder, others, node_at, narrator)
        _wait(settings, others[0].StudyInstanceUID, narrator, (node, pacs))
        result = _collect(folder, images, others, node_at, pacs_at)
        narrator.say(f"fetched {len(result.fetched)} objects from the second PACS by QIDO-RS and WADO-RS")
        finished(result)
    return result


def demo_bundles(models: Path) -> list[Bundle]:
    """The bundles in a folder, which must include those of the demo.

    Raises:
        BundleError: One of `DEMO_MODELS` is missing or broken; says what to do.
    """
    found = {bundle.name: bundle for bundle in list_bundles(models)}
    for name in DEMO_MODELS:
        bundle = found.get(name)
        if bundle is None:
            raise BundleError(
                f"{models} holds no bundle {name}: get the repository with its models folder, train it"
                f" (dicomnode train training/{name}.yaml), or name another folder with --models"
            )
        if isinstance(bundle, BrokenBundle):
            raise BundleError(f"bundle {name} in {models} cannot be used: {bundle.problem}")
    return [bundle for bundle in found.values() if isinstance(bundle, Bundle)]


@dataclass(frozen=True, slots=True)
class _Ports:
    ae_title: str
    dicom: int
    web: int
    listener: int


def _system(folder: DemoFolder, name: str, settings: Path) -> System:
    roles = configuration.PACS_ROLES if name == configuration.PACS else configuration.NODE_ROLES
    return System(name, settings, folder.data(name), roles, folder.log(name))


def _ports(system: System, ae_title: str, narrator: Narrator) -> _Ports:
    with narrator.working(f"{ae_title} starts"):
        ready = system.wait_ready(_START_SECONDS)
    ports = _Ports(ae_title, ready["receive"].port or 0, ready["web"].port or 0, ready["receive"].pid)
    narrator.say(f"{ae_title} runs: DICOM on port {ports.dicom}, DICOMweb and pages, without login, on {ports.web}")
    return ports


def _approve(settings: Path, bundles: Sequence[Bundle]) -> None:
    """The demo's user stands in for the administrator who looks at each bundle before it may run."""
    with Archive.open(load_settings(settings)) as archive:
        for bundle in bundles:
            archive.deployments.approve(bundle.name, bundle.digest, DeploymentState.LIVE, datetime.now(UTC))


def _draw(folder: DemoFolder, narrator: Narrator) -> tuple[tuple[Dataset, ...], tuple[Dataset, ...]]:
    created = datetime.now().astimezone()
    with narrator.working("drawing a brain MR study"):
        images = make_study(draw_phantom(), created)
    narrator.say(f"drew a brain MR study of {len(images)} slices with one lesion; no model was trained on such")
    return images, make_ct(images, created)


def _send(folder: DemoFolder, images: Sequence[Dataset], to: _Ports, narrator: Narrator) -> None:
    documents = [
        Document(path, image.SOPClassUID, image.SOPInstanceUID, image.file_meta.TransferSyntaxUID)
        for path, image in zip(write_study(images, folder.study), images, strict=True)
    ]
    peer = DimsePeer(_LOCALHOST, to.dicom, to.ae_title, configuration.MODALITY_AE_TITLE, _SEND_SECONDS)
    for _, outcome in CStoreSender(peer).send(documents):
        if not outcome.arrived:
            raise DicomNodeError(f"{to.ae_title} did not take the study: {outcome.status}")
    narrator.say(f"sent {len(documents)} {images[0].Modality} instances to {to.ae_title} by C-STORE")


def _wait(settings: Path, study_uid: str, narrator: Narrator, systems: Sequence[System]) -> None:
    def tell(entry: TraceEntry) -> None:
        narrator.say(f"  {entry.event}: {entry.model_name + ': ' if entry.model_name else ''}{entry.text}")

    def check() -> None:
        for system in systems:
            system.check()

    with Archive.open(load_settings(settings)) as archive, narrator.working("waiting for the answers"):
        wait_for_answers(archive, study_uid, _ANSWER_SECONDS, tell, check)


def _collect(
    folder: DemoFolder, images: Sequence[Dataset], others: Sequence[Dataset], node: _Ports, pacs: _Ports
) -> DemoResult:
    study_uid = str(images[0].StudyInstanceUID)
    service = f"http://{_LOCALHOST}:{pacs.web}/dicom-web"
    with DicomWebPeer(service) as peer:
        fetched = fetch_evidence(peer, study_uid, folder.evidence)
    write_report(fetched, folder.report)
    pictures = write_pictures(images, fetched, folder.pictures)
    pages = f"http://{_LOCALHOST}:{node.web}"
    addresses = (
        ("the node's pages", pages),
        ("its page of the study", f"{pages}/studies/{study_uid}"),
        ("it in the viewer (`dicomnode viewer install`)", f"{pages}/studies/{study_uid}/viewer"),
        ("why the CT was not processed", f"{pages}/studies/{others[0].StudyInstanceUID}"),
        ("the second PACS, QIDO-RS", f"{service}/studies/{study_uid}/series"),
        ("the second PACS, its page", f"http://{_LOCALHOST}:{pacs.web}/"),
    )
    return DemoResult(study_uid, tuple(fetched), pictures, addresses, pacs.listener)
