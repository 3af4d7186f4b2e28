"""What goes wrong on request: STACKGEN_FAULT is `kind` or `kind:seconds`."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--fault` names the kinds in its help, which must not load a server
    from .door import Request

VARIABLE = "STACKGEN_FAULT"
KINDS: Mapping[str, str] = {
    "slow": "takes so many seconds to start (30)",
    "loop": "ends while it starts, each time",
    "memory": "finds too little memory on the card while it starts, and ends",
    "killed": "is killed so many seconds after it was ready (0), as the kernel does where memory runs out",
    "crash": "ends so many seconds after it was ready (0)",
    "errors": "answers every request that makes a model work with the engine's own HTTP 500",
    "hang": "takes requests that make a model work and never answers; its health looks good",
    "deaf": "takes every request and never answers, health checks included",
}
_TIMED = ("slow", "killed", "crash")
_LONGEST_SECONDS = 86_400
_DEFAULT_SECONDS = {"slow": 30.0}
_HANG_SECONDS = 3600.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong; kind "" is none."""

    kind: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, text: str) -> Fault:
        """Read `kind` or `kind:seconds`; nothing is none.

        Raises:
            ValueError: there is no such fault, or no such time.
        """
        kind, _, seconds = text.partition(":")
        if not text:
            return cls()
        if kind not in KINDS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        if not seconds:
            return cls(kind, _DEFAULT_SECONDS.get(kind, 0.0))
        if kind not in _TIMED:
            raise ValueError(f"`{kind}` takes no seconds; only {', '.join(_TIMED)} do")
        return cls(kind, _seconds(seconds))

    def while_starting(self, out_of_memory: str) -> None:
        """Sleep or end, as the fault wants it.

        Args:
            out_of_memory: what the engine logs where the card has too little memory.
        """
        if self.kind == "slow":
            time.sleep(self.seconds)
        elif self.kind == "loop":
            print("RuntimeError: a fault was asked for: the stand-in ends while it starts", file=sys.stderr, flush=True)
            raise SystemExit(1)
        elif self.kind == "memory":
            print(out_of_memory, file=sys.stderr, flush=True)
            raise SystemExit(1)

    def once_ready(self) -> None:
        """Begin what happens a while after the start."""
        if self.kind in {"crash", "killed"}:
            threading.Timer(self.seconds, self._end).start()

    def strike(self, _request: Request, works: bool) -> bool:  # noqa: FBT001 - the server calls it
        """Whether a request fails; one that hangs comes to no end."""
        if self.kind == "deaf" or (self.kind == "hang" and works):
            time.sleep(_HANG_SECONDS)
        return self.kind == "errors" and works

    def _end(self) -> None:
        if self.kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        print("RuntimeError: a fault was asked for: the stand-in ends", file=sys.stderr, flush=True)
        os._exit(1)


def _seconds(text: str) -> float:
    """A time that a fault can have.

    Raises:
        ValueError: it is none.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise ValueError(f"{text!r} is no number of seconds from 0 to {_LONGEST_SECONDS}")
    return seconds
