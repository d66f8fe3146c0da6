"""The roles of a node, each a process of its own."""

ROLES = ("receive", "dispatch", "infer", "web")
