"""What the node costs and how fast it is, measured beside its peers; each module is behind one `dicomnode bench`."""
