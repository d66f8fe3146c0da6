"""The web role: REST API, DICOMweb origin server, pages, health."""

from dicomnode.web.app import create_app
from dicomnode.web.server import serve_web

__all__ = ["create_app", "serve_web"]
