"""The values that come in: instances, series, studies, and references to their images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instance:
    """One stored SOP instance, its bytes as they came.

    Attributes:
        sop_instance_uid: (0008,0018).
        sop_class_uid: (0008,0016).
        series_instance_uid: (0020,000E).
        study_instance_uid: (0020,000D).
        transfer_syntax_uid: (0002,0010) of the stored file.
        path: The stored file (PS3.10), absolute.
        sha256: Hex digest of the stored file's bytes.
        modality: (0008,0060), empty if absent.
        instance_number: (0020,0013), None if absent.
        number_of_frames: (0028,0008), 1 if absent.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    path: Path
    sha256: str
    modality: str = ""
    instance_number: int | None = None
    number_of_frames: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    """A series and the instances of it that are here.

    Attributes:
        series_instance_uid: (0020,000E).
        study_instance_uid: (0020,000D).
        modality: (0008,0060).
        description: (0008,103E), empty if absent.
        body_part_examined: (0018,0015), upper case, empty if absent.
        series_number: (0020,0011), None if absent.
        instances: In order of Instance Number, then UID.
    """

    series_instance_uid: str
    study_instance_uid: str
    modality: str
    description: str
    body_part_examined: str
    series_number: int | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A study as the node holds it, without the node's own results.

    Attributes:
        study_instance_uid: (0020,000D).
        description: (0008,1030), empty if absent.
        generation: Counts the completions of the study; a late image makes the next one.
        called_ae_titles: AE titles under which peers sent instances of it.
        calling_ae_titles: AE titles of the peers that sent them.
        series: In order of Series Number, then UID.
    """

    study_instance_uid: str
    description: str
    generation: int
    called_ae_titles: tuple[str, ...]
    calling_ae_titles: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class SourceReference:
    """One image of the source study: an instance, or one frame of it.

    Attributes:
        sop_class_uid: (0008,1150).
        sop_instance_uid: (0008,1155).
        series_instance_uid: Series that holds the instance.
        frame_number: (0008,1160), counted from 1; None for a single-frame instance.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    frame_number: int | None = None
