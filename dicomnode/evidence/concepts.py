"""Coded concepts that the node's documents use (PS3.16; DICOM, SNOMED CT, LOINC, UCUM).

Where none of these has a concept, the node's own scheme steps in (PS3.3 8.2: private designators
begin with 99); its code values fit the 16 characters of a Code Value.
"""

from __future__ import annotations

from dicomnode.findings import Code, Outcome, Presence

PRIVATE_SCHEME = "99DICOMNODE"
PRIVATE_SCHEME_NAME = "Private codes of dicomnode"

ENGLISH = Code("en-US", "RFC5646", "English (United States)")

IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")

LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
PERSON = Code("121006", "DCM", "Person")
DEVICE = Code("121007", "DCM", "Device")
DEVICE_UID = Code("121012", "DCM", "Device Observer UID")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING = Code("121071", "DCM", "Finding")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
MANUAL_PROCESSING = Code("123109", "DCM", "Manual Processing")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
BOUNDED_BY = Code("75958009", "SCT", "Bounded by")
SOURCE = Code("260753009", "SCT", "Source")
PRESENCE = Code("705057003", "SCT", "Presence")
FINDINGS = Code("121070", "DCM", "Findings")
CONCLUSION = Code("121077", "DCM", "Conclusion")
CONCLUSIONS = Code("121076", "DCM", "Conclusions")
COMMENT = Code("121106", "DCM", "Comment")

MODALITY = Code("121139", "DCM", "Modality")
FRAME_OF_REFERENCE_UID = Code("112227", "DCM", "Frame of Reference UID")
PIXEL_DATA_ROWS = Code("110910", "DCM", "Pixel Data Rows")
PIXEL_DATA_COLUMNS = Code("110911", "DCM", "Pixel Data Columns")
HORIZONTAL_PIXEL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing")
VERTICAL_PIXEL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MILLIMETER = Code("mm", "UCUM", "mm")
PERCENT = Code("%", "UCUM", "Percent")

PROBABILITY_OF_CANCER = Code("111047", "DCM", "Probability of cancer")
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
MEASUREMENT_FAILURE = Code("114006", "DCM", "Measurement failure")
MEASUREMENT_NOT_ATTEMPTED = Code("114007", "DCM", "Measurement not attempted")

PROCESSING_SUMMARY = Code("111017", "DCM", "CAD Processing and Findings Summary")
SUMMARY_OF_ANALYSES = Code("111065", "DCM", "Summary of Analyses")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
# No standard code names what a network looked at closely; it is no finding.
ATTENTION_REGION = Code("attention_region", PRIVATE_SCHEME, "Region that the network attended to")
ATTENTION_SHARE = Code("attention_share", PRIVATE_SCHEME, "Share of the network's attention")
# Nothing in PS3.16 says that a report takes an earlier one back without another result in its place.
RESULT_WITHDRAWN = Code("result_withdrawn", PRIVATE_SCHEME, "Result withdrawn")
WITHDRAWN_OBJECT = Code("withdrawn_object", PRIVATE_SCHEME, "Withdrawn object")
REJECTED_FOR_QUALITY = Code("113001", "DCM", "Rejected for Quality Reasons")
REJECTED_FOR_SAFETY = Code("113037", "DCM", "Rejected for Patient Safety Reasons")
TITLE_MODIFIER = Code("113011", "DCM", "Document Title Modifier")
SOFTWARE_FAILURE = Code("111218", "DCM", "Software failure")
KEY_OBJECT_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
SOURCE_FOR_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")

ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical structure")
LATERALITY = Code("272741003", "SCT", "Laterality")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
IMAGE_LATERALITY = Code("111027", "DCM", "Image Laterality")
IMAGE_VIEW = Code("111031", "DCM", "Image View")
ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")

PRESENCE_VALUES = {
    Presence.PRESENT: Code("52101004", "SCT", "Present"),
    Presence.ABSENT: Code("272519000", "SCT", "Absent"),
    Presence.UNDETERMINED: Code("373068000", "SCT", "Undetermined"),
}

_NONE_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")
OUTCOME_SUMMARIES = {  # CID 6047
    Outcome.FINDINGS: Code("111242", "DCM", "All algorithms succeeded; with findings"),
    Outcome.NO_FINDINGS: Code("111241", "DCM", "All algorithms succeeded; without findings"),
    Outcome.OUT_OF_SCOPE: _NONE_SUCCEEDED,
    Outcome.REFUSED: _NONE_SUCCEEDED,
    Outcome.FAILED: _NONE_SUCCEEDED,
}

_SUCCEEDED = Code("111222", "DCM", "Succeeded")
_NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted")
OUTCOME_STATUS = {  # CID 6042
    Outcome.FINDINGS: _SUCCEEDED,
    Outcome.NO_FINDINGS: _SUCCEEDED,
    Outcome.OUT_OF_SCOPE: _NOT_ATTEMPTED,
    Outcome.REFUSED: _NOT_ATTEMPTED,
    Outcome.FAILED: Code("111224", "DCM", "Failed"),
}

# CID 6047 knows one code for all that was not processed; these, of CID 9300 and 6041, tell why, so
# that out of scope, refused and failed are three different coded answers.
OUTCOME_CAUSES = {
    Outcome.OUT_OF_SCOPE: Code("110522", "DCM", "Object Types not supported"),
    Outcome.REFUSED: Code("110521", "DCM", "Objects incorrectly formatted"),
    Outcome.FAILED: Code("111221", "DCM", "Unknown failure"),
}

_IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
_RADIOGRAPHY = Code("43468-8", "LN", "XR unspecified body region")
_PROCEDURES = {  # CID 100 where it has one
    "CT": Code("25045-6", "LN", "CT unspecified body region"),
    "MR": Code("25056-3", "LN", "MRI unspecified body region"),
    "PT": Code("44136-0", "LN", "PET unspecified body region"),
    "NM": Code("49118-3", "LN", "NM unspecified body region"),
    "MG": Code("71651007", "SCT", "Mammography"),
    "GM": Code("117259009", "SCT", "Microscopy"),  # CID 8131, like the next
    "SM": Code("112702", "DCM", "Slide Microscopy"),
    "US": Code("16310003", "SCT", "Diagnostic ultrasonography"),
    "CR": _RADIOGRAPHY,
    "DX": _RADIOGRAPHY,
}

_MODALITIES = {  # CID 29
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "DX": "Digital Radiography",
    "ES": "Endoscopy",
    "GM": "General Microscopy",
    "IO": "Intra-oral Radiography",
    "IVUS": "Intravascular Ultrasound",
    "MG": "Mammography",
    "MR": "Magnetic Resonance",
    "NM": "Nuclear Medicine",
    "OCT": "Optical Coherence Tomography",
    "OP": "Ophthalmic Photography",
    "OPT": "Ophthalmic Tomography",
    "PT": "Positron emission tomography",
    "PX": "Panoramic X-Ray",
    "RF": "Radiofluoroscopy",
    "RG": "Radiographic imaging",
    "SM": "Slide Microscopy",
    "US": "Ultrasound",
    "XA": "X-Ray Angiography",
    "XC": "External-camera Photography",
}

# Concepts whose calibrated score may be called "Probability of cancer"; a concept that is not in
# this table (neoplasm, mass, nodule) has a certainty only, because it may be benign.
_CANCER_CONCEPTS = frozenset(
    {
        ("SCT", "363346000"),  # Malignant neoplastic disease
        ("SCT", "86049000"),  # Malignant neoplasm, primary
        ("SCT", "14799000"),  # Neoplasm, secondary
        ("SCT", "128462008"),  # Secondary malignant neoplastic disease
        ("SCT", "21594007"),  # Malignant
        ("SCT", "1187425009"),  # Carcinoma
        ("SCT", "68453008"),  # Carcinoma, no subtype
        ("SCT", "35917007"),  # Adenocarcinoma, no subtype
        ("SCT", "1187332001"),  # Adenocarcinoma
        ("SCT", "254837009"),  # Malignant neoplasm of breast
        ("SCT", "408643008"),  # Infiltrating duct carcinoma of breast
        ("SCT", "109889007"),  # Intraductal carcinoma in situ of breast
        ("SCT", "93880001"),  # Lung cancer
        ("SCT", "254637007"),  # Non-small cell lung cancer
        ("SCT", "254626006"),  # Adenocarcinoma of lung
        ("SCT", "254634000"),  # Squamous cell carcinoma of lung
        ("SCT", "94391008"),  # Secondary malignant neoplasm of lung
        ("SCT", "94222008"),  # Secondary malignant neoplasm of bone
        ("SCT", "254900004"),  # Prostate cancer
        ("SCT", "363406005"),  # Cancer of colon
        ("SCT", "399326009"),  # Bladder cancer
        ("SCT", "363443007"),  # Ovarian cancer
        ("SCT", "363354003"),  # Cancer of cervix
        ("SCT", "702391001"),  # Renal cell carcinoma
        ("SCT", "1162635006"),  # Malignant melanoma
        ("SCT", "2092003"),  # Malignant melanoma, no subtype
        ("SCT", "1163375002"),  # Glioblastoma
        ("SCT", "63634009"),  # Glioblastoma, no subtype
        ("SCT", "428061005"),  # Malignant neoplasm of brain
    }
)


def is_cancer(concept: Code) -> bool:
    """Whether a concept means cancer and nothing but cancer."""
    return (concept.scheme, concept.value) in _CANCER_CONCEPTS


def modality_concept(modality: str) -> Code:
    """The CID 29 concept of a Modality (0008,0060); Other where the table does not know it."""
    meaning = _MODALITIES.get(modality)
    return Code("OT", "DCM", "Other Modality") if meaning is None else Code(modality, "DCM", meaning)


def procedure_concept(modality: str) -> Code:
    """The imaging procedure that a Modality stands for, where the source codes none."""
    return _PROCEDURES.get(modality, _IMAGING_PROCEDURE)
