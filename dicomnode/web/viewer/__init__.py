"""The radiologist's viewer: OHIF, fetched once, served beside the pages on an origin of its own."""
