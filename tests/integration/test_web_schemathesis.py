"""The web role against its own OpenAPI description: requests that schemathesis makes up, answers that it judges.

``make fuzz-web`` runs the same for longer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import (
    CheckFunction,
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.schemas import APIOperation, BaseSchema

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.archive.records import DeploymentState
from dicomnode.settings import Settings
from dicomnode.web.app import create_app
from dicomnode.web.description import DESCRIPTION
from tests.unit.web.conftest import file_bytes, keep, make_dataset
from tests.unit.web.signed_in import Clock, make_account, make_token

EXAMPLES = int(os.environ.get("DICOMNODE_FUZZ_EXAMPLES", "3"))
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
HERE = {"study_uid": "1.2.1", "series_uid": "1.2.1.1", "sop_uid": "1.2.1.1.1", "numbers": "1", "element": "7FE00010"}
STOW = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b0undary'}
FILE = file_bytes(make_dataset())


@schemathesis.serializer("multipart/related")
def as_a_part(_context: object, value: object) -> bytes:
    """What was made up as an instance: alone, or in place of the end of a real one."""
    made = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    instance = FILE[: -len(made)] + made if len(made) % 2 else made
    return b"--b0undary\r\nContent-Type: application/dicom\r\n\r\n" + instance + b"\r\n--b0undary--\r\n"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with Archive.open(node_settings(tmp_path_factory.getbasetemp() / "fuzz")) as opened:
        keep(opened, FILE)
        opened.deployments.approve("lesions", "d" * 64, DeploymentState.LIVE, Clock()())
        yield opened


def node_settings(folder: Path) -> Settings:
    web = {"requests_per_minute": 10**6, "maximum_request_bytes": 10_000, "allowed_hosts": ["testserver"]}
    return Settings.model_validate({"node": {"data_dir": folder}, "web": web})


@pytest.fixture(scope="module")
def tokens(archive: Archive) -> list[dict[str, str]]:
    """Headers of an operator, of an administrator, and of nobody."""
    make_account(archive, "root", Role.ADMIN, Clock())
    roles = (Role.OPERATOR, Role.ADMIN)
    return [*(make_token(archive, "root", role, Clock(), days=10_000) for role in roles), {}]


@pytest.fixture(scope="module")
def described(archive: Archive, tokens: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> BaseSchema:
    app = create_app(archive, node_settings(tmp_path_factory.getbasetemp() / "fuzz"))
    app.state.bulletin.end()  # streams of events would go on
    return schemathesis.openapi.from_asgi(DESCRIPTION, app, headers=tokens[0])


def test_every_answer_is_one_that_is_described(described: BaseSchema, tokens: list[dict[str, str]]) -> None:
    operations = [result.ok() for result in described.get_all_operations()]
    assert len(operations) > 30
    for operation in operations:
        ask(operation, tokens)


def ask(operation: APIOperation, tokens: list[dict[str, str]]) -> None:
    """Ask one operation in many ways, of what is here and of what is not."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=EXAMPLES < 100,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.booleans(), signed_in=st.sampled_from(tokens))
    def asking(case: Case, known: bool, signed_in: dict[str, str]) -> None:
        if known:
            case.path_parameters = {name: HERE.get(name, value) for name, value in case.path_parameters.items()}
        is_stow = case.method == "POST" and case.operation.path.startswith("/dicom-web")
        answer = case.call(headers={**signed_in, **(STOW if is_stow and known else {})})
        case.validate_response(answer, checks=CHECKS)

    asking()
