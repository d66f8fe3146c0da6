"""Findings to DICOM SR and SEG, and the gate that checks each object before it leaves."""
