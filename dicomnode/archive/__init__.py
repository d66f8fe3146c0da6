"""The archive: the files on disk and the index, every table and query of the node."""

from dicomnode.archive.archive import Archive

__all__ = ["Archive"]
