"""Kinds of storage SOP classes: images, and documents that others derived from images (PS3.4 B.5).

The table names keywords of PS3.6 Annex A, so that a reader can check it; pydicom's dictionary turns
them into UIDs.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

IMAGE_KEYWORDS = (
    "ComputedRadiographyImageStorage",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "DigitalMammographyXRayImageStorageForPresentation",
    "DigitalMammographyXRayImageStorageForProcessing",
    "DigitalIntraOralXRayImageStorageForPresentation",
    "DigitalIntraOralXRayImageStorageForProcessing",
    "CTImageStorage",
    "EnhancedCTImageStorage",
    "LegacyConvertedEnhancedCTImageStorage",
    "UltrasoundMultiFrameImageStorageRetired",
    "UltrasoundMultiFrameImageStorage",
    "UltrasoundImageStorageRetired",
    "UltrasoundImageStorage",
    "EnhancedUSVolumeStorage",
    "PhotoacousticImageStorage",
    "MRImageStorage",
    "EnhancedMRImageStorage",
    "EnhancedMRColorImageStorage",
    "LegacyConvertedEnhancedMRImageStorage",
    "NuclearMedicineImageStorageRetired",
    "NuclearMedicineImageStorage",
    "SecondaryCaptureImageStorage",
    "MultiFrameSingleBitSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "MultiFrameTrueColorSecondaryCaptureImageStorage",
    "XRayAngiographicImageStorage",
    "EnhancedXAImageStorage",
    "XRayRadiofluoroscopicImageStorage",
    "EnhancedXRFImageStorage",
    "XRayAngiographicBiPlaneImageStorage",
    "XRay3DAngiographicImageStorage",
    "XRay3DCraniofacialImageStorage",
    "BreastTomosynthesisImageStorage",
    "BreastProjectionXRayImageStorageForPresentation",
    "BreastProjectionXRayImageStorageForProcessing",
    "IntravascularOpticalCoherenceTomographyImageStorageForPresentation",
    "IntravascularOpticalCoherenceTomographyImageStorageForProcessing",
    "VLImageStorageTrial",
    "VLMultiFrameImageStorageTrial",
    "VLEndoscopicImageStorage",
    "VideoEndoscopicImageStorage",
    "VLMicroscopicImageStorage",
    "VideoMicroscopicImageStorage",
    "VLSlideCoordinatesMicroscopicImageStorage",
    "VLPhotographicImageStorage",
    "VideoPhotographicImageStorage",
    "OphthalmicPhotography8BitImageStorage",
    "OphthalmicPhotography16BitImageStorage",
    "OphthalmicTomographyImageStorage",
    "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage",
    "WideFieldOphthalmicPhotography3DCoordinatesImageStorage",
    "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage",
    "VLWholeSlideMicroscopyImageStorage",
    "DermoscopicPhotographyImageStorage",
    "ConfocalMicroscopyImageStorage",
    "ConfocalMicroscopyTiledPyramidalImageStorage",
    "PositronEmissionTomographyImageStorage",
    "LegacyConvertedEnhancedPETImageStorage",
    "EnhancedPETImageStorage",
    "RTImageStorage",
    "EnhancedRTImageStorage",
    "EnhancedContinuousRTImageStorage",
)

DERIVED_KEYWORDS = (
    # Structured reports and key object selections (PS3.3 A.35)
    "TextSRStorageTrial",
    "AudioSRStorageTrial",
    "DetailSRStorageTrial",
    "ComprehensiveSRStorageTrial",
    "BasicTextSRStorage",
    "EnhancedSRStorage",
    "ComprehensiveSRStorage",
    "Comprehensive3DSRStorage",
    "ExtensibleSRStorage",
    "ProcedureLogStorage",
    "MammographyCADSRStorage",
    "KeyObjectSelectionDocumentStorage",
    "ChestCADSRStorage",
    "XRayRadiationDoseSRStorage",
    "RadiopharmaceuticalRadiationDoseSRStorage",
    "ColonCADSRStorage",
    "ImplantationPlanSRStorage",
    "AcquisitionContextSRStorage",
    "SimplifiedAdultEchoSRStorage",
    "PatientRadiationDoseSRStorage",
    "PlannedImagingAgentAdministrationSRStorage",
    "PerformedImagingAgentAdministrationSRStorage",
    "EnhancedXRayRadiationDoseSRStorage",
    "WaveformAnnotationSRStorage",
    "ContentAssessmentResultsStorage",
    # Segmentations, maps, registrations and annotations made from images
    "SegmentationStorage",
    "LabelMapSegmentationStorage",
    "HeightMapSegmentationStorage",
    "SurfaceSegmentationStorage",
    "TractographyResultsStorage",
    "ParametricMapStorage",
    "RealWorldValueMappingStorage",
    "SpatialRegistrationStorage",
    "SpatialFiducialsStorage",
    "DeformableSpatialRegistrationStorage",
    "StereometricRelationshipStorage",
    "MicroscopyBulkSimpleAnnotationsStorage",
    "StandaloneOverlayStorage",
    "StandaloneCurveStorage",
    "StandaloneModalityLUTStorage",
    "StandaloneVOILUTStorage",
    "StandalonePETCurveStorage",
    # Presentation states (PS3.3 A.33) and layouts
    "GrayscaleSoftcopyPresentationStateStorage",
    "ColorSoftcopyPresentationStateStorage",
    "PseudoColorSoftcopyPresentationStateStorage",
    "BlendingSoftcopyPresentationStateStorage",
    "XAXRFGrayscaleSoftcopyPresentationStateStorage",
    "GrayscalePlanarMPRVolumetricPresentationStateStorage",
    "CompositingPlanarMPRVolumetricPresentationStateStorage",
    "AdvancedBlendingPresentationStateStorage",
    "VolumeRenderingVolumetricPresentationStateStorage",
    "SegmentedVolumeRenderingVolumetricPresentationStateStorage",
    "MultipleVolumeRenderingVolumetricPresentationStateStorage",
    "VariableModalityLUTSoftcopyPresentationStateStorage",
    "BasicStructuredDisplayStorage",
    # Encapsulated documents (PS3.3 A.45)
    "EncapsulatedPDFStorage",
    "EncapsulatedCDAStorage",
    "EncapsulatedSTLStorage",
    "EncapsulatedOBJStorage",
    "EncapsulatedMTLStorage",
    # Radiotherapy objects that are not images (PS3.3 A.18 to A.29, A.86)
    "RTDoseStorage",
    "RTStructureSetStorage",
    "RTBeamsTreatmentRecordStorage",
    "RTPlanStorage",
    "RTBrachyTreatmentRecordStorage",
    "RTTreatmentSummaryRecordStorage",
    "RTIonPlanStorage",
    "RTIonBeamsTreatmentRecordStorage",
    "RTPhysicianIntentStorage",
    "RTSegmentAnnotationStorage",
    "RTRadiationSetStorage",
    "CArmPhotonElectronRadiationStorage",
    "TomotherapeuticRadiationStorage",
    "RoboticArmRadiationStorage",
    "RTRadiationRecordSetStorage",
    "RTRadiationSalvageRecordStorage",
    "TomotherapeuticRadiationRecordStorage",
    "CArmPhotonElectronRadiationRecordStorage",
    "RoboticRadiationRecordStorage",
    "RTRadiationSetDeliveryInstructionStorage",
    "RTTreatmentPreparationStorage",
    "RTPatientPositionAcquisitionInstructionStorage",
    "RTBeamsDeliveryInstructionStorage",
    "RTBrachyApplicationSetupDeliveryInstructionStorage",
)

# Newer than pydicom 3.0.2's dictionary (PS3.6 2024d and 2025a).
_NOT_IN_DICTIONARY = {
    "LabelMapSegmentationStorage": "1.2.840.10008.5.1.4.1.1.66.7",
    "HeightMapSegmentationStorage": "1.2.840.10008.5.1.4.1.1.66.8",
}


def _uids(keywords: Iterable[str]) -> frozenset[str]:
    known = {entry[4]: uid for uid, entry in UID_dictionary.items()} | _NOT_IN_DICTIONARY
    return frozenset(known[keyword] for keyword in keywords)


IMAGE_SOP_CLASSES = _uids(IMAGE_KEYWORDS)
DERIVED_SOP_CLASSES = _uids(DERIVED_KEYWORDS)


def is_image(sop_class_uid: str) -> bool:
    """Whether instances of this class are images that a model may be asked about.

    Segmentations, parametric maps and dose grids hold pixels too, but are derived documents.
    Private and unknown classes are no images: nothing is known of their pixels.
    """
    return sop_class_uid in IMAGE_SOP_CLASSES


def is_derived_document(sop_class_uid: str) -> bool:
    """Whether the class holds statements about other images (SR, SEG, KO, PR, RT, ...).

    Such an object is kept with its study and neither opens nor re-opens it.
    """
    return sop_class_uid in DERIVED_SOP_CLASSES


def sop_class_name(sop_class_uid: str) -> str:
    """A SOP class in words, such as ``Comprehensive 3D SR``; the UID of one that nobody has named."""
    return UID(sop_class_uid).name.removesuffix(" Storage")
