"""The settings of the node and of the second PACS, written as files that can be reused."""

from __future__ import annotations

import json
from pathlib import Path

from dicomnode.demo.folder import DemoFolder
from dicomnode.errors import UsageError
from dicomnode.settings import Settings
from dicomnode.settings.roles import ROLES

NODE, PACS = "node", "pacs"
NODE_AE_TITLE, PACS_AE_TITLE, MODALITY_AE_TITLE = "DICOMNODE", "DEMOPACS", "DEMOMR"
NODE_ROLES, PACS_ROLES = ROLES, ("receive", "web")

_LISTENERS = """
[receive]
host = "127.0.0.1"
port = 0  # a free one

[web]
host = "127.0.0.1"
port = 0
accounts = { required = false }  # no login: nobody else can reach this machine's loopback address
"""


def write_pacs_settings(folder: DemoFolder) -> Path:
    """Settings of the second PACS: it only receives, stores and answers."""
    head = f"# A small PACS: the node's own archive with the roles receive and web.\n{_node(PACS_AE_TITLE, PACS)}"
    callers = _peer("modality", MODALITY_AE_TITLE) + _peer("node", NODE_AE_TITLE)
    return _write(folder.settings(PACS), head + _LISTENERS + callers)


def write_node_settings(folder: DemoFolder, models: Path, pacs_port: int, pacs_web_port: int) -> Path:
    """Settings of the node: its answers go to the second PACS by C-STORE, which is asked by QIDO-RS besides."""
    rest = f"""
[completion]
quiet_period_seconds = 1.0  # the demo's study comes in one association

[models]
folder = {_text(models)}

[[targets]]
name = "demo-pacs"
ae_title = "{PACS_AE_TITLE}"
host = "127.0.0.1"
port = {pacs_port}
timeout_seconds = 5.0
pacs = "demo-pacs"  # asked who the patient is before sending, and whether it is there afterwards

[[pacs]]
name = "demo-pacs"
url = "http://127.0.0.1:{pacs_web_port}/dicom-web"
"""
    head = (
        f"# The node with its defaults: SQLite, a local folder, whatever device is there.\n{_node(NODE_AE_TITLE, NODE)}"
    )
    viewer = (
        f"viewer = {{ folder = {_text(find_viewer())}, port = 0 }}  # once `dicomnode viewer install` put it there\n"
    )
    return _write(folder.settings(NODE), head + _LISTENERS + viewer + rest + _peer("modality", MODALITY_AE_TITLE))


def find_models(named: Path | None) -> Path:
    """The folder of bundles: the one that was named, ``models`` here, or the one beside the package.

    Raises:
        UsageError: There is none.
    """
    beside = Path(__file__).parents[2] / "models"
    for folder in (named,) if named is not None else (Path("models"), beside):
        if folder is not None and folder.is_dir():
            return folder.absolute()
    raise UsageError(f"there is no folder of models at {named or beside}: name one with --models")


def find_viewer() -> Path:
    """Where `dicomnode viewer install` puts the viewer when it is called here."""
    return Settings.model_validate({}).web.viewer.folder.absolute()


def _peer(name: str, ae_title: str) -> str:
    return f"""
[[peers]]
name = "{name}"
ae_title = "{ae_title}"
addresses = ["127.0.0.1"]
may = ["echo", "store"]
"""


def _node(ae_title: str, data_dir: str) -> str:
    return f'[node]\nae_title = "{ae_title}"\ndata_dir = "{data_dir}"\n'


def _text(path: Path) -> str:
    # A JSON string is a TOML basic string, whatever characters the path holds.
    return json.dumps(str(path))


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path
