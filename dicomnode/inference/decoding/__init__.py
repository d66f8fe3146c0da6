"""Compressed frames decoded in processes of their own, which need no torch and whose end is nobody else's."""
