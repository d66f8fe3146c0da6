"""MONAI bundles: load, check, identify by digest, deploy."""
