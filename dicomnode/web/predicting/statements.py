"""What whoever shows files to a model must know, on the page and in every answer."""

from __future__ import annotations

from dicomnode.web.languages import marked

NOT_KEPT = marked("The files are not kept: they are looked at in memory and forgotten.")
NOT_CLEARED = marked("The models are not cleared for diagnosis.")
UNVERIFIED = marked("No human has verified the answer.")
STATEMENTS = (NOT_KEPT, NOT_CLEARED, UNVERIFIED)
