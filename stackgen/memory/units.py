"""Units that the whole room counts in."""

from __future__ import annotations

GIB = 2**30
MIB = 2**20
KIB = 2**10
