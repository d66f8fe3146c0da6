"""Every setting of the node: typed, documented, validated at start, read from one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from dicomnode.errors import SettingsError
from dicomnode.settings.log import LogSettings
from dicomnode.settings.network import PacsSettings, PeerSettings, ReceiveSettings
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.settings.predict import PredictSettings
from dicomnode.settings.section import SECRET_FILE, SECRET_VARIABLE, AETitle, Name, Section, read_secret
from dicomnode.settings.storage import AuditSettings, RetentionSettings, StorageSettings
from dicomnode.settings.targets import PollerSettings, RuleSettings, TargetSettings
from dicomnode.settings.telemetry import TelemetrySettings
from dicomnode.settings.watch import WatchSettings
from dicomnode.settings.web import WebSettings

AnySection = TypeVar("AnySection", bound=Section)


class NodeSettings(Section):
    """Who the node is."""

    ae_title: AETitle = Field("DICOMNODE", description="AE title the node calls itself by, PS3.8.")
    data_dir: Path = Field(Path("node-data"), description="Folder for instances, evidence and the SQLite index.")
    deterministic: bool = Field(False, description="Fixed batches and one thread, so that scores repeat bit for bit.")


class ArchiveSettings(Section):
    """Where instances and the index are kept."""

    database_url: str = Field(
        "",
        description="SQLAlchemy URL, or where it is: file:PATH or env:NAME; empty means SQLite in data_dir.",
        repr=False,
    )


class CompletionSettings(Section):
    """When a study counts as complete."""

    quiet_period_seconds: float = Field(10.0, ge=0, description="No arrival and no open association for this long.")
    deadline_seconds: float = Field(600.0, gt=0, description="Close at the latest this long after the first arrival.")
    adaptive: bool = Field(
        True,
        description="Close a study at the release of its only association where its device was seen to end such so.",
    )
    adaptive_after_studies: int = Field(
        20, ge=1, description="So many studies like it must have ended so; one that went on ends the trust for good."
    )
    ask: tuple[Name, ...] = Field(
        (), description="Names of [[pacs]] whose instance counts a study is compared with; what is missing is fetched."
    )


class InferSettings(Section):
    """The workers that run models."""

    device: str = Field("auto", description="auto, cpu, cuda, or cuda:N.")
    jobs: int = Field(2, ge=1, le=64, description="Jobs at once: one is read while another is on the device.")
    preload: bool = Field(True, description="Take in what models need at start, not when the first job waits.")
    batch_size: int = Field(8, ge=1, description="Images in one forward pass.")
    batch_wait_seconds: float = Field(
        0.02, ge=0, le=10, description="An image waits so long for others, of any study, to go through a model with it."
    )
    tuned: bool = Field(
        True, description="Networks compute as 'dicomnode models tune' found best here; false: in plain float32."
    )
    early: bool = Field(True, description="Look at images while their study still arrives.")
    early_memory_mib: int = Field(256, ge=1, description="What models said of single images is kept within this.")
    lease_seconds: float = Field(60.0, gt=1, description="A job whose worker is silent for this long is taken over.")
    maximum_attempts: int = Field(3, ge=1, description="Attempts at a job before it answers 'failed'.")
    timeout_seconds: float = Field(
        1800.0, gt=0, description="A job that takes longer is ended, and counts as an attempt."
    )


class ModelsSettings(Section):
    """Where bundles lie."""

    folder: Path = Field(Path("models"), description="Folder with one MONAI bundle per sub-folder.")


class Settings(Section):
    """The whole settings file."""

    node: NodeSettings = Field(default_factory=lambda: NodeSettings.model_validate({}))
    archive: ArchiveSettings = Field(default_factory=lambda: ArchiveSettings.model_validate({}))
    receive: ReceiveSettings = Field(default_factory=lambda: ReceiveSettings.model_validate({}))
    web: WebSettings = Field(default_factory=lambda: WebSettings.model_validate({}))
    completion: CompletionSettings = Field(default_factory=lambda: CompletionSettings.model_validate({}))
    infer: InferSettings = Field(default_factory=lambda: InferSettings.model_validate({}))
    models: ModelsSettings = Field(default_factory=lambda: ModelsSettings.model_validate({}))
    storage: StorageSettings = Field(default_factory=lambda: StorageSettings.model_validate({}))
    retention: RetentionSettings = Field(default_factory=lambda: RetentionSettings.model_validate({}))
    audit: AuditSettings = Field(default_factory=lambda: AuditSettings.model_validate({}))
    watch: WatchSettings = Field(default_factory=lambda: WatchSettings.model_validate({}))
    predict: PredictSettings = Field(default_factory=lambda: PredictSettings.model_validate({}))
    telemetry: TelemetrySettings = Field(default_factory=lambda: TelemetrySettings.model_validate({}))
    log: LogSettings = Field(default_factory=lambda: LogSettings.model_validate({}))
    peers: tuple[PeerSettings, ...] = Field((), description="Who may call the node by DIMSE.")
    pacs: tuple[PacsSettings, ...] = Field((), description="Archives that can be asked.")
    targets: tuple[TargetSettings, ...] = Field((), description="Where answers go.")
    pollers: tuple[PollerSettings, ...] = Field((), description="Archives that are asked for new studies.")
    notifications: tuple[NotificationSettings, ...] = Field((), description="Who is told of what happens.")
    rules: tuple[RuleSettings, ...] = Field(
        (), description="Absent: every live model is tried on every study, and answers go to all targets."
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        named: dict[str, list[str]] = {
            "target": [target.name for target in self.targets],
            "poller": [poller.name for poller in self.pollers],
            "peer": [peer.name for peer in self.peers],
            "pacs": [pacs.name for pacs in self.pacs],
            "notification": [channel.name for channel in self.notifications],
        }
        for kind, names in named.items():
            repeated = {name for name in names if names.count(name) > 1}
            if repeated:
                raise ValueError(f"two {kind}s are named {sorted(repeated)[0]!r}: give each its own name")
        known = {target.name for target in self.targets}
        for rule in self.rules:
            unknown = set(rule.targets or ()) - known
            if unknown:
                raise ValueError(f"rule for model {rule.model!r} names target {sorted(unknown)[0]!r}, which is not set")
        asked = {*self.completion.ask, *(target.pacs for target in self.targets if target.pacs)}
        unset = sorted(asked - set(named["pacs"]))
        if unset:
            raise ValueError(f"pacs {unset[0]!r} is named, but no [[pacs]] of that name is set")
        return self

    @property
    def database_url(self) -> str:
        """The index's SQLAlchemy URL; it may hold a password.

        Raises:
            SettingsError: It is a secret that is not there.
        """
        url = self.archive.database_url
        if url.startswith((SECRET_FILE, SECRET_VARIABLE)):
            return read_secret(url, "archive.database_url")
        return url or f"sqlite:///{(self.node.data_dir / 'index.sqlite').absolute()}"


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
    return _resolved(settings, path.absolute().parent)


def _resolved(section: AnySection, folder: Path) -> AnySection:
    """The section with every relative path, those of secrets too, counted from the folder."""
    values = {name: _resolved_value(value, folder) for name, value in section}
    return section.model_copy(update=values)


def _resolved_value(value: object, folder: Path) -> object:
    if isinstance(value, Section):
        return _resolved(value, folder)
    if isinstance(value, tuple):
        return tuple(_resolved_value(item, folder) for item in value)
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, str) and value.startswith(SECRET_FILE):
        return f"{SECRET_FILE}{folder / value.removeprefix(SECRET_FILE)}"
    return value


def _sentences(error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        problems.append(f"{key}: {item['msg']}" if key else item["msg"])
    return "; ".join(problems)
