"""DICOM out to pictures that annotation tools open, and what was drawn on them back to DICOM."""
