"""A program of test_turns.py: runs many verbs of stackgen at the same time in one folder.

It has one thread, so it may fork: no verb pays for starting Python. Arguments: the folder, and a JSON list of
[standard input, word, …] for each verb. Prints a JSON list of [exit code, stderr].
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from stackgen import cli, console, files, lookup, verbs  # noqa: F401 - read once, before each verb begins


def begun(folder: Path, told: str, words: list[str], start: int, stderr: int) -> int:
    """The process of a verb that waits for the start."""
    pid = os.fork()
    if pid:
        return pid
    with tempfile.TemporaryFile() as stdin:
        stdin.write(told.encode())
        stdin.seek(0)
        for descriptor, target in ((stdin.fileno(), 0), (os.open(os.devnull, os.O_WRONLY), 1), (stderr, 2)):
            os.dup2(descriptor, target)
    os.chdir(folder)
    sys.argv = ["stackgen", *words]
    os.read(start, 1)
    try:
        cli.main()
    except SystemExit as end:
        sys.stderr.flush()
        os._exit(int(end.code or 0))
    os._exit(0)


def main(folder: Path, wanted: list[list[str]]) -> None:
    ready, go = os.pipe()
    logs = [tempfile.TemporaryFile() for _ in wanted]  # noqa: SIM115 - open until all have ended
    pids = [begun(folder, told, words, ready, log.fileno()) for (told, *words), log in zip(wanted, logs, strict=True)]
    os.write(go, b"." * len(pids))
    ended = {pid: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}
    texts = []
    for log in logs:
        log.seek(0)
        texts.append(log.read().decode())
    sys.stdout.write(json.dumps([[ended[pid], text] for pid, text in zip(pids, texts, strict=True)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
