"""Fuzzers of everything that reads what comes from outside.

    python -m tests.fuzz --seconds 600              mutated files, messages and PDUs, in turn
    python -m tests.fuzz --atheris header           one parser, guided by coverage

A parser may refuse with one of the node's own errors; anything else is a finding, and is printed with its input.
"""
