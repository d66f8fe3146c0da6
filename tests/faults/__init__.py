"""Faults injected into a running node, and a checker that shares no code with it.

    python -m tests.faults --kills 200        the table of faults, runs and losses

Each scenario runs the real node against real peers, breaks something, and then counts: every instance that a sender
saw acknowledged is in the archive with its bytes; every study has exactly one current result in the PACS; nothing that
was refused is told as delivered.
"""
