"""Every setting of the node: typed, documented, validated at start, read from one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from dicomnode.errors import SettingsError

AETitle = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]*\S[^\\\x00-\x1f]*$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A table of the settings file; unknown keys are refused, so that a typing error is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSettings(Section):
    """Who the node is."""

    ae_title: AETitle = Field("DICOMNODE", description="AE title the node calls itself by, PS3.8.")
    data_dir: Path = Field(Path("node-data"), description="Folder for instances, evidence and the SQLite index.")
    deterministic: bool = Field(False, description="Fixed batches and one thread, so that scores repeat bit for bit.")


class ArchiveSettings(Section):
    """Where instances and the index are kept."""

    database_url: str = Field("", description="SQLAlchemy URL; empty means SQLite in data_dir.")


class ReceiveSettings(Section):
    """The C-STORE and C-ECHO listener."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: Port = Field(11112, description="TCP port; 0 chooses a free one.")
    maximum_pdu_bytes: int = Field(131072, ge=4096, description="Largest PDU that the node accepts.")
    maximum_associations: int = Field(32, ge=1, description="Associations at once; more are rejected for now.")
    network_timeout_seconds: float = Field(60.0, gt=0, description="A silent association is aborted after this.")
    require_called_ae_title: bool = Field(
        False, description="Refuse calls to an AE title that is neither the node's own nor named in a rule."
    )


class WebSettings(Section):
    """The HTTP listener: DICOMweb, pages, health."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="TCP port; 0 chooses a free one.")
    maximum_request_bytes: int = Field(4 * 1024**3, ge=1024, description="Largest STOW-RS request body.")


class CompletionSettings(Section):
    """When a study counts as complete."""

    quiet_period_seconds: float = Field(10.0, ge=0, description="No arrival and no open association for this long.")
    deadline_seconds: float = Field(600.0, gt=0, description="Close at the latest this long after the first arrival.")


class InferSettings(Section):
    """The workers that run models."""

    device: str = Field("auto", description="auto, cpu, cuda, or cuda:N.")
    batch_size: int = Field(8, ge=1, description="Images in one forward pass.")
    lease_seconds: float = Field(60.0, gt=1, description="A job whose worker is silent for this long is taken over.")
    maximum_attempts: int = Field(3, ge=1, description="Attempts at a job before it answers 'failed'.")


class ModelsSettings(Section):
    """Where bundles lie."""

    folder: Path = Field(Path("models"), description="Folder with one MONAI bundle per sub-folder.")


class OutcomeSwitches(Section):
    """Which answers beside findings and no findings a target wants, and which documents of an answer."""

    out_of_scope: bool = Field(True, description="Send the SR that says: not what the model is made for.")
    refused: bool = Field(True, description="Send the SR that says: the images cannot be trusted.")
    failed: bool = Field(True, description="Send the SR that says: processing failed.")
    heat_map: bool = Field(True, description="Send heat maps: fractional segmentations, which not every viewer draws.")
    attention: bool = Field(True, description="Send the SR with boxes of what a network looked at closely.")
    presentation_state: bool = Field(
        True, description="Send presentation states that draw the findings over mammograms and radiographs."
    )
    picture: bool = Field(
        True, description="Send pictures of mammograms and radiographs with the findings burnt in (Secondary Capture)."
    )


class TargetSettings(Section):
    """A system that results are sent to: by C-STORE (host, port, ae_title) or by STOW-RS (url)."""

    name: str = Field(description="Short name, used in traces.", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    ae_title: AETitle | None = Field(None, description="Called AE title, for C-STORE.")
    host: str | None = Field(None, description="Address, for C-STORE.")
    port: Port | None = Field(None, description="Port, for C-STORE.")
    url: str | None = Field(None, description="DICOMweb base URL, for STOW-RS.", pattern=r"^https?://")
    timeout_seconds: float = Field(30.0, gt=0, description="For connecting and for each answer.")
    maximum_backoff_seconds: float = Field(300.0, gt=0, description="Longest pause between two attempts.")
    send: OutcomeSwitches = Field(default_factory=lambda: OutcomeSwitches.model_validate({}))

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        dimse = (self.ae_title, self.host, self.port)
        if self.url is None and None in dimse:
            raise ValueError(f"target {self.name}: give either url, or all of ae_title, host and port")
        if self.url is not None and dimse != (None, None, None):
            raise ValueError(f"target {self.name}: give url or ae_title, host and port, not both")
        return self


class PollerSettings(Section):
    """A PACS that is asked for new studies by QIDO-RS and read by WADO-RS."""

    name: str = Field(description="Short name, used in traces.", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    url: str = Field(description="DICOMweb base URL.", pattern=r"^https?://")
    interval_seconds: float = Field(30.0, gt=0, description="Pause between two rounds.")
    modality: tuple[str, ...] = Field((), description="Modalities in Study; empty means all.")
    days_back: int = Field(1, ge=0, description="Study Date window: today and this many days before.")
    filters: dict[str, str] = Field(
        default_factory=dict, description="Further QIDO-RS matches: keyword or tag = value."
    )
    page_size: int = Field(100, ge=1, le=5000, description="Studies asked for at once.")
    called_ae_title: AETitle | None = Field(None, description="Route studies as if sent to this AE title.")
    maximum_backoff_seconds: float = Field(300.0, gt=0, description="Longest pause while the PACS is away.")


class RuleSettings(Section):
    """Which studies ask for which model, and where its answers go. Empty conditions match everything."""

    model: str = Field(description="Bundle name, or * for every deployed model.")
    called_ae_title: AETitle | None = Field(None, description="Studies sent to this AE title.")
    calling_ae_title: AETitle | None = Field(None, description="Studies sent by this AE title.")
    modality: tuple[str, ...] = Field((), description="Modalities of the series.")
    targets: tuple[str, ...] | None = Field(None, description="Names of targets; absent means all of them.")


class Settings(Section):
    """The whole settings file."""

    node: NodeSettings = Field(default_factory=lambda: NodeSettings.model_validate({}))
    archive: ArchiveSettings = Field(default_factory=lambda: ArchiveSettings.model_validate({}))
    receive: ReceiveSettings = Field(default_factory=lambda: ReceiveSettings.model_validate({}))
    web: WebSettings = Field(default_factory=lambda: WebSettings.model_validate({}))
    completion: CompletionSettings = Field(default_factory=lambda: CompletionSettings.model_validate({}))
    infer: InferSettings = Field(default_factory=lambda: InferSettings.model_validate({}))
    models: ModelsSettings = Field(default_factory=lambda: ModelsSettings.model_validate({}))
    targets: tuple[TargetSettings, ...] = ()
    pollers: tuple[PollerSettings, ...] = ()
    rules: tuple[RuleSettings, ...] = Field(
        (), description="Absent: every live model is tried on every study, and answers go to all targets."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        for kind, names in (("target", [t.name for t in self.targets]), ("poller", [p.name for p in self.pollers])):
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"two {kind}s are named {sorted(repeated)[0]!r}: give each its own name")
        known = {target.name for target in self.targets}
        for rule in self.rules:
            unknown = set(rule.targets or ()) - known
            if unknown:
                raise ValueError(f"rule for model {rule.model!r} names target {sorted(unknown)[0]!r}, which is not set")
        return self

    @property
    def database_url(self) -> str:
        """The index's SQLAlchemy URL."""
        return self.archive.database_url or f"sqlite:///{(self.node.data_dir / 'index.sqlite').absolute()}"


def load_settings(path: Path | None) -> Settings:
    """Read settings from a TOML file; None means the defaults.

    Relative paths in the file count from the file's folder.

    Raises:
        SettingsError: The file is missing, is no TOML, or a value is wrong; names the key.
    """
    if path is None:
        return Settings.model_validate({})
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"settings file {path} does not exist; copy config/dicomnode.toml and adapt it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from error
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"settings file {path}: {_sentences(error)}") from error
    return _resolve(settings, path.absolute().parent)


def _resolve(settings: Settings, folder: Path) -> Settings:
    node = settings.node.model_copy(update={"data_dir": folder / settings.node.data_dir})
    models = settings.models.model_copy(update={"folder": folder / settings.models.folder})
    return settings.model_copy(update={"node": node, "models": models})


def _sentences(error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        problems.append(f"{key}: {item['msg']}" if key else item["msg"])
    return "; ".join(problems)
