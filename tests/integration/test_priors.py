"""Earlier studies found and fetched in a real PACS, by DICOMweb and by DIMSE."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from dicomnode.archive.records import JobKind, NewJob
from dicomnode.bundles.metadata import Priors
from dicomnode.intake.priors import PriorFetching
from dicomnode.peers.pacs import open_pacs
from dicomnode.settings import PacsSettings
from tests.archives import complete, make_file, open_archive, put
from tests.peers_fixtures import Orthanc

pytestmark = pytest.mark.orthanc
PATIENT = {"PatientID": "P*1", "IssuerOfPatientID": "WARD", "BodyPartExamined": "BRAIN"}


def test_the_newest_earlier_study_of_the_same_patient_is_fetched(orthanc: Orthanc, tmp_path: Path) -> None:
    held = (
        ("1.1", {"StudyDate": "20250101"}),
        ("1.2", {"StudyDate": "20250301"}),
        ("1.3", {"StudyDate": "20250401", "PatientID": "PX1"}),  # whom the wild card of P*1 would match
        ("1.4", {"StudyDate": "20250501", "IssuerOfPatientID": "OTHER"}),
        ("1.5", {"StudyDate": "20270101"}),
    )
    for study, given in held:
        path = tmp_path / f"{study}.dcm"
        path.write_bytes(make_file(f"{study}.1", study, **(PATIENT | given)))
        orthanc.upload(path)
    dimse = {"ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.port}
    for number, place in enumerate(({"url": orthanc.dicom_web_url}, dimse)):
        settings = PacsSettings.model_validate({"name": "archive", **place})
        with open_archive(tmp_path / f"data{number}") as archive:
            put(archive, make_file("9.1", "9", StudyDate="20260101", **PATIENT))
            job = NewJob("small", "d" * 64, JobKind.INFER, "fits", ("9.9",), (), False, awaits_priors=True)
            archive.jobs.add_all("9", complete(archive, "9"), [job], [], datetime.now(UTC))
            PriorFetching(
                archive,
                [settings],
                partial(open_pacs, calling_ae_title="DICOMNODE"),
                lambda _: Priors(required=True),
                lambda: datetime.now(UTC),
                patience_seconds=60,
            ).step(threading.Event())
            assert archive.priors.of("9", "small") == ("1.2",)
            assert archive.priors.came_as_prior("1.2", ())
            assert not archive.priors.came_as_prior("9", ())
