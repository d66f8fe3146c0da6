"""`dicomnode serve`: run the node, or one role of it."""

from __future__ import annotations

import argparse
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from dicomnode.node.log_setup import set_up_logging
from dicomnode.settings import Settings, load_settings
from dicomnode.settings.roles import ROLES

_log = logging.getLogger("dicomnode.serve")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("serve", help="run the node", description=__doc__)
    parser.add_argument("--role", choices=ROLES, help="only this role, here")
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped by SIGTERM or SIGINT."""
    settings = load_settings(arguments.settings)
    set_up_logging(settings.log)
    if arguments.role is None:
        return _supervise(settings, arguments.settings)
    if not arguments.with_parent:  # the supervisor has said it
        _tell_risks(settings)
    from dicomnode.node.roles import run_role
    from dicomnode.node.stopping import Stopper

    stopper = Stopper()
    if arguments.with_parent:
        stopper.with_parent()
    status = 0 if run_role(arguments.role, settings, stopper) else 1
    logging.shutdown()
    # Everything is closed; what the interpreter would still tear down takes seconds, and a thread that is
    # still busy would hold it for ever. Its work is durable and resumes at the next start.
    os._exit(status)


def _tell_risks(settings: Settings) -> None:
    from dicomnode.security.health import certificate_problems, open_secrets

    for line in (*open_secrets(settings), *certificate_problems(settings, datetime.now(UTC))):
        _log.warning("%s", line)


def _supervise(settings: Settings, settings_path: Path | None) -> int:
    from dicomnode.node.presence import Presence
    from dicomnode.node.service import READY, tell_service_manager
    from dicomnode.node.stopping import Stopper
    from dicomnode.node.supervisor import ROLES, role_command, supervise

    def on_ready(present: dict[str, Presence]) -> None:
        _log.info("%s", ready_line(settings, present["receive"].port, present["web"].port))
        tell_service_manager(READY, os.environ)

    stopper = Stopper()
    stopper.on_signals()
    _tell_risks(settings)
    _log.info("dicomnode starts, process %d, folder %s", os.getpid(), settings.node.data_dir)
    supervise(ROLES, lambda role: role_command(role, settings_path), settings.node.data_dir, stopper, on_ready)
    _log.info("dicomnode has stopped")
    return 0


def ready_line(settings: Settings, dimse_port: int | None, web_port: int | None) -> str:
    """Where the node is to be found."""
    web = f"{'https' if settings.web.tls.enabled else 'http'}://{settings.web.host}:{web_port}"
    secured = " by TLS" if settings.receive.tls.enabled else ""
    return (
        f"ready: DICOM {settings.node.ae_title} at {settings.receive.host}:{dimse_port}{secured}, "
        f"web {web}/, DICOMweb {web}/dicom-web"
    )
