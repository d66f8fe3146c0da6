"""Arrivals that are acknowledged once a journal holds them, and indexed in batches a moment later."""
