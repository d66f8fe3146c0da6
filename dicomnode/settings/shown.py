"""Addresses as they may be told in pages, logs and the index."""

from __future__ import annotations

from urllib.parse import urlsplit

HIDDEN = "••••"


def shown_url(text: str) -> str:
    """An address without the secrets that a URL may hold: a password, a token in a name's place, a query.

    Args:
        text: What holds no ``://`` stays as it is.
    """
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:  # half an IPv6 address
        return HIDDEN
    user, mark, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = parts._replace(netloc=f"{f'{name}:' if colon else ''}{HIDDEN}@{host}") if mark else parts
    return (shown._replace(query=HIDDEN) if shown.query else shown).geturl()
