"""`python -m dicomnode`, the same as the `dicomnode` command."""

from __future__ import annotations

import sys

from dicomnode.cli.main import main

sys.exit(main())
