"""What engines tell of their memory: read out of logs and metrics, compared with the plan, kept beside the spec."""

from __future__ import annotations

from stackgen.measuring.comparing import Comparison, Figure
from stackgen.measuring.reading import Reading, read, until_ready
from stackgen.measuring.recording import FILE, Update, one_of_each, row_of, updated, why_not

__all__ = [
    "FILE",
    "Comparison",
    "Figure",
    "Reading",
    "Update",
    "one_of_each",
    "read",
    "row_of",
    "until_ready",
    "updated",
    "why_not",
]
