"""A program for the image of an engine: starts the engine's own program with many command lines that it refuses.

Most of such a start is the loading of libraries, so it loads them once and forks for each start.

Argument: a JSON object with `modules` (what the program loads anyway) and `starts` (command lines, each a list of words).
Prints one JSON list: exit code and stderr of each.
"""

import importlib
import json
import os
import runpy
import shutil
import sys
import tempfile

wanted = json.loads(sys.argv[1])
for module in wanted["modules"]:
    importlib.import_module(module)


def become(words, said):
    """The program in this process; it ends as the interpreter would end it."""
    os.dup2(said.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = [shutil.which(words[0]), *words[1:]]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:  # noqa: BLE001 - whatever it is, it ends the program with its trace
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stderr.flush()
    os._exit(code)


endings = []
for words in wanted["starts"]:
    with tempfile.TemporaryFile() as said:
        pid = os.fork()
        if pid == 0:
            become(words, said)
        _, status = os.waitpid(pid, 0)
        said.seek(0)
        endings.append((os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")))
sys.stdout.write(json.dumps(endings))
