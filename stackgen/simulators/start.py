"""The program of the image: reads which engine it stands for, takes its command line, starts as slowly as asked, serves.

STAND_IN_ENGINE and STAND_IN_VERSION are set in the image; everything else is what the real engine is given.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from .door import Door
from .faults import VARIABLE, Fault
from .listening import serve


class Engine(Protocol):
    """What a file of an engine offers."""

    OUT_OF_MEMORY: str
    """What the engine logs where the card has too little memory."""
    door: Callable[[Sequence[str], Mapping[str, str], str], Door]
    """From command line, environment and version; prints and raises SystemExit as the real one where it refuses them."""


def main(words: Sequence[str]) -> None:
    """Serve until a signal ends it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    began = time.monotonic()
    name, version = os.environ["STAND_IN_ENGINE"], os.environ["STAND_IN_VERSION"]
    engine: Engine = importlib.import_module(f".{name}", __package__)
    fault = Fault.of(os.environ.get(VARIABLE, ""))
    door = engine.door(words, os.environ, version)
    print(f"stand-in for {name} {version}: nothing here is the real engine", flush=True)
    fault.while_starting(engine.OUT_OF_MEMORY)
    for line in door.log:
        print(line, flush=True)
    serve(door, fault.strike)
    print(f"stand-in ready after {time.monotonic() - began:.3f} s at {time.time():.3f}", flush=True)
    fault.once_ready()
    threading.Event().wait()


def _stop(number: int, _: object) -> NoReturn:
    """Without a handler the first process of a container does not even hear SIGTERM."""
    os._exit(0 if number == signal.SIGTERM else 130)


if __name__ == "__main__":
    main(sys.argv[1:])
