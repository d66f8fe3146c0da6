"""The chain that one writes first: pynetdicom in, pydicom, the model slice by slice, highdicom, pynetdicom out.

It is here to be measured beside the node, hence written as in the libraries' own examples, without any part of the node
but the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts, evt

from dicomnode.learning.benchmarks.bare import BareModel

_AE_TITLE = "NAIVE"
_VERIFICATION = "1.2.840.10008.1.1"


class NaiveChain:
    """Answers each association that sent it images, on the thread of that association.

    Args:
        folder: Where received instances are written.
        models: By modality, fed with one image at a time.
        target_port: Where an Orthanc listens to C-STORE, on this machine.
        answered: Called with the Study Instance UID once Orthanc has taken the report.
    """

    def __init__(
        self, folder: Path, models: Mapping[str, BareModel], target_port: int, answered: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._models = models
        self._target_port = target_port
        self._answered = answered
        self._received: dict[object, list[Path]] = {}
        self._server: Any = None

    def start(self) -> int:
        """Listen on a free port, and return it."""
        entity = AE(_AE_TITLE)
        entity.supported_contexts = StoragePresentationContexts
        entity.add_supported_context(_VERIFICATION)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_RELEASED, self._released)]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        return int(self._server.socket.getsockname()[1])

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        path = self._folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        self._received.setdefault(event.assoc, []).append(path)
        return 0x0000

    def _released(self, event: Any) -> None:
        if paths := self._received.pop(event.assoc, []):
            images = [dcmread(path) for path in paths]
            model = self._models[images[0].Modality]
            # One image a pass: the model was built for batches of one
            scores = [model.scores([image.pixel_array], *_rescale(image))[0] for image in images]
            self._send(_report(images, max(scores)))
            for path in paths:
                path.unlink()
            self._answered(str(images[0].StudyInstanceUID))

    def _send(self, report: Dataset) -> None:
        entity = AE(_AE_TITLE)
        entity.add_requested_context(report.SOPClassUID, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", self._target_port, ae_title="ORTHANC")
        status = association.send_c_store(report)
        association.release()
        if "Status" not in status or status.Status != 0x0000:
            raise RuntimeError(f"Orthanc did not take the report: {status}")


def _rescale(image: Dataset) -> tuple[float, float]:
    return float(image.get("RescaleSlope", 1)), float(image.get("RescaleIntercept", 0))


def _report(images: Sequence[Dataset], score: float) -> Dataset:
    """A measurement report with the score (TID 1500), as highdicom's examples build one."""
    observer = hd.sr.DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="naive chain")
    context = hd.sr.ObservationContext(hd.sr.ObserverContext(codes.DCM.Device, observer))
    measured = hd.sr.Measurement(
        name=hd.sr.CodedConcept("111012", "DCM", "Certainty of Finding"), value=score * 100, unit=codes.UCUM.Percent
    )
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(hd.UID(), "finding"), measurements=[measured]
    )
    content = hd.sr.MeasurementReport(context, codes.cid7021.ImagingMeasurementReport, imaging_measurements=[group])
    report: Dataset = hd.sr.ComprehensiveSR(
        evidence=images,
        content=content[0],
        series_number=100,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="naive",
    )
    return report
