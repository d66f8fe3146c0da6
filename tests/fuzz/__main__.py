"""`python -m tests.fuzz`: every fuzzer for so many seconds; exit status 1 at a finding."""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutations import mutated
from tests.fuzz.parsers import PARSERS, seeds, survives
from tests.fuzz.pdus import answers_echo, conversation, talk
from tests.node_fixtures import BUNDLES, Node

_TALKS_BETWEEN_ECHOES = 10
_POOL = 200


def main() -> int:
    """Run the fuzzers that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for each fuzzer")
    parser.add_argument("--seed", type=int, default=None, help="repeats a run")
    parser.add_argument("--only", choices=[*PARSERS, "pdus"])
    parser.add_argument("--atheris", choices=list(PARSERS), help="guide this one by coverage")
    chosen = parser.parse_args()
    if chosen.atheris:
        return guided(chosen.atheris, chosen.seconds)
    seed = random.SystemRandom().getrandbits(32) if chosen.seed is None else chosen.seed
    findings = 0
    for name in [chosen.only] if chosen.only else [*PARSERS, "pdus"]:
        run = fuzz_pdus if name == "pdus" else fuzz_parser(name)
        tries, found = run(random.Random(seed), chosen.seconds)
        findings += found
        print(f"{name}: {tries} inputs in {chosen.seconds:g} s, {found} finding(s), seed {seed}", flush=True)
    return 1 if findings else 0


def fuzz_parser(name: str) -> Callable[[random.Random, float], tuple[int, int]]:
    """A run of one parser: how many inputs, how many findings."""

    def run(chance: random.Random, seconds: float) -> tuple[int, int]:
        pool, tries, findings, end = seeds(name), 0, 0, time.monotonic() + seconds
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the commands do: pydicom warns of every odd value
            while time.monotonic() < end:
                data = mutated(chance.choice(pool), chance)
                tries += 1
                try:
                    if survives(PARSERS[name], data) and len(pool) < _POOL:
                        pool.append(data)  # what is still taken is a start for deeper damage
                except Exception:  # noqa: BLE001  the finding
                    findings += 1
                    traceback.print_exc()
                    print(f"input of {name}: {data.hex()}", file=sys.stderr)
        return tries, findings

    return run


def fuzz_pdus(chance: random.Random, seconds: float, engine: str = "own") -> tuple[int, int]:
    """A run against the listener of a whole node."""
    tries = 0
    receive = {"accept_unknown_peers": True, "network_timeout_seconds": 5.0, "engine": engine}
    with tempfile.TemporaryDirectory(prefix="dicomnode-fuzz-") as folder:
        node = Node(Path(folder), {"receive": receive}, BUNDLES)
        node.start(wait=False)
        try:
            pid = node.presence("receive")["pid"]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                talk(node.dicom_port, conversation(chance))
                tries += 1
                if tries % _TALKS_BETWEEN_ECHOES == 0 and not answers_echo(node.dicom_port):
                    return tries, 1
            return tries, int(node.presence("receive")["pid"] != pid)
        finally:
            node.stop(60)


def guided(name: str, seconds: float) -> int:
    """Let libFuzzer look for new paths; it ends the process, with a status other than 0 at a finding."""
    import atheris

    for module in [module for module in sys.modules if module.startswith("dicomnode.")]:
        del sys.modules[module]  # to be loaded once more, with counters at every branch
    with atheris.instrument_imports(include=["dicomnode"]):
        importlib.reload(sys.modules["tests.fuzz.parsers"])
    parsers = sys.modules["tests.fuzz.parsers"]

    def try_one(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsers.survives(parsers.PARSERS[name], data)

    with tempfile.TemporaryDirectory(prefix="dicomnode-fuzz-") as corpus:
        for number, data in enumerate(seeds(name)):
            Path(corpus, f"seed{number}").write_bytes(data)
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds:.0f}", "-verbosity=0"], try_one)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
