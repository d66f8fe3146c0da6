"""The node's DICOM Conformance Statement (PS3.2), written from its settings and from the tables that it works by."""

from dicomnode.conformance.document import to_html, to_markdown
from dicomnode.conformance.statement import write_statement

__all__ = ["to_html", "to_markdown", "write_statement"]
