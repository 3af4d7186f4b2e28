"""Templates as Python's own modules are kept: compiled once, where byte code of Python lies, until their text changes.

To compile RUNBOOK.md takes longer than to plan a stack and to write all its files.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BytecodeCache

if TYPE_CHECKING:
    from jinja2.bccache import Bucket


class Compiled(BytecodeCache):
    """Byte code of templates in a folder; jinja2 itself sees whether a file fits the template and the Python that reads it.

    Where nobody may write, a template is compiled at each start, as Python does with modules.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """`settings`: what else the byte code depends on, beside the template."""
        self._folder, self._settings = folder, settings

    def get_source_checksum(self, source: str) -> str:
        """What tells that a template is still the one that was compiled."""
        return super().get_source_checksum(source + self._settings)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what is kept, where there is something."""
        with suppress(OSError), self._place(bucket).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled; whole or not at all, since others may read it meanwhile."""
        if sys.dont_write_bytecode:
            return
        place = self._place(bucket)
        aside = place.with_name(f"{place.name}.{os.getpid()}")
        with suppress(OSError):
            place.parent.mkdir(exist_ok=True)
            try:
                with aside.open("xb") as file:
                    bucket.write_bytecode(file)
                aside.replace(place)
            except OSError:
                aside.unlink(missing_ok=True)

    def _place(self, bucket: Bucket) -> Path:
        """Beside the byte code that Python keeps of a module with the template's name."""
        return Path(cache_from_source(str(self._folder / f"{bucket.key}.py"))).with_suffix(".jinja")
