"""Showing files to a model that answers at once: what came in memory, a process that looks at it, and a short queue."""
