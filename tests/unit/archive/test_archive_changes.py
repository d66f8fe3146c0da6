"""What changed since a moment ago, told by the ends of the tables."""

from dicomnode.archive.changes import Topic
from dicomnode.archive.echoes import Echo, PeerKind
from dicomnode.archive.records import DeliveryState, DeploymentState
from tests.archives import NOW, at, make_file, open_archive, put
from tests.deliveries import STUDY, queue


def test_each_change_is_told_once_and_by_its_topic(tmp_path) -> None:
    with open_archive(tmp_path) as archive:
        moment = archive.changes.look()
        assert archive.changes.look().changes_since(moment) == {}

        def changes() -> dict[Topic, tuple[str, ...]]:
            nonlocal moment
            before, moment = moment, archive.changes.look()
            return moment.changes_since(before)

        put(archive, make_file())
        assert changes() == {Topic.STUDIES: ("1.2.3",)}
        put(archive, make_file("1.2.3.2"), at(1))
        assert changes() == {Topic.STUDIES: ("1.2.3",)}
        queue(archive)
        assert changes() == dict.fromkeys((Topic.STUDIES, Topic.JOBS, Topic.DELIVERIES), (STUDY,))
        [due] = archive.deliveries.due("pacs", at(1), 9)
        archive.deliveries.lease(due.delivery_id, "me", at(1e6), at(1))
        assert changes() == {Topic.DELIVERIES: (STUDY,)}
        archive.deliveries.mark(due.delivery_id, "me", DeliveryState.REFUSED, "0xA900", at(2), at(2))
        assert changes() == {Topic.DELIVERIES: (STUDY,), Topic.STUDIES: (STUDY,)}
        archive.deployments.approve("brain", "d" * 64, DeploymentState.LIVE, NOW)
        archive.echoes.note(Echo(PeerKind.TARGET, "pacs", NOW, False, "no answer", 5))
        assert changes() == {Topic.MODELS: ("brain",), Topic.PEERS: ("pacs",)}
        assert changes() == {}
