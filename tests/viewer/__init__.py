"""What a radiologist sees: OHIF in a headless Chromium, on Orthanc and on the node."""
