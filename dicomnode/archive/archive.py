"""The archive as one thing: files, index and the stores on it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from dicomnode.archive.accounts import AccountStore
from dicomnode.archive.answers import AnswerStore
from dicomnode.archive.api_tokens import TokenStore
from dicomnode.archive.associations import AssociationStore
from dicomnode.archive.attention import AttentionStore
from dicomnode.archive.audit import AuditStore
from dicomnode.archive.capabilities import CapabilityStore
from dicomnode.archive.changes import ChangeStore
from dicomnode.archive.checks import CheckStore
from dicomnode.archive.checkup import Checkup
from dicomnode.archive.clock import ClockStore
from dicomnode.archive.corrections import CorrectionStore
from dicomnode.archive.database import Database
from dicomnode.archive.deliveries import DeliveryStore
from dicomnode.archive.deployments import DeploymentStore
from dicomnode.archive.devices import DeviceStore
from dicomnode.archive.early_claims import EarlyClaimStore
from dicomnode.archive.echoes import EchoStore
from dicomnode.archive.evidence import EvidenceStore
from dicomnode.archive.figures import FigureStore
from dicomnode.archive.files import FileStore
from dicomnode.archive.flow import FlowStore
from dicomnode.archive.gauges import GaugeStore
from dicomnode.archive.habits import HabitStore
from dicomnode.archive.instances import InstanceStore
from dicomnode.archive.jobs import JobStore
from dicomnode.archive.journeys import JourneyStore
from dicomnode.archive.migrate import migrate
from dicomnode.archive.node_leases import NodeLeaseStore
from dicomnode.archive.notifications import NotificationStore
from dicomnode.archive.priors import PriorStore
from dicomnode.archive.proofs import ProofStore
from dicomnode.archive.quarantine import QuarantineStore
from dicomnode.archive.recalls import RecallStore
from dicomnode.archive.replays import ReplayStore
from dicomnode.archive.results import ResultStore
from dicomnode.archive.retention import RetentionStore
from dicomnode.archive.sendings import SendingStore
from dicomnode.archive.sessions import SessionStore
from dicomnode.archive.settling import SettlingStore
from dicomnode.archive.space import SpaceGuard
from dicomnode.archive.staged import full_disk_is_refusal
from dicomnode.archive.studies import StudyStore
from dicomnode.archive.study_list import StudyListStore
from dicomnode.archive.substitutes import SubstituteStore
from dicomnode.archive.tallies import TallyStore
from dicomnode.archive.traces import TraceStore
from dicomnode.archive.wakeups import Wakeups
from dicomnode.archive.watermarks import WatermarkStore
from dicomnode.settings import Settings, StorageSettings


class Archive:
    """Files and index of one node; opened by every process of it.

    Every method of every store is one transaction; any process may be killed at any instruction.

    Attributes:
        instances: What came in.
        studies: Studies, their completion, and QIDO-RS searches.
        priors: Earlier studies that a model looks at too.
        quarantine: Studies that no model is given any more.
        checks: How studies compare with what a PACS holds.
        associations: Associations that may still bring instances.
        habits: What devices do once they have sent a study.
        traces: What happened to each study, and why.
        jobs: Work for the models.
        early_claims: Which process looks at which open study.
        results: When each answer was first given.
        answers: What the models said, to be counted.
        replays: Old studies that run again.
        recalls: Answers that were taken back.
        evidence: What the models answered.
        deliveries: Evidence on its way out.
        sendings: Evidence that somebody asks to have sent.
        corrections: Evidence under a corrected identity.
        proofs: Whether what was sent is there.
        substitutes: Objects of older kinds, for targets that do not take the newer ones.
        capabilities: What targets said that they take.
        settling: Studies whose instances name different patients.
        watermarks: How far pollers have come.
        deployments: Which bundles are approved, and what they do.
        audit: What an administrator must be able to look up.
        clock: Times that lie ahead of a clock that was put back.
        space: Whether there is room for what arrives.
        tallies: How much each peer sent.
        accounts: Who may use the pages and the interfaces.
        tokens: Secrets of programs that use them.
        sessions: Logins.
        retention: What may be forgotten.
        checkup: Files and index against each other.
        flow: How much goes through, and what waits.
        study_list: Studies as people look for them.
        changes: What changed a moment ago.
        echoes: How each peer answered last.
        devices: What models run on.
        node_leases: Which processes of which node use the index.
        journeys: Ways of studies through the node, in times.
        notifications: Who is to be told of what, and who was.
        gauges: How the node stands, in numbers.
        figures: How long things took.
        attention: What does not move, or went wrong.
        wakeups: Wakes those who wait for a change.
    """

    def __init__(self, database: Database, files: FileStore, storage: StorageSettings) -> None:
        self._database = database
        self._files = files
        self.space = SpaceGuard(storage, files.root, database)
        self.instances = InstanceStore(database, files, self.space, durable=storage.durable)
        self.studies = StudyStore(database, files)
        self.priors = PriorStore(database)
        self.quarantine = QuarantineStore(database)
        self.checks = CheckStore(database)
        self.associations = AssociationStore(database, files)
        self.habits = HabitStore(database)
        self.traces = TraceStore(database)
        self.jobs = JobStore(database, files)
        self.early_claims = EarlyClaimStore(database, files)
        self.results = ResultStore(database)
        self.answers = AnswerStore(database)
        self.recalls = RecallStore(database, files)
        self.replays = ReplayStore(database)
        self.evidence = EvidenceStore(database, files)
        self.deliveries = DeliveryStore(database, files)
        self.sendings = SendingStore(database)
        self.corrections = CorrectionStore(database, files)
        self.proofs = ProofStore(database, files)
        self.substitutes = SubstituteStore(database, files)
        self.capabilities = CapabilityStore(database)
        self.settling = SettlingStore(database, files)
        self.watermarks = WatermarkStore(database)
        self.deployments = DeploymentStore(database)
        self.clock = ClockStore(database)
        self.audit = AuditStore(database)
        self.tallies = TallyStore(database)
        self.accounts = AccountStore(database)
        self.tokens = TokenStore(database)
        self.sessions = SessionStore(database)
        self.retention = RetentionStore(database, files, self.space)
        self.checkup = Checkup(database, files, self.instances)
        self.flow = FlowStore(database)
        self.study_list = StudyListStore(database)
        self.changes = ChangeStore(database)
        self.echoes = EchoStore(database)
        self.devices = DeviceStore(database)
        self.node_leases = NodeLeaseStore(database, files)
        self.journeys = JourneyStore(database)
        self.notifications = NotificationStore(database)
        self.gauges = GaugeStore(database)
        self.figures = FigureStore(database)
        self.attention = AttentionStore(database)
        self.wakeups = Wakeups(database)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open the archive that the settings name; makes folders and schema where they are missing.

        Raises:
            ArchiveError: The index cannot be opened.
        """
        with full_disk_is_refusal():
            files = FileStore(settings.node.data_dir)
        database = Database(settings.database_url)
        try:
            migrate(database, files.root)
        except BaseException:
            database.close()
            files.close()
            raise
        return cls(database, files, settings.storage)

    def close(self) -> None:
        """Index what has landed, close the index and give up what this process had staged."""
        self.wakeups.close()
        self.instances.close()
        self._database.close()
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()
