"""One device, many studies: networks stay loaded, and images of several studies go through them in one batch."""
