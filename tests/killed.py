"""A program of test_interrupted.py: renders over an older render, is killed, and looks at what is left.

It has one thread, so it may fork.

Arguments: an empty folder, how it ends (`lines`: at lines of our own code, `signal`: by SIGKILL after random times), how often.
Prints one JSON document: what was wrong, and how often the files were old, new and mixed.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from support import write_spec

import stackgen
from stackgen import files, render, vault, verbs
from stackgen.render.env import env_file
from stackgen.verbs import choice, rotation

OLD = """\
version: 1
name: small
profiles: [cpu]
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    mounts: {/old/template.jinja: old.jinja, /both/template.jinja: both.jinja, /1: old.jinja, /2: old.jinja, /3: old.jinja}
  big: {source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat]}
groups:
  day: {models: [chat]}
  night: {models: [big], exclusive: day}
gateway: {database: false, cache: none}
"""
NEW = (
    OLD.replace("/old/template.jinja", "/new/deep/template.jinja")
    .replace(": old.jinja", ": new.jinja")
    .replace("modalities: [chat]\n", "modalities: [chat]\n    context: 2048\n    secret_environment: {MORE: MORE}\n")
    .replace("\nmodels:", "\nsecrets: {MORE: {generate: true}}\nmodels:")
)
OURS = str(Path(stackgen.__file__).parent)
PLACES = tuple(
    f"{OURS}/{place}"
    for place in (
        "files/journal.py",
        "files/before.py",
        "files/disk.py",
        "vault/",
        "verbs/rendering.py",
        "verbs/rotation.py",
        "verbs/choice.py",
    )
)
ROTATED = "LITELLM_MASTER_KEY"
BOOKKEEPING = (files.JOURNAL, files.ASIDE, files.OLD)


class Trial:
    """One folder, one older set of files, one newer set that is rendered over it again and again.

    The newer one has a secret more, a new value of another one, and another active group.
    """

    def __init__(self, folder: Path) -> None:
        for name in ("old", "new", "both"):
            (folder / f"{name}.jinja").write_text(f"{{# {name} #}}\n")
        self.folder, self.rendered, self.kept = folder, folder / "rendered", folder.parent / "kept"
        self.old = verbs.open_stack(write_spec(folder, OLD))
        verbs.render_stack(self.old)
        self.secrets = vault.read(folder / ".stackgen/secrets.env")
        rotation.begin_rotation(self.old, [ROTATED], {})
        self.rotated = vault.intended(folder).new[ROTATED].reveal()
        shutil.copytree(folder, self.kept)
        self.before = self.texts()
        self.new = verbs.open_stack(write_spec(folder, NEW), groups=["night"])
        self.after = {file.path: file.text.encode() for file in self.new.files()}
        texts = {stack.chosen: stack.files() for stack in (self.old, self.new)}
        verbs.Stack.files = lambda stack: texts[stack.chosen]  # the writing is tried here, not the wording
        self.complaints: list[str] = []
        self.seen: Counter[str] = Counter()

    def texts(self) -> dict[str, bytes]:
        paths = [path for path in self.rendered.rglob("*") if path.is_file() and not str(path).endswith(BOOKKEEPING)]
        return {str(path.relative_to(self.rendered)): path.read_bytes() for path in paths}

    def reset(self) -> None:
        for name in ("rendered", ".stackgen"):
            shutil.rmtree(self.folder / name)
            shutil.copytree(self.kept / name, self.folder / name)

    def child(self, work) -> int:
        pid = os.fork()
        if pid == 0:
            work()
            os._exit(0)
        return pid

    def run_killed_at_line(self, wanted: int) -> None:
        pid = self.child(lambda: traced(lambda: verbs.render_stack(self.new), wanted))
        os.waitpid(pid, 0)

    def run_killed_after(self, seconds: float) -> None:
        pid = self.child(lambda: verbs.render_stack(self.new))
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def state(self) -> str:
        """Whether files are old, new or mixed; each must be the one or the other."""
        kept = vault.read(self.folder / ".stackgen/secrets.env")
        env = env_file(self.new.plan, kept).encode()
        found, votes = self.texts(), set()
        for path in {*self.before, *self.after, *found}:
            old, new = self.before.get(path), env if path == render.ENV_FILE else self.after.get(path)
            if path == files.MANIFEST:
                names = set(files.read_manifest(self.rendered))
                old, new = self.before[path], found[path] if names == set(self.after) else b""
            if found.get(path) not in (old, new):
                self.complaints.append(f"{path} is neither old nor new")
            if old != new:
                votes.add("old" if found.get(path) == old else "new")
        return votes.pop() if len(votes) == 1 else "mixed"

    def look_at_secrets(self, wanted: dict[str, set[str]]) -> dict[str, str]:
        """None is lost or made anew, and nobody else may read one; the values."""
        kept = vault.read(self.folder / ".stackgen/secrets.env")
        for name, values in {**{name: {value} for name, value in self.secrets.items()}, **wanted}.items():
            if kept.get(name) not in values:
                self.complaints.append(f"{name} is lost")
        private = [path for path in (self.folder / ".stackgen").iterdir() if path.name != "lock"]
        for path in [self.rendered / render.ENV_FILE, *private]:
            if path.stat().st_mode & 0o077:
                self.complaints.append(f"others may read {path.name}")
        return kept

    def look_for_what_git_would_take(self) -> None:
        """No file with a secret in it, whatever it is called meanwhile."""
        kept = {value.encode() for value in vault.read(self.folder / ".stackgen/secrets.env").values() if value}
        ignored = (self.rendered / ".gitignore").read_text().splitlines()
        for path in self.rendered.rglob("*"):
            is_taken = path.is_file() and not any(fnmatch(path.name, pattern) for pattern in ignored)
            if is_taken and any(value in path.read_bytes() for value in kept):
                self.complaints.append(f"git would take {path.name}")

    def finish(self, left: str) -> None:
        """Let a verb come that finishes what was interrupted, and writes nothing else."""
        wanted = "new" if files.is_interrupted(self.rendered) else left
        verbs.finish_interrupted(self.new)
        if self.state() != wanted:
            self.complaints.append(f"{left} became {self.state()}")
        if wanted == "new" and choice.kept(self.folder, self.folder) != ("night",):
            self.complaints.append("files are those of a group that the next render leaves")
        if files.hand_edits(self.rendered):
            self.complaints.append(f"taken for edits by hand: {files.hand_edits(self.rendered)}")

    def judge(self, next_verb: int) -> str:
        """Look at what a kill left, let a verb come, look again; whether the files were old, new or mixed."""
        left = self.state()
        self.seen[left] += 1
        if left == "mixed" and not files.is_interrupted(self.rendered):
            self.complaints.append("mixed without a journal")
        made = self.look_at_secrets({ROTATED: {self.secrets[ROTATED], self.rotated}})
        self.look_for_what_git_would_take()
        if next_verb == 0:
            self.finish(left)
        elif next_verb == 1:
            verbs.render_stack(replace(self.old, kept_groups=choice.kept(self.folder, self.folder)))
            if {**self.texts(), render.ENV_FILE: b""} != {**self.before, render.ENV_FILE: b""}:
                self.complaints.append("the older spec is not what is rendered")
        verbs.render_stack(self.new)
        if self.state() != "new":
            self.complaints.append("the next render did not make the new set")
        self.look_at_secrets({name: {value} for name, value in {**made, ROTATED: self.rotated}.items()})
        if verbs.open_stack(self.folder).plan.active_groups != ("night",):
            self.complaints.append("the choice of groups is lost")
        litter = [path for path in self.rendered.rglob("*") if str(path).endswith(BOOKKEEPING)]
        litter += [path for path in self.rendered.rglob("*") if path.is_dir() and not any(path.iterdir())]
        litter += [path for path in (self.folder / ".stackgen").iterdir() if path.name.endswith(files.ASIDE)]
        if litter:
            self.complaints.append(f"litter: {litter}")
        return left


def traced(work, wanted: int = 0) -> int:
    """Do some work and end like a kill before a line of our own code is run; how many there were."""
    count = 0

    def line(_frame, event, _argument):
        nonlocal count
        if event == "line":
            count += 1
            if count == wanted:
                os._exit(9)
        return line

    sys.settrace(lambda frame, _event, _argument: line if frame.f_code.co_filename.startswith(PLACES) else None)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def main(folder: Path, how: str, times: int) -> None:
    trial = Trial(folder)
    begun = time.monotonic()
    lines = traced(lambda: verbs.render_stack(trial.new))
    trial.reset()
    began = time.monotonic()
    verbs.render_stack(trial.new)
    longest = time.monotonic() - began
    for number in range(times):
        trial.reset()
        if how == "lines":
            trial.run_killed_at_line(1 + number * lines // times)
        else:
            trial.run_killed_after(random.uniform(0, longest))
        left = trial.judge(number % 3)
        longest *= {"old": 1.1, "new": 0.9}.get(
            left, 1
        )  # as many come before the moves as after, on a busy machine too
    told = {"complaints": trial.complaints[:20], **trial.seen, "seconds": time.monotonic() - begun, "lines": lines}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
