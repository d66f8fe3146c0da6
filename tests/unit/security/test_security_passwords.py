"""Passwords: argon2id, and what may not be one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dicomnode.errors import TooManyTriesError, UsageError
from dicomnode.security.passwords import Passwords, check_new_password, make_password, make_secret, secret_digest

QUICK = Passwords(passes=1, memory_kib=8)


def test_a_hash_fits_its_password_only() -> None:
    stored = QUICK.hash("four words of a test")
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert stored != QUICK.hash("four words of a test")
    assert QUICK.match(stored, "four words of a test")
    assert not QUICK.match(stored, "four words of a Test")


@pytest.mark.parametrize("stored", ["", "four words of a test", "$argon2id$broken"])
def test_what_is_no_hash_fits_nothing(stored: str) -> None:
    assert not QUICK.match(stored, "")
    assert not QUICK.match(stored, "four words of a test")


def test_a_flood_is_turned_away() -> None:
    slow = Passwords(passes=60, memory_kib=4096)
    with ThreadPoolExecutor(40) as pool:
        made = [pool.submit(slow.hash, "four words of a test") for _ in range(40)]
        refused = [future for future in made if isinstance(future.exception(), TooManyTriesError)]
    assert 0 < len(refused) <= 32


def test_the_nodes_own_parameters_are_costly() -> None:
    assert Passwords().hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["short", "x" * 257, "my eva password", "EVA's sentence!", "aaaabbbbccccdddd"])
def test_what_would_be_guessed_is_refused(password: str) -> None:
    with pytest.raises(UsageError):
        check_new_password("eva", password)


def test_a_sentence_is_a_password() -> None:
    check_new_password("eva", "ein Satz mit Wörtern")


def test_made_ones_are_long_and_never_the_same() -> None:
    made = {make_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_new_password("admin", password)
    assert len({make_secret() for _ in range(50)}) == 50
    assert len(make_secret()) == 43
    assert secret_digest("x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
