"""Pictures that somebody shows to a model, without an archive in between."""

from __future__ import annotations

from pydantic import Field

from dicomnode.settings.section import Section


class PredictSettings(Section):
    """The page and the interface that predict on files which are not kept."""

    enabled: bool = Field(True, description="false: neither the page nor the interface is there.")
    maximum_request_bytes: int = Field(256 * 1024**2, ge=1024, description="Largest request; it is held in memory.")
    maximum_files: int = Field(512, ge=1, le=900, description="Files in one request.")
    maximum_megapixels: int = Field(200, ge=1, description="Millions of pixels of a picture, or of all DICOM files.")
    maximum_waiting: int = Field(4, ge=1, description="Requests at once; one is worked on, more are answered with 503.")
    timeout_seconds: float = Field(120.0, gt=0, description="A prediction that takes longer is ended.")
    idle_seconds: float = Field(600.0, gt=0, description="Models are forgotten when nobody asked for so long.")
    memory_mib: int = Field(8192, ge=2048, description="Memory of the process that predicts, on a CPU.")
