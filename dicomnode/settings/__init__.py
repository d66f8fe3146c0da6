"""Every setting of the node, one module per part of the settings file."""

from dicomnode.settings.log import LogSettings
from dicomnode.settings.network import PacsSettings, PeerSettings, ReceiveSettings
from dicomnode.settings.notifications import NotificationSettings
from dicomnode.settings.section import AETitle, Section, read_secret
from dicomnode.settings.shown import shown_url
from dicomnode.settings.storage import AuditSettings, RetentionSettings, StorageSettings
from dicomnode.settings.targets import OutcomeSwitches, PollerSettings, RuleSettings, TargetSettings
from dicomnode.settings.telemetry import TelemetrySettings
from dicomnode.settings.tls import TlsClientSettings, TlsServerSettings
from dicomnode.settings.watch import WatchSettings
from dicomnode.settings.web import AccountsSettings, OidcSettings, ReviewSettings, WebSettings
from dicomnode.settings.whole import (
    ArchiveSettings,
    CompletionSettings,
    InferSettings,
    ModelsSettings,
    NodeSettings,
    Settings,
    load_settings,
)

__all__ = [
    "AETitle",
    "AccountsSettings",
    "ArchiveSettings",
    "AuditSettings",
    "CompletionSettings",
    "InferSettings",
    "LogSettings",
    "ModelsSettings",
    "NodeSettings",
    "NotificationSettings",
    "OidcSettings",
    "OutcomeSwitches",
    "PacsSettings",
    "PeerSettings",
    "PollerSettings",
    "ReceiveSettings",
    "RetentionSettings",
    "ReviewSettings",
    "RuleSettings",
    "Section",
    "Settings",
    "StorageSettings",
    "TargetSettings",
    "TelemetrySettings",
    "TlsClientSettings",
    "TlsServerSettings",
    "WatchSettings",
    "WebSettings",
    "load_settings",
    "read_secret",
    "shown_url",
]
