"""The review page: a table of pictures is looked through and corrected, row by row."""

from dicomnode.web.review.app import create_review_app
from dicomnode.web.review.server import serve_review
from dicomnode.web.review.table import Row, Table

__all__ = ["Row", "Table", "create_review_app", "serve_review"]
