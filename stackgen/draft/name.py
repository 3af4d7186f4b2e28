"""The name of a stack that is not written yet."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from stackgen.spec import SIMULATION_SUFFIX

NAMELESS = "stack"
_LONGEST = 40
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


def name_of(folder: Path) -> str:
    """A stack's name from its folder's: small letters without accents, digits and `-`, a letter first."""
    plain = unicodedata.normalize("NFKD", folder.absolute().resolve().name.lower())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    name = _NOT_IN_A_NAME.sub("-", letters).strip("-")
    name = name if name[:1].isalpha() else f"{NAMELESS}-{name}".rstrip("-")
    return name[:_LONGEST].rstrip("-").removesuffix(SIMULATION_SUFFIX) or NAMELESS
