"""`dicomnode bench query`: generated archives, and what is asked of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from dicomnode.archive.contents import miscounted
from dicomnode.archive.generated import add_generated, finish_generated, tables_in
from dicomnode.archive.records import QidoQuery
from dicomnode.benchmarks.archives import KINDS, generated_studies
from dicomnode.benchmarks.searches import SEARCHES, some_series
from dicomnode.cli.bench_query import add_query_parser
from dicomnode.errors import UsageError
from tests.archives import open_archive
from tests.postgresql import PostgresqlServer

_NO_KEYS = ("limit", "offset", "fuzzymatching")


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    add_query_parser(parser.add_subparsers())
    return parser.parse_args(["--json", "query", *words])


def test_a_generated_archive_is_a_sound_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    with open_archive(tmp_path) as archive:
        assert sum(add_generated(url, generated_studies(1500, seed=3))) == 1500
        finish_generated(url)
        assert miscounted(archive._database) == []
        first = archive.studies.search_studies(QidoQuery())
        more = sum(add_generated(url, generated_studies(100, seed=3, first=len(first))))
        finish_generated(url)
        found = archive.studies.search_studies(QidoQuery())
        assert more == 100
        assert sum(study.number_of_instances for study in found) == 1600
        assert {kind.modality for kind in KINDS} <= {modality for study in found for modality in study.modalities}
        assert sum(archive.jobs.counts().values()) == len(found)
        assert archive.jobs.unrouted() == []


def test_the_same_seed_makes_the_same_studies() -> None:
    assert list(generated_studies(300, seed=1)) == list(generated_studies(300, seed=1))
    assert list(generated_studies(300, seed=1)) != list(generated_studies(300, seed=2))


def test_requests_name_what_is_there(tmp_path: Path) -> None:
    url, random = f"sqlite:///{tmp_path / 'index.sqlite'}", np.random.default_rng(1)
    with open_archive(tmp_path) as archive:
        assert sum(add_generated(url, generated_studies(600, seed=3))) == 600
        finish_generated(url)
        series = some_series(archive, random, most=20)
        for search in SEARCHES:
            asked = search.ask(series[0], random)
            match = tuple(pair for pair in asked.parameters if pair[0] not in _NO_KEYS)
            if search.of_studies and match:
                fuzzy = ("fuzzymatching", "true") in asked.parameters
                found = archive.studies.search_studies(QidoQuery(match, fuzzy=fuzzy))
                assert bool(found) is ("nobody" not in search.name)


def test_the_command_tells_times_at_each_size(capsys: pytest.CaptureFixture[str]) -> None:
    told = arguments("--instances", "1000", "--repeats", "1")
    assert told.run(told) == 0
    (stage,) = json.loads(capsys.readouterr().out)["sizes"]
    assert stage["instances"] == 1000
    assert stage["arrival"] > 0
    assert [times["name"] for times in stage["times"]] == [search.name for search in SEARCHES]
    assert all(0 < times["p50"] <= times["p95"] <= times["p99"] for times in stage["times"])
    assert stage["searches"]["requests"] == sum(search.of_studies for search in SEARCHES)


@pytest.mark.postgresql
def test_a_database_is_left_as_empty_as_it_was(
    postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgresql.new_database(empty=True)
    told = arguments("--instances", "1000", "--repeats", "1", "--database-url", url)
    assert told.run(told) == 0
    assert json.loads(capsys.readouterr().out)["index"] == "PostgreSQL"
    assert tables_in(url) == []


@pytest.mark.postgresql
def test_a_database_that_holds_something_is_refused(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    told = arguments("--database-url", url)
    with pytest.raises(UsageError, match="give an empty one"):
        told.run(told)
    assert "studies" in tables_in(url)


@pytest.mark.parametrize("words", [("--instances", "10"), ("--repeats", "0")])
def test_numbers_that_measure_nothing_are_refused(words: tuple[str, str]) -> None:
    told = arguments(*words)
    with pytest.raises(UsageError, match=words[0]):
        told.run(told)
