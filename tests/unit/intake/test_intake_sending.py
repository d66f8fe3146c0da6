"""Who sends what, where the connection and the storing of its last instance end in either order."""

from pathlib import Path

import pytest

from dicomnode.intake.sending import Sending
from tests.archives import at, make_file, open_archive, put


@pytest.mark.parametrize("close_first", [False, True], ids=["stored, then closed", "closed, then stored"])
def test_a_broken_connection_never_holds_its_study_open(tmp_path: Path, close_first: bool) -> None:
    with open_archive(tmp_path) as archive:
        sending = Sending(archive, lambda: at(1))
        if close_first:
            sending.close()
        sending.touch("1.2.3")
        put(archive, make_file())
        if not close_first:
            sending.close()
        (study,) = archive.studies.open_studies()
        assert (study.open_associations, study.last_released) == (0, at(1))
