"""DICOM knowledge without I/O of its own: UIDs, codes, geometry, pixels."""
