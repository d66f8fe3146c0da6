"""What PACS clients and the pages ask for, with values that are in the archive and some that are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import QidoQuery, SeriesRecord

_STUDIES, _SERIES = "/dicom-web/studies", "series"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to the web role.

    Attributes:
        path: Of the address.
        parameters: Of its query.
        accept: Media type.
    """

    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    accept: str = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Search:
    """A kind of request.

    Attributes:
        name: For the report.
        ask: Makes one, from the series of a study that is in the archive.
        of_studies: Whether it is a search for studies (PS3.18 10.6.1.1).
    """

    name: str
    ask: Callable[[SeriesRecord, np.random.Generator], Asked]
    of_studies: bool = True


def _studies(limit: int, *pairs: tuple[str, str], offset: int = 0) -> Asked:
    paging = (("limit", str(limit)), *((("offset", str(offset)),) if offset else ()))
    return Asked(_STUDIES, (*pairs, *paging))


def _by_patient(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return _studies(25, ("PatientID", one.study.attributes.patient_id))


def _by_name(one: SeriesRecord, random: np.random.Generator) -> Asked:
    letters = int(random.integers(2, 6))
    return _studies(100, ("PatientName", one.study.attributes.patient_name[:letters] + "*"))


def _by_part_of_name(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return _studies(25, ("PatientName", "*" + one.study.attributes.patient_name.partition("^")[2][1:] + "*"))


def _by_day(one: SeriesRecord, random: np.random.Generator) -> Asked:
    day = one.study.attributes.study_date
    return _studies(100, ("StudyDate", f"{day}-{int(day) + 7}"), offset=int(random.integers(3)) * 25)


def _by_accession_number(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return _studies(25, ("AccessionNumber", one.study.attributes.accession_number))


def _by_modality_and_date(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    year = one.study.attributes.study_date[:4]
    return _studies(50, ("ModalitiesInStudy", one.modality), ("StudyDate", f"{year}0101-{year}1231"))


def _by_modality(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return _studies(25, ("ModalitiesInStudy", one.modality))


def _by_uids(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    uid = one.study.study_instance_uid
    return _studies(100, ("StudyInstanceUID", ",".join([uid, *(f"{uid}.{number}" for number in range(49))])))


def _newest(_one: SeriesRecord, random: np.random.Generator) -> Asked:
    return _studies(100, offset=int(random.integers(10)) * 100)


def _by_description(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return _studies(50, ("StudyDescription", one.study.attributes.study_description))


def _fuzzy(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    given = one.study.attributes.patient_name.partition("^")[2]
    return _studies(25, ("PatientName", given[:4]), ("fuzzymatching", "true"))


def _nobody(_one: SeriesRecord, random: np.random.Generator) -> Asked:
    return _studies(25, ("PatientName", f"*{random.integers(10**6)}NOBODY*"))


def _series(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return Asked(f"{_STUDIES}/{one.study.study_instance_uid}/{_SERIES}")


def _instances(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return Asked(f"{_STUDIES}/{one.study.study_instance_uid}/{_SERIES}/{one.series_instance_uid}/instances")


def _overview(_one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return Asked("/", accept="text/html")


def _study_page(one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return Asked(f"/studies/{one.study.study_instance_uid}", accept="text/html")


def _metrics(_one: SeriesRecord, _random: np.random.Generator) -> Asked:
    return Asked("/metrics", accept="text/plain")


SEARCHES = (
    Search("studies by PatientID", _by_patient),
    Search("studies by PatientName, first letters", _by_name),
    Search("studies by PatientName, letters within", _by_part_of_name),
    Search("studies by PatientName, fuzzy", _fuzzy),
    Search("studies by PatientName, nobody's", _nobody),
    Search("studies by StudyDate, a week, paged", _by_day),
    Search("studies by AccessionNumber", _by_accession_number),
    Search("studies by ModalitiesInStudy", _by_modality),
    Search("studies by ModalitiesInStudy and year", _by_modality_and_date),
    Search("studies by StudyDescription", _by_description),
    Search("studies by a list of 50 UIDs", _by_uids),
    Search("the newest studies, paged", _newest),
    Search("series of a study", _series, of_studies=False),
    Search("instances of a series", _instances, of_studies=False),
    Search("page: overview", _overview, of_studies=False),
    Search("page: a study", _study_page, of_studies=False),
    Search("metrics", _metrics, of_studies=False),
)


def some_series(archive: Archive, random: np.random.Generator, most: int) -> list[SeriesRecord]:
    """Series of studies from all over the archive."""
    held = sum(archive.studies.counts().values())
    found: list[SeriesRecord] = []
    while len(found) < most:
        query = QidoQuery(limit=10, offset=int(random.integers(max(1, held - 10))))
        for study in archive.studies.search_studies(query):
            key = ("StudyInstanceUID", study.study_instance_uid)
            found.append(archive.studies.search_series(QidoQuery((key,), limit=1))[0])
    random.shuffle(found)
    return found
