"""Values of JSON that others wrote, by the type that they should have; what is of another type counts as not said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stackgen.errors import StackError


def json_of(text: str | bytes, where: str) -> Any:
    """A text as plain data.

    Raises:
        StackError: it is no JSON, or nothing that can be read.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise StackError(f"this is not JSON: {reason}", where=where, hint="download it again") from None


def map_of(value: object) -> Mapping[str, Any]:
    """A map."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A list."""
    return value if isinstance(value, list) else []


def count_of(value: object) -> int:
    """A whole number of something."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
