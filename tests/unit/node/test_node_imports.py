"""What each process of the node takes in: a second of modules for each would be missed at every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dicomnode.archive import Archive
from dicomnode.settings import load_settings

PARTS = """
import sys
from pathlib import Path
from dicomnode.archive import Archive
from dicomnode.node import roles
from dicomnode.settings import load_settings
settings = load_settings(Path(sys.argv[1]))
with Archive.open(settings) as archive:
    {"receive": roles._receive, "dispatch": roles._dispatch, "infer": roles._infer}[sys.argv[2]](settings, archive)
print(*sys.modules)
"""


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    path = tmp_path / "dicomnode.toml"
    path.write_text(f'[node]\ndata_dir = "{tmp_path}/data"\n[receive]\naccept_unknown_peers = true\n')
    return path


def taken_in(*command: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", *command], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.split())


def test_the_supervisor_needs_no_index() -> None:
    code = "import sys, dicomnode.cli.serve, dicomnode.node.supervisor, dicomnode.node.service; print(*sys.modules)"
    assert not taken_in(code) & {"sqlalchemy", "pydicom", "numpy", "cryptography.x509.verification", "torch"}


@pytest.mark.parametrize("role", ["receive", "dispatch", "infer"])
def test_a_role_is_ready_without_frameworks(role: str, settings_path: Path) -> None:
    Archive.open(load_settings(settings_path)).close()  # Alembic makes the tables once
    assert not taken_in(PARTS, str(settings_path), role) & {"torch", "monai", "scipy", "highdicom", "alembic"}
