"""status, trace, retry, echo and send, against an archive and an SCP."""

from __future__ import annotations

import json

import pytest

from dicomnode.archive.records import DeliveryState, DeploymentState, JobKind, NewEvidence, NewJob
from dicomnode.cli.destination import find_destination
from dicomnode.cli.main import main
from dicomnode.errors import UsageError
from dicomnode.settings import Settings, load_settings
from tests.archives import SR, at, complete, make_file, put
from tests.peers_fixtures import free_port

STUDY = "1.2.3"


@pytest.fixture
def settings_path(tmp_path):
    path = tmp_path / "dicomnode.toml"
    path.write_text(
        '[node]\ndata_dir = "data"\n[[targets]]\nname = "pacs"\nurl = "http://127.0.0.1:1/dicom-web"\n'
        f'[[targets]]\nname = "dimse"\nhost = "127.0.0.1"\nport = {free_port()}\nae_title = "PACS"\n'
    )
    return path


@pytest.fixture
def archive(settings_path):
    from dicomnode.archive import Archive

    with Archive.open(load_settings(settings_path)) as opened:
        yield opened


@pytest.fixture
def run(settings_path, capsys):
    """Run a command; gives its exit status and what it printed."""

    def call(*words):
        capsys.readouterr()
        status = main([*words, "--settings", str(settings_path)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def new_job(model):
    return NewJob(model, "d" * 64, JobKind.INFER, "fits", (f"{STUDY}.9",), ("pacs",), False)


@pytest.fixture
def history(archive):
    """A study with a failed job, and an answered one whose document was refused."""
    put(archive, make_file(study=STUDY))
    generation = complete(archive, STUDY)
    lines = [("brain", "runs on series 1.2.3.9"), ("broken", "runs too"), ("chest", "not run: modality MR is not DX")]
    archive.jobs.add_all(STUDY, generation, [new_job("brain"), new_job("broken")], lines, at(1))
    answered = archive.jobs.lease("worker", at(2), 60)
    path = archive.evidence.write_file(make_file("2.25.7", STUDY, SOPClassUID=SR), "2.25.7")
    evidence = NewEvidence("2.25.7", SR, "2.25.6", STUDY, "brain", "answer", path, 1)
    archive.jobs.finish(answered.job_id, "worker", [evidence], "{}", at(3))
    failed = archive.jobs.lease("worker", at(3), 60)
    archive.jobs.fail(failed.job_id, "worker", "weights are missing", at(4))
    [delivery] = archive.deliveries.due("pacs", at(4), 9)
    archive.deliveries.lease(delivery.delivery_id, "outbox", at(60), at(4))
    refused = DeliveryState.REFUSED
    archive.deliveries.mark(delivery.delivery_id, "outbox", refused, "0xC000 cannot understand", at(9), at(5))
    archive.deployments.approve("brain", "d" * 64, DeploymentState.LIVE, at(0))
    return failed.job_id, delivery.delivery_id


@pytest.mark.parametrize("words", [("status",), ("trace", STUDY), ("retry", "study", STUDY)])
def test_where_no_node_ever_ran_nothing_is_made(run, tmp_path, words):
    status, text = run(*words)
    assert (status, "no node has run on" in text) == (2, True)
    assert not (tmp_path / "data").exists()


def test_status_of_an_empty_node(run, archive):
    status, text = run("status")
    assert status == 0
    assert text.count("does not run") == 4


def test_status_counts_and_says_what_needs_attention(run, history):
    job, delivery = history
    _, text = run("status")
    assert f"job {job} (broken on study 1.2.3) failed: weights are missing" in text.replace("\n", " ")
    assert f"delivery {delivery} to pacs refused: 0xC000" in text.replace("\n", " ")
    _, text = run("status", "--json")
    said = json.loads(text)
    assert said["jobs"] == {"done": 1, "failed": 1}
    assert said["deliveries"] == {"pacs": {"refused": 1}}
    assert (said["studies"], said["models"]) == ({"complete": 1}, {"brain": "live"})
    assert said["roles"]["web"] == {"running": False, "port": None}
    assert [line.split()[0] for line in said["attention"]] == ["no", "job", "delivery"]


def test_status_tells_the_last_failure_while_the_next_attempt_is_under_way(run, archive, history):
    _, delivery = history
    archive.deliveries.retry(at(6), delivery)
    archive.deliveries.lease(delivery, "outbox", at(60), at(7))
    _, text = run("status")
    assert f"delivery {delivery} to pacs sending: 0xC000 cannot understand; attempt 2 is under way" in text


def test_trace_tells_for_every_model_why(run, history):
    status, text = run("trace", STUDY)
    assert status == 0
    for words in (
        "study 1.2.3: complete, generation 1",
        "brain: runs on series 1.2.3.9",
        "chest: not run: modality MR is not DX",
        "broken infer failed: weights are missing",
        "to pacs: refused (0xC000 cannot understand), 1 attempt(s)",
    ):
        assert words in text
    assert "Doe" not in text
    _, text = run("trace", STUDY, "--json")
    said = json.loads(text)
    assert said["models"]["chest"] == "not run: modality MR is not DX"
    assert said["deliveries"][0]["state"] == "refused"


def test_trace_of_an_unknown_study_is_an_error(run, archive):
    status, text = run("trace", "9.9.9")
    assert status == 1
    assert text.startswith("error: study 9.9.9 is not in the archive")


def test_retry_of_a_study_brings_back_its_failed_jobs_and_deliveries(run, history, archive):
    status, text = run("retry", "study", STUDY)
    assert (status, text) == (0, "asked for again: 1 job(s), 1 delivery(ies)\n")
    assert [str(job.state) for job in archive.jobs.list()] == ["done", "waiting"]
    assert [str(delivery.state) for delivery in archive.deliveries.list()] == ["waiting"]


def test_retry_of_one_job_and_of_one_delivery(run, history):
    job, delivery = history
    assert json.loads(run("retry", "job", str(job), "--json")[1]) == {"jobs": 1, "deliveries": 0}
    assert json.loads(run("retry", "delivery", str(delivery), "--json")[1]) == {"jobs": 0, "deliveries": 1}


@pytest.mark.parametrize(
    ("words", "status"),
    [(("job", "99"), 1), (("delivery", "99"), 1), (("study", "9.9"), 1), (("job", "x"), 2), (("job", "1"), 1)],
)
def test_retry_of_what_cannot_be_retried(run, history, words, status):
    assert run("retry", *words)[0] == status


def test_echo_by_address_and_by_name(run, store_scp, settings_path):
    port = next(t.port for t in load_settings(settings_path).targets if t.name == "dimse")
    status, text = run("echo", "dimse")
    assert (status, "cannot connect" in text) == (1, True)
    store_scp(port=port)
    assert run("echo", "dimse")[0] == 0
    status, text = run("echo", f"127.0.0.1:{port}:PACS", "--json")
    assert (status, json.loads(text)["answered"]) == (0, True)
    status, text = run("echo", f"127.0.0.1:{port}:OTHER")
    assert (status, "Called AE title not recognised" in text) == (1, True)
    assert run("echo", "pacs")[0] == 2


def test_send_sends_the_dicom_files_of_a_folder_and_tells_of_the_others(run, store_scp, tmp_path):
    folder = tmp_path / "files" / "deep"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(make_file(f"1.2.3.{number + 1}"))
    (folder / "notes.txt").write_text("no DICOM")
    scp = store_scp(answer=lambda uid: 0xC000 if uid.endswith(".2") else 0x0000)
    status, text = run("send", str(tmp_path / "files"), "--to", f"127.0.0.1:{scp.port}:PACS")
    assert status == 1
    assert "1.dcm: 0xC000" in text
    assert "notes.txt" in text
    assert "3 file(s): 2 success, 1 permanent" in text
    assert sorted(scp.received) == ["1.2.3.1", "1.2.3.3"]
    status, text = run("send", str(folder / "0.dcm"), "--to", f"127.0.0.1:{scp.port}:PACS", "--json")
    assert (status, json.loads(text)["sent"][0]["outcome"]) == (0, "success")


def test_send_without_anything_to_send_is_bad_usage(run, tmp_path):
    assert run("send", str(tmp_path / "nowhere"), "--to", "pacs")[0] == 2
    (tmp_path / "empty").mkdir()
    assert run("send", str(tmp_path / "empty"), "--to", "pacs")[0] == 2


@pytest.mark.parametrize("text", ["nowhere", "host:port:AE", "host:104", "host:99999:AE", "host:104:" + "A" * 17])
def test_a_destination_that_is_none_is_told(text):
    with pytest.raises(UsageError, match="neither a target"):
        find_destination(text, Settings())


def test_a_destination_may_be_an_address_or_a_url():
    dimse = find_destination("::1:104:PACS", Settings())
    assert (dimse.host, dimse.port, dimse.ae_title) == ("::1", 104, "PACS")
    assert find_destination("https://pacs/dicom-web", Settings()).url == "https://pacs/dicom-web"


def test_replay_chooses_by_day_and_says_how_many(run, archive, history):
    status, text = run("replay", "--from", "2026-11-21", "--to", "2026-11-21", "--model", "brain", "--json")
    assert (status, json.loads(text)) == (0, {"studies": [STUDY], "skipped": 0})
    assert archive.replays.asked(STUDY).model_name == "brain"
    assert run("replay", "--study", STUDY)[1].count("1 left out") == 1
    assert run("replay", "--from", "2026-11-22", "--json")[1].count('"studies": []') == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "say which studies"), (("--from", "2026-11-21", "--model", "unheard"), "was never approved")],
)
def test_replay_says_what_is_wrong(run, archive, words, said):
    status, text = run("replay", *words)
    assert status in (1, 2)
    assert said in text


def test_what_a_target_refused_can_be_listed_and_tried_again(run, archive, history):
    _, delivery = history
    archive.deliveries.retry(at(6), delivery)
    archive.deliveries.lease(delivery, "outbox", at(60), at(7))
    said = {"answer": "Patient unknown here"}
    archive.deliveries.mark(delivery, "outbox", DeliveryState.REFUSED, "HTTP 422", at(9), at(8), **said)
    _, text = run("deliveries", "list", "--state", "refused", "--json")
    [shown] = json.loads(text)
    assert (shown["delivery"], shown["status"], shown["answer"]) == (delivery, "HTTP 422", "Patient unknown here")
    _, text = run("deliveries", "list", "--target", "pacs", "--study", STUDY)
    assert "it said: Patient unknown here" in text
    assert run("deliveries", "list", "--target", "other") == (0, "none\n")
    assert "0 job(s), 1 delivery(ies)" in run("retry", "target", "pacs")[1]
    assert archive.deliveries.list()[0].state is DeliveryState.WAITING


def test_a_held_delivery_can_be_sent_as_it_is_and_nothing_else_can(run, archive, history):
    _, delivery = history
    status, text = run("deliveries", "release", str(delivery))
    assert (status, f"delivery {delivery} is refused: only held ones are released" in text) == (1, True)
    archive.deliveries.retry(at(6), delivery)
    archive.deliveries.lease(delivery, "outbox", at(60), at(7))
    archive.deliveries.mark(delivery, "outbox", DeliveryState.HELD, "the PACS names another Patient ID", at(9), at(8))
    assert f"`dicomnode deliveries release {delivery}` sends it as it is" in run("status")[1].replace("\n", " ")
    assert run("deliveries", "release", str(delivery))[0] == 0
    [released] = archive.deliveries.list()
    assert (released.state, released.released) == (DeliveryState.WAITING, True)
    assert archive.audit.list()[0].event == "delivery released"


def test_a_study_of_two_patients_is_shown_and_settled(run, archive, history):
    other = make_file("1.2.3.2", STUDY, PatientID="P2", PatientName="Roe^Richard")
    put(archive, other)
    assert "no model runs on it until `dicomnode identity settle`" in run("status")[1].replace("\n", " ")
    assert f"study {STUDY}: instance 1.2.3.2 has another Patient ID" in run("identity", "list")[1]
    _, text = run("identity", "show", STUDY)
    assert "Patient ID 'P2', issuer '': Roe^Richard, born unknown: 1 instance(s), 1 kept aside, such as 1.2.3.2" in text
    assert json.loads(run("identity", "settle", STUDY, "--discard", "--json")[1])["others"] == 1
    assert run("identity", "list", "--json")[1].strip() == "[]"
