"""The files on disk and the index: every table and query of the node."""
