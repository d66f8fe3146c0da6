"""Where the demo writes: one folder with a name for everything, emptied at each start."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dicomnode.errors import UsageError

_MARK = ".dicomnode-demo"


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The parts of the demo's folder.

    Attributes:
        root: The folder.
    """

    root: Path

    @property
    def study(self) -> Path:
        """The drawn study, as files."""
        return self.root / "study"

    @property
    def evidence(self) -> Path:
        """What came back from the second PACS."""
        return self.root / "evidence"

    @property
    def pictures(self) -> Path:
        """Overlay pictures."""
        return self.root / "pictures"

    @property
    def report(self) -> Path:
        """The sentences of the text reports."""
        return self.root / "report.txt"

    def data(self, system: str) -> Path:
        """Data folder of ``node`` or ``pacs``."""
        return self.root / system

    def settings(self, system: str) -> Path:
        """Settings file of ``node`` or ``pacs``."""
        return self.root / f"{system}.toml"

    def log(self, system: str) -> Path:
        """Log of all roles of ``node`` or ``pacs``."""
        return self.root / f"{system}.log"


def prepare_folder(root: Path) -> DemoFolder:
    """Make the folder, or empty the one that an earlier demo made.

    Raises:
        UsageError: There is something in it that no demo wrote.
    """
    mark = root / _MARK
    if root.is_dir() and any(root.iterdir()):
        if not mark.is_file():
            raise UsageError(f"{root} holds other files: name an empty or new folder with --out")
        shutil.rmtree(root)
    folder = DemoFolder(root.absolute())
    for path in (root, folder.study, folder.evidence, folder.pictures):
        path.mkdir(parents=True, exist_ok=True)
    mark.write_text("made by dicomnode demo; emptied at its next start\n", encoding="utf-8")
    return folder
