"""The programs' interface, `/api/v1`: typed bodies, and the functions that pages call too."""
