"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from dicomnode.archive.records import InstanceRecord, QidoQuery, SeriesRecord, StudyRecord
from dicomnode.errors import UsageError
from dicomnode.web.auditing import note_query
from dicomnode.web.dicomweb.addresses import SERIES, SERVICE, STUDY, ArchiveOf, address, check_uids
from dicomnode.web.dicomweb.dicomjson import JsonDataset, attribute, keyword_or_tag, merged
from dicomnode.web.dicomweb.files import header_attributes
from dicomnode.web.dicomweb.media import DICOM_JSON, require_json

_CONTROLS = frozenset({"limit", "offset", "includefield", "fuzzymatching", "accept", "charset"})
_FUZZY = '299 dicomnode "The fuzzymatching parameter is not supported. Only literal matching has been performed."'


def add_search_routes(router: APIRouter) -> None:
    """The six search resources of PS3.18 Table 10.6.1-1."""
    router.add_api_route(f"{SERVICE}/studies", search_studies, methods=["GET"])
    router.add_api_route(f"{SERVICE}/series", search_series, methods=["GET"])
    router.add_api_route(f"{SERVICE}/instances", search_instances, methods=["GET"])
    router.add_api_route(f"{STUDY}/series", search_series, methods=["GET"])
    router.add_api_route(f"{STUDY}/instances", search_instances, methods=["GET"])
    router.add_api_route(f"{SERIES}/instances", search_instances, methods=["GET"])


def search_studies(request: Request, archive: ArchiveOf) -> Response:
    """All studies that match."""
    require_json(request)
    note_query(request, archive, "studies")
    found = archive.studies.search_studies(read_query(request))
    return _answer(request, [study_json(request, record) for record in found])


def search_series(request: Request, archive: ArchiveOf, study_uid: str = "") -> Response:
    """All series that match, of one study or of all."""
    require_json(request)
    note_query(request, archive, "series")
    found = archive.studies.search_series(read_query(request, StudyInstanceUID=study_uid))
    return _answer(request, [series_json(request, record) for record in found])


def search_instances(request: Request, archive: ArchiveOf, study_uid: str = "", series_uid: str = "") -> Response:
    """All instances that match, of one series, one study or of all."""
    require_json(request)
    note_query(request, archive, "instances")
    query = read_query(request, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
    found = archive.studies.search_instances(query)
    return _answer(request, [instance_json(request, record, query.includefield) for record in found])


def read_query(request: Request, **path: str) -> QidoQuery:
    """Read the query parameters (PS3.18 8.3.4).

    Args:
        request: Its parameters name attributes by keyword or tag.
        path: UIDs that the address fixes, by keyword; an empty one fixes nothing.

    Raises:
        UsageError: An attribute is unknown, or a number is none.
    """
    fixed = [(keyword, uid) for keyword, uid in path.items() if uid]
    check_uids(*(uid for _, uid in fixed))
    parameters = request.query_params.multi_items()
    match = [(_keyword(name), value) for name, value in parameters if name.lower() not in _CONTROLS]
    included = [name for value in request.query_params.getlist("includefield") for name in value.split(",") if name]
    return QidoQuery(
        match=(*fixed, *match),
        limit=_whole_number(request, "limit"),
        offset=_whole_number(request, "offset") or 0,
        includefield=tuple("all" if name == "all" else _keyword(name) for name in included),
    )


def study_json(request: Request, record: StudyRecord) -> JsonDataset:
    """Attributes of PS3.18 Table 10.6.3-3."""
    known, uid = record.attributes, record.study_instance_uid
    return merged(
        attribute("SpecificCharacterSet", "ISO_IR 192"),
        attribute("StudyDate", known.study_date),
        attribute("StudyTime", known.study_time),
        attribute("AccessionNumber", known.accession_number),
        attribute("InstanceAvailability", "ONLINE"),
        attribute("ModalitiesInStudy", record.modalities),
        attribute("SOPClassesInStudy", record.sop_classes),
        attribute("ReferringPhysicianName", known.referring_physician_name),
        attribute("StudyDescription", known.study_description),
        attribute("RetrieveURL", address(request, uid)),
        attribute("PatientName", known.patient_name),
        attribute("PatientID", known.patient_id),
        attribute("IssuerOfPatientID", known.issuer_of_patient_id),
        attribute("PatientBirthDate", known.patient_birth_date),
        attribute("PatientSex", known.patient_sex),
        attribute("StudyInstanceUID", uid),
        attribute("StudyID", known.study_id),
        attribute("NumberOfStudyRelatedSeries", record.number_of_series),
        attribute("NumberOfStudyRelatedInstances", record.number_of_instances),
    )


def series_json(request: Request, record: SeriesRecord) -> JsonDataset:
    """Attributes of PS3.18 Table 10.6.3-4, and those of the study."""
    study_uid = record.study.study_instance_uid
    return merged(
        study_json(request, record.study),
        attribute("Modality", record.modality),
        attribute("SeriesDescription", record.series_description),
        attribute("ManufacturerModelName", record.manufacturer_model_name),
        attribute("BodyPartExamined", record.body_part_examined),
        attribute("RetrieveURL", address(request, study_uid, record.series_instance_uid)),
        attribute("SeriesInstanceUID", record.series_instance_uid),
        attribute("SeriesNumber", record.series_number),
        attribute("NumberOfSeriesRelatedInstances", record.number_of_instances),
    )


def instance_json(request: Request, record: InstanceRecord, included: Sequence[str] = ()) -> JsonDataset:
    """Attributes of PS3.18 Table 10.6.3-5, those of series and study, and what else was asked for."""
    instance = record.instance
    url = address(request, instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
    asked = header_attributes(instance.path, included, f"{url}/bulkdata") if included else {}
    return merged(
        asked,
        series_json(request, record.series),
        attribute("SOPClassUID", instance.sop_class_uid),
        attribute("SOPInstanceUID", instance.sop_instance_uid),
        attribute("AvailableTransferSyntaxUID", instance.transfer_syntax_uid),
        attribute("RetrieveURL", url),
        attribute("InstanceNumber", instance.instance_number),
        _image_json(record),
    )


def _image_json(record: InstanceRecord) -> JsonDataset:
    if record.rows is None or record.columns is None:
        return {}
    return merged(
        attribute("NumberOfFrames", record.instance.number_of_frames),
        attribute("Rows", record.rows),
        attribute("Columns", record.columns),
    )


def _answer(request: Request, found: list[JsonDataset]) -> Response:
    fuzzy = request.query_params.get("fuzzymatching", "false").lower() == "true"
    return JSONResponse(found, headers={"Warning": _FUZZY} if fuzzy else {}, media_type=DICOM_JSON)


def _keyword(name: str) -> str:
    keyword = keyword_or_tag(name)
    if keyword is None:
        raise UsageError(f"{name!r} is neither a keyword of PS3.6 nor a tag of eight hexadecimal digits")
    return keyword


def _whole_number(request: Request, name: str) -> int | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise UsageError(f"{name} must be a whole number, not {value!r}")
    return int(value)
