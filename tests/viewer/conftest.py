"""Two archives with the same files, the viewer on each, and one Chromium that draws without a graphics card."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Role
from dicomnode.web.access.accounts import add_account
from dicomnode.web.viewer.installing import Installed, find_installed
from tests.peers_fixtures import CHROMIUM, ORTHANC, running_orthanc
from tests.serving import serving
from tests.unit.web.signed_in import PASSWORD, QUICK
from tests.viewer.cases import Case, brain, broken, exam, superseded
from tests.viewer.ohif import FLAGS, RADIOLOGIST, Ohif
from tests.viewer.serving import keep, settings_of, viewer_on

ALL = "DICOMNODE_TEST_VIEWER"
Address = Callable[[str], str]


@pytest.fixture(scope="package")
def ohif() -> Installed:
    """The viewer, installed by `dicomnode viewer install`."""
    found = find_installed(Path(os.environ.get("DICOMNODE_OHIF", "viewer")))
    assert found is not None
    return found


@pytest.fixture(scope="package")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """The studies by name."""
    folder = tmp_path_factory.mktemp("cases")
    made = {"brain": brain, "exam": exam, "broken": broken, "superseded": superseded}
    return {name: make(folder / name) for name, make in made.items()}


@pytest.fixture(scope="package")
def node_url(tmp_path_factory: pytest.TempPathFactory, ohif: Installed, cases: dict[str, Case]) -> Iterator[str]:
    """The pages of a node that holds the studies, and asks who looks at them."""
    settings = settings_of(tmp_path_factory.mktemp("node"), ohif, accounts=True)
    with Archive.open(settings) as archive:
        add_account(archive, QUICK, RADIOLOGIST, Role.VIEWER, PASSWORD, datetime.now(UTC), False)
        for case in cases.values():
            keep(archive, case.files)
        with serving(archive, settings) as url:  # from whose pages the viewer is one click away
            yield url


@pytest.fixture(scope="package")
def orthanc_url(tmp_path_factory: pytest.TempPathFactory, ohif: Installed, cases: dict[str, Case]) -> Iterator[str]:
    """The viewer's origin on an Orthanc that holds the studies."""
    folder = tmp_path_factory.mktemp("orthanc")
    settings = settings_of(folder, ohif)
    with ExitStack() as running:
        orthanc = running.enter_context(running_orthanc(folder / "orthanc"))
        for case in cases.values():
            for path in case.files:
                orthanc.upload(path)
        archive = running.enter_context(Archive.open(settings))
        yield running.enter_context(viewer_on(orthanc.url, archive, settings, ohif))


@pytest.fixture(params=["node", "orthanc"])
def address(request: pytest.FixtureRequest) -> Address:
    """Where an archive's viewer shows a study; the node's is where the click on its pages leads."""
    if request.param == "node":
        url = request.getfixturevalue("node_url")
        return lambda study: f"{url}/studies/{study}/viewer" if study else f"{url}/viewer"
    if not os.environ.get(ALL):
        pytest.skip(f"`make test-viewer` looks at Orthanc's studies too ({ALL})")
    if not ORTHANC.is_file():
        pytest.skip("needs Orthanc with its DICOMweb plug-in")
    url = request.getfixturevalue("orthanc_url")
    return lambda study: f"{url}/viewer?StudyInstanceUIDs={study}" if study else f"{url}/"


@pytest.fixture(scope="package")
def drawing_chromium() -> Iterator[Browser]:
    """The system's Chromium with WebGL in software."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def viewer(drawing_chromium: Browser, tmp_path: Path) -> Iterator[Ohif]:
    """Somebody at the viewer; a page that was kept from loading something fails the test."""
    somebody = Ohif(drawing_chromium, tmp_path)
    yield somebody
    somebody.close()
    assert not somebody.refused, somebody.refused
