"""The first start: nobody can sign in yet, so an administrator is made whose password is told once."""

from __future__ import annotations

import logging
import sys
from datetime import datetime

from dicomnode.archive.archive import Archive
from dicomnode.security.passwords import Passwords
from dicomnode.settings import WebSettings
from dicomnode.web.access.accounts import FIRST, add_first_account

_LOG = logging.getLogger(__name__)


def make_first_account(archive: Archive, settings: WebSettings, now: datetime) -> None:
    """Make the first administrator where logins are required and there is no account.

    Its one-time password goes to standard error as it is, and never through logging, whose lines are kept.
    """
    if not settings.accounts.required:
        return
    password = add_first_account(archive, Passwords(), now)
    if password is None:
        return
    _LOG.info("the first account %s was made; its one-time password was told on standard error, this once", FIRST)
    text = f"\n  One-time password of the account {FIRST}: {password}\n  It must be changed at the first login.\n"
    print(text, file=sys.stderr, flush=True)
