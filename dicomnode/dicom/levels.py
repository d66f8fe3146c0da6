"""Which attributes describe a study and which a series: alike in all their instances (PS3.3 A.1.2)."""

from __future__ import annotations

# Patient, General Study and Patient Study modules: PS3.3 C.7.1.1, C.7.2.1, C.7.2.2.
STUDY_LEVEL = frozenset(
    (
        *("PatientName", "PatientID", "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID"),
        *("OtherPatientIDs", "OtherPatientIDsSequence", "OtherPatientNames", "PatientBirthDate", "PatientBirthTime"),
        *("PatientBirthName", "PatientMotherBirthName", "PatientSex", "PatientSexNeutered", "EthnicGroup"),
        *("QualityControlSubject", "PatientComments", "PatientSpeciesDescription", "PatientSpeciesCodeSequence"),
        *("PatientBreedDescription", "PatientBreedCodeSequence", "ResponsiblePerson", "ResponsiblePersonRole"),
        *("ResponsibleOrganization", "PatientIdentityRemoved", "DeidentificationMethod"),
        "DeidentificationMethodCodeSequence",
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
        *("IssuerOfAccessionNumberSequence", "ReferringPhysicianName", "ReferringPhysicianIdentificationSequence"),
        *("ConsultingPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy"),
        *("RequestingService", "ReferencedStudySequence", "ProcedureCodeSequence"),
        *("ReasonForPerformedProcedureCodeSequence", "TimezoneOffsetFromUTC"),
        *("AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "PatientAge", "PatientSize"),
        *("PatientWeight", "PatientBodyMassIndex", "Allergies", "MedicalAlerts", "SmokingStatus", "PregnancyStatus"),
        *("LastMenstrualDate", "PatientState", "Occupation", "AdditionalPatientHistory", "AdmissionID"),
        *("ReasonForVisit", "ServiceEpisodeID", "ServiceEpisodeDescription", "InstitutionalDepartmentName"),
    )
)

# General Series, General Equipment and Frame of Reference modules: PS3.3 C.7.3.1, C.7.5.1, C.7.4.1.
SERIES_LEVEL = frozenset(
    (
        *("Modality", "SeriesInstanceUID", "SeriesNumber", "Laterality", "SeriesDate", "SeriesTime"),
        *("PerformingPhysicianName", "ProtocolName", "SeriesDescription", "SeriesDescriptionCodeSequence"),
        *("OperatorsName", "ReferencedPerformedProcedureStepSequence", "RelatedSeriesSequence", "BodyPartExamined"),
        *("PatientPosition", "RequestAttributesSequence", "PerformedProcedureStepID"),
        *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "PerformedProcedureStepEndDate"),
        *("PerformedProcedureStepEndTime", "PerformedProcedureStepDescription", "PerformedProtocolCodeSequence"),
        *("CommentsOnThePerformedProcedureStep", "AnatomicalOrientationType", "TreatmentSessionUID"),
        *("ClinicalTrialSeriesID", "ClinicalTrialSeriesDescription"),
        *("Manufacturer", "InstitutionName", "InstitutionAddress", "StationName", "ManufacturerModelName"),
        *("DeviceSerialNumber", "SoftwareVersions", "GantryID", "DateOfLastCalibration", "TimeOfLastCalibration"),
        *("FrameOfReferenceUID", "PositionReferenceIndicator"),
    )
)
