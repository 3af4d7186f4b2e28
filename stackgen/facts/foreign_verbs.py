"""What other tools call a verb, and which command of ours does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from stackgen.facts.files import document


def foreign_verbs() -> Mapping[str, str]:
    """Commands by the verb of another tool."""
    return cast("Mapping[str, str]", document("foreign_verbs.json")["verbs"])
