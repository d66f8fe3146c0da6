"""`dicomnode accounts`: who may use the pages and the interfaces.

Passwords are generated, or asked for with --prompt; they are never words of a command line, where others see them.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from dicomnode.archive import Archive
from dicomnode.archive.account_records import Account, ApiToken, Role
from dicomnode.errors import UsageError
from dicomnode.settings import load_settings

_ROLES = [str(role) for role in Role]
_DAYS, _MOST_DAYS = 365, 3650
_EXAMPLES = """examples:
  dicomnode accounts add eva --role viewer        prints a one-time password; --prompt asks for one
  dicomnode accounts set-role eva operator
  dicomnode accounts token add eva --role sender --label "CT 2" --days 365
"""

# Whoever may run the command may change the index: the operating system knows who that was.
_ACTOR = "dicomnode accounts"

Work = Callable[[Archive, argparse.Namespace], int]


def add_parser(subparsers: Any) -> None:
    """Add the command and its own sub-commands."""
    parser = subparsers.add_parser(
        "accounts",
        help="who may use the pages and the interfaces",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="accounts_command", required=True, metavar="COMMAND")
    _command(commands, "list", "every account", _list)
    add = _named(commands, "add", "add an account with a one-time password", _add)
    add.add_argument("--role", choices=_ROLES, default="viewer", help="default: viewer")
    add.add_argument("--prompt", action="store_true", help="ask for the password instead of making one")
    role = _named(commands, "set-role", "give an account another role", _set_role)
    role.add_argument("role", choices=_ROLES)
    _named(commands, "disable", "close an account, its logins and tokens", _disable)
    _named(commands, "enable", "open an account again", _enable)
    reset = _named(commands, "reset-password", "a new one-time password; ends all logins and any lock", _reset)
    reset.add_argument("--prompt", action="store_true", help="ask for the password instead of making one")
    _add_tokens(commands.add_parser("token", help="tokens of programs", description="Tokens of programs."))


def _add_tokens(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="token_command", required=True, metavar="list|add|revoke")
    _command(commands, "list", "every token, without its secret", _list_tokens)
    add = _named(commands, "add", "make a token for an account; it is shown this once", _add_token)
    add.add_argument("--role", choices=_ROLES, default="sender", help="at most the account's (default: sender)")
    add.add_argument("--label", default="", help="what it is for")
    add.add_argument("--days", type=int, default=_DAYS, help=f"until it expires (default: {_DAYS})")
    revoke = _command(commands, "revoke", "end a token", _revoke_token)
    revoke.add_argument("number", type=int, help="as `dicomnode accounts token list` shows it")


def _named(commands: Any, name: str, text: str, work: Work) -> argparse.ArgumentParser:
    parser = _command(commands, name, text, work)
    parser.add_argument("name", help="of the account")
    return parser


def _command(commands: Any, name: str, text: str, work: Work) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=lambda arguments: _run(work, arguments))
    return parser


def _run(work: Work, arguments: argparse.Namespace) -> int:
    with Archive.open(load_settings(arguments.settings)) as archive:
        return work(archive, arguments)


def _list(archive: Archive, arguments: argparse.Namespace) -> int:
    accounts = archive.accounts.list()
    if arguments.json:
        print(json.dumps([_account_values(account) for account in accounts], indent=2))
        return 0
    for account in accounts:
        notes = [
            "disabled" if account.disabled else "",
            "one-time password" if account.must_change else "",
            "" if account.password_hash else "signed in by a provider",
        ]
        print(f"{account.name}  {account.role}  {', '.join(note for note in notes if note)}".rstrip())
    if not accounts:
        print("no accounts yet; the first start of the web role makes admin")
    return 0


def _add(archive: Archive, arguments: argparse.Namespace) -> int:
    from dicomnode.security.passwords import Passwords
    from dicomnode.web.access.accounts import add_account

    password = _password(arguments)
    must_change = not arguments.prompt
    add_account(archive, Passwords(), arguments.name, Role(arguments.role), password, _now(), must_change, _ACTOR)
    return _tell_password(arguments, password)


def _set_role(archive: Archive, arguments: argparse.Namespace) -> int:
    archive.accounts.set_role(arguments.name, Role(arguments.role), _now(), _ACTOR)
    return _tell(arguments, {"name": arguments.name, "role": arguments.role})


def _disable(archive: Archive, arguments: argparse.Namespace) -> int:
    archive.accounts.set_disabled(arguments.name, True, _now(), _ACTOR)
    return _tell(arguments, {"name": arguments.name, "disabled": True})


def _enable(archive: Archive, arguments: argparse.Namespace) -> int:
    archive.accounts.set_disabled(arguments.name, False, _now(), _ACTOR)
    return _tell(arguments, {"name": arguments.name, "disabled": False})


def _reset(archive: Archive, arguments: argparse.Namespace) -> int:
    from dicomnode.security.passwords import Passwords
    from dicomnode.web.access.accounts import find_account, give_password

    find_account(archive, arguments.name)
    password = _password(arguments)
    give_password(
        archive, Passwords(), arguments.name, password, _now(), must_change=not arguments.prompt, actor=_ACTOR
    )
    return _tell_password(arguments, password)


def _list_tokens(archive: Archive, arguments: argparse.Namespace) -> int:
    tokens = archive.tokens.list()
    if arguments.json:
        print(json.dumps([_token_values(token) for token in tokens], indent=2))
        return 0
    now = _now()
    for token in tokens:
        until = f"until {token.expires:%Y-%m-%d}" if token.is_valid(now) and token.expires else "no longer valid"
        print(f"{token.token_id}  {token.account}  {token.role}  {until}  {token.label}".rstrip())
    if not tokens:
        print("no tokens yet; `dicomnode accounts token add NAME` makes one")
    return 0


def _add_token(archive: Archive, arguments: argparse.Namespace) -> int:
    from dicomnode.web.access.accounts import add_token

    if not 1 <= arguments.days <= _MOST_DAYS:
        raise UsageError(f"--days {arguments.days}: a token lasts 1 to {_MOST_DAYS} days")
    now = _now()
    expires = now + timedelta(days=arguments.days)
    number, token = add_token(archive, arguments.name, arguments.label, Role(arguments.role), now, expires, _ACTOR)
    if arguments.json:
        print(json.dumps({"token_id": number, "token": token, "expires": expires.isoformat()}))
    else:
        print(f"token {number} of {arguments.name}, {arguments.role}, until {expires:%Y-%m-%d}, shown this once:")
        print(token)
    return 0


def _revoke_token(archive: Archive, arguments: argparse.Namespace) -> int:
    archive.tokens.revoke(arguments.number, _now(), _ACTOR)
    return _tell(arguments, {"token_id": arguments.number, "revoked": True})


def _password(arguments: argparse.Namespace) -> str:
    """A made password, or one that was typed twice, or came by a line of standard input from a program."""
    from dicomnode.security.passwords import check_new_password, make_password

    if not arguments.prompt:
        return make_password()
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {arguments.name}: ")
        if getpass.getpass("Again: ") != password:
            raise UsageError("the password was typed in two ways")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    check_new_password(arguments.name, password)
    return password


def _tell_password(arguments: argparse.Namespace, password: str) -> int:
    if arguments.prompt:
        return _tell(arguments, {"name": arguments.name})
    if arguments.json:
        print(json.dumps({"name": arguments.name, "one_time_password": password}))
    else:
        print(f"one-time password of {arguments.name}, to be changed at the first login:")
        print(password)
    return 0


def _tell(arguments: argparse.Namespace, values: dict[str, object]) -> int:
    print(json.dumps(values) if arguments.json else ", ".join(f"{key} {value}" for key, value in values.items()))
    return 0


def _account_values(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "role": str(account.role),
        "disabled": account.disabled,
        "must_change": account.must_change,
        "by_provider": not account.password_hash,
        "created": account.created.isoformat(),
    }


def _token_values(token: ApiToken) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "account": token.account,
        "role": str(token.role),
        "label": token.label,
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
        "revoked": token.revoked,
    }


def _now() -> datetime:
    return datetime.now(UTC)
