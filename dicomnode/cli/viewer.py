"""`dicomnode viewer`: put the radiologist's viewer OHIF beside the node, and see whether it is there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dicomnode.settings import Settings, load_settings

if TYPE_CHECKING:
    from dicomnode.web.viewer.fetching import Told
    from dicomnode.web.viewer.installing import Installed


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("viewer", help="install the viewer OHIF", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = actions.add_parser(
        "install",
        help="fetch OHIF and put it where the node serves it",
        description="Fetch the built OHIF from the npm registry (about 50 MB, licence MIT) or take it from a file, "
        "check that it is the version this node is made for, and put it into its folder. The node serves it from its "
        "next start on.",
    )
    install.add_argument("--from", dest="source", type=Path, metavar="FILE", help="the tarball that npm pack made")
    install.add_argument(
        "--registry", metavar="URL", help="npm registry (default: npm_config_registry, or that of npm itself)"
    )
    _add_folder(install)
    install.set_defaults(run=_install)
    status = actions.add_parser("status", help="say whether it is there", description="Say whether it is there.")
    _add_folder(status)
    status.set_defaults(run=_status)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="F", help="where it lies (default: web.viewer.folder)")


def _install(arguments: argparse.Namespace) -> int:
    from dicomnode.web.viewer.fetching import copy, fetch
    from dicomnode.web.viewer.installing import install
    from dicomnode.web.viewer.package import choose_registry

    settings = load_settings(arguments.settings)
    folder = _folder(arguments, settings)
    bring: Callable[[Path, Told], None]
    bring = partial(copy, arguments.source) if arguments.source else partial(fetch, choose_registry(arguments.registry))
    with _progress() as told:
        installed = install(folder, bring, told)
    _show(arguments, settings, folder, installed)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from dicomnode.web.viewer.installing import find_installed

    settings = load_settings(arguments.settings)
    folder = _folder(arguments, settings)
    _show(arguments, settings, folder, find_installed(folder))
    return 0


def _folder(arguments: argparse.Namespace, settings: Settings) -> Path:
    folder: Path = arguments.folder or settings.web.viewer.folder
    return folder.absolute()


def _show(arguments: argparse.Namespace, settings: Settings, folder: Path, installed: Installed | None) -> None:
    from dicomnode.web.viewer.installing import HOW_TO_GET_IT, size_of
    from dicomnode.web.viewer.package import LICENCE, VERSION

    served = settings.web.viewer.folder.absolute() == folder
    if arguments.json:
        size = 0 if installed is None else size_of(installed)
        about = {"installed": installed is not None, "version": VERSION, "licence": LICENCE, "folder": str(folder)}
        print(json.dumps({**about, "bytes": size, "port": settings.web.viewer.port, "served": served}))
    elif installed is None:
        print(f"OHIF {VERSION} is not in {folder}: `{HOW_TO_GET_IT}` fetches it")
    else:
        print(f"OHIF {VERSION} (licence {LICENCE}) is in {installed.folder}, {size_of(installed) / 1e6:.0f} MB")
        print(_where(settings) if served else f"the node serves {settings.web.viewer.folder} (web.viewer.folder)")


def _where(settings: Settings) -> str:
    port = settings.web.viewer.port or "a free port"
    return f"the node serves it on {port} of {settings.web.host} (web.viewer.port), from its next start on"


@contextmanager
def _progress() -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<9}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, int] = {}

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
                if not console.is_terminal:
                    console.print(f"{what} the viewer", highlight=False)
            progress.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield told
