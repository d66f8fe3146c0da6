"""The web role: REST API, DICOMweb origin server, pages, health."""
