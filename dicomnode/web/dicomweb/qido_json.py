"""What QIDO-RS tells of a match (PS3.18 10.6.3.3): from the index, and what else is asked for from one header."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from dicomnode.archive.archive import Archive
from dicomnode.archive.records import InstanceRecord, SeriesRecord, StudyRecord
from dicomnode.study import Instance
from dicomnode.web.dicomweb.addresses import address
from dicomnode.web.dicomweb.dicomjson import JsonDataset, attribute, merged, sequence
from dicomnode.web.dicomweb.files import header_attributes, metadata
from dicomnode.web.dicomweb.qido_query import Included


class Told:
    """Matches of one request as DICOM JSON; what many of them share is made once."""

    def __init__(self, request: Request, archive: Archive, included: Included) -> None:
        self._request = request
        self._archive = archive
        self._included = included
        self._studies: dict[str, JsonDataset] = {}
        self._series: dict[tuple[str, str], JsonDataset] = {}

    def study(self, record: StudyRecord) -> JsonDataset:
        """A study, and what was asked for of it."""
        plain = self._study(record)
        return self._with_header(plain, self._included.of_study(), lambda: self._any_of(record.study_instance_uid))

    def series(self, record: SeriesRecord) -> JsonDataset:
        """A series with its study."""
        uids = (record.study.study_instance_uid, record.series_instance_uid)
        return self._with_header(self._one_series(record), self._included.of_series(), lambda: self._any_of(*uids))

    def instance(self, record: InstanceRecord) -> JsonDataset:
        """An instance with its series and study."""
        instance = record.instance
        uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
        url = address(self._request, *uids)
        plain = merged(
            self._one_series(record.series),
            attribute("SOPClassUID", instance.sop_class_uid),
            attribute("SOPInstanceUID", instance.sop_instance_uid),
            attribute("AvailableTransferSyntaxUID", instance.transfer_syntax_uid),
            attribute("RetrieveURL", url),
            attribute("InstanceNumber", instance.instance_number),
            _size(record),
        )
        if self._included.everything:
            return merged(metadata(instance.path, f"{url}/bulkdata"), plain)
        return self._with_header(plain, self._included.tags, lambda: instance)

    def _study(self, record: StudyRecord) -> JsonDataset:
        uid = record.study_instance_uid
        if uid not in self._studies:
            self._studies[uid] = merged(study_attributes(record), attribute("RetrieveURL", address(self._request, uid)))
        return self._studies[uid]

    def _one_series(self, record: SeriesRecord) -> JsonDataset:
        uids = (record.study.study_instance_uid, record.series_instance_uid)
        if uids not in self._series:
            url = attribute("RetrieveURL", address(self._request, *uids))
            self._series[uids] = merged(self._study(record.study), series_attributes(record), url)
        return self._series[uids]

    def _any_of(self, study_uid: str, series_uid: str = "") -> Instance | None:
        return self._archive.studies.any_of(study_uid, series_uid)

    def _with_header(
        self, plain: JsonDataset, wanted: frozenset[str], find: Callable[[], Instance | None]
    ) -> JsonDataset:
        """What is known, and what is wanted besides from an instance's header."""
        missing = wanted - plain.keys()
        instance = find() if missing else None
        if instance is None:
            return plain
        uids = (instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid)
        bulk = f"{address(self._request, *uids)}/bulkdata"
        return merged(header_attributes(instance.path, missing, bulk), plain)


def study_attributes(record: StudyRecord) -> JsonDataset:
    """Attributes of PS3.18 Table 10.6.3-3."""
    known = record.attributes
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
        attribute("PatientName", known.patient_name),
        attribute("PatientID", known.patient_id),
        attribute("IssuerOfPatientID", known.issuer_of_patient_id),
        attribute("PatientBirthDate", known.patient_birth_date),
        attribute("PatientSex", known.patient_sex),
        attribute("StudyInstanceUID", record.study_instance_uid),
        attribute("StudyID", known.study_id),
        attribute("NumberOfStudyRelatedSeries", record.number_of_series),
        attribute("NumberOfStudyRelatedInstances", record.number_of_instances),
    )


def series_attributes(record: SeriesRecord) -> JsonDataset:
    """Attributes of PS3.18 Table 10.6.3-4."""
    return merged(
        attribute("Modality", record.modality),
        attribute("SeriesDescription", record.series_description),
        attribute("ManufacturerModelName", record.manufacturer_model_name),
        attribute("BodyPartExamined", record.body_part_examined),
        attribute("SeriesInstanceUID", record.series_instance_uid),
        attribute("SeriesNumber", record.series_number),
        attribute("NumberOfSeriesRelatedInstances", record.number_of_instances),
        _performed(record),
    )


def _performed(record: SeriesRecord) -> JsonDataset:
    start = {
        "PerformedProcedureStepStartDate": record.performed_procedure_step_start_date,
        "PerformedProcedureStepStartTime": record.performed_procedure_step_start_time,
    }
    requested = {
        "ScheduledProcedureStepID": record.scheduled_procedure_step_id,
        "RequestedProcedureID": record.requested_procedure_id,
    }
    item = merged(*(attribute(keyword, value) for keyword, value in requested.items() if value))
    return merged(
        *(attribute(keyword, value) for keyword, value in start.items() if value),
        sequence("RequestAttributesSequence", item) if item else {},
    )


def _size(record: InstanceRecord) -> JsonDataset:
    if record.rows is None or record.columns is None:
        return {}
    return merged(
        attribute("NumberOfFrames", record.instance.number_of_frames),
        attribute("Rows", record.rows),
        attribute("Columns", record.columns),
    )
