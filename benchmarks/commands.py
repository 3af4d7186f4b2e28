"""Times whole commands against named peers in one run: CPU seconds (user + system) of the process and its children.

Each command and its peers take turns, so that a busy moment of the machine meets all of them; the first turn only warms
up and leaves byte code on both sides. What is compared are the minima: the least disturbed run of each.

Peers: `tutor config save` (PyPI, tutor 22) renders a platform of its own into files, as `stackgen render` does;
`docker compose config -q` reads what `stackgen render` wrote; a bare typer app with the same verbs prints its help.
Tutor is no dependency of the project: it is installed into .venv-tutor at the first run, unless STACKGEN_TUTOR names one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stackgen.cli.app import app
from stackgen.cli.shells import LINE, TEXT

ROOT = Path(__file__).resolve().parent.parent
STACKGEN = (sys.executable, "-m", "stackgen")
TUTOR_VERSION = "tutor>=22,<23"
BARE_APP = """
import sys
import typer
app = typer.Typer(rich_markup_mode=None)
for verb in sys.argv.pop(1).split(","):
    app.command(verb)(lambda file: None)
app()
"""
RUNS = 10
SMALL_COUNTS = (10, 100, 1000)
JUDGED_COUNT = 1000
MOST_OF_TUTOR, MOST_OF_COMPOSE, MOST_OF_BARE_APP, MOST_PER_DOUBLING = 0.8, 2.0, 1.3, 2.2
MOST_SECONDS_OF_COMPLETION = 0.15
"""Of the processor, after TAB: a person who types must not notice it."""
LOOKING_VERBS = (
    ("plan",),
    ("explain", "models.chat.context"),
    ("config",),
    ("profiles",),
    ("check", "--static"),
    ("status",),
)
VERBS_WITH_DOCKER = ("check", "status")
"""They ask Docker, and the row counts that: `check --static` for its Compose, `status` for containers."""


class Run(NamedTuple):
    """What one run took."""

    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Command:
    """A command that is timed, and what it is called in a row."""

    name: str
    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]

    def run(self) -> Run:
        """Run it once.

        Raises:
            RuntimeError: it failed.
        """
        with tempfile.TemporaryFile() as talk:
            process = subprocess.Popen(
                self.words, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=talk
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                talk.seek(0)
                raise RuntimeError(
                    f"{self.name} ended with {process.returncode}: {talk.read().decode(errors='replace')}"
                )
        return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Bench:
    """Runs commands in turns, prints their rows and remembers which targets were missed."""

    def __init__(self, folder: Path) -> None:
        own = {"PYTHONPATH": str(ROOT), "TUTOR_ROOT": str(folder / "tutor")}
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.folder = folder
        self.environment = {**kept, **own}
        self.missed: list[str] = []

    def command(
        self, name: str, *words: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Command:
        """A command in a folder, with further variables."""
        return Command(name, words, folder or self.folder, {**self.environment, **(environment or {})})

    def best(self, commands: Sequence[Command], runs: int) -> list[float]:
        """The least CPU seconds of each; a row is printed for each.

        Args:
            commands: they take turns.
            runs: how often each is timed, after one turn to warm up.
        """
        found: list[list[Run]] = [[] for _ in commands]
        for turn in range(runs + 1):
            for runs_of_one, command in zip(found, commands, strict=True):
                one = command.run()
                if turn:
                    runs_of_one.append(one)
        for command, runs_of_one in zip(commands, found, strict=True):
            seconds = [run.cpu_seconds for run in runs_of_one]
            peak = max(run.peak_mib for run in runs_of_one)
            numbers = f"min {min(seconds):7.3f} s  median {statistics.median(seconds):7.3f} s  peak {peak:5.0f} MiB"
            print(f"{command.name:<52} {numbers}" + (f"  ({runs} runs)" if runs != RUNS else ""), flush=True)
        return [min(run.cpu_seconds for run in runs_of_one) for runs_of_one in found]

    def judge(self, what: str, figure: float, most: float, unit: str = "x") -> None:
        """Print a ratio, or another figure, beside its target."""
        verdict = "met" if figure <= most else "MISSED"
        print(f"  -> {what}: {figure:.2f} {unit}, target at most {most} {unit}: {verdict}", flush=True)
        if figure > most:
            self.missed.append(what)


def tutor() -> str | None:
    """The tutor that is there, or one that is installed now; None where it cannot be had."""
    named = os.environ.get("STACKGEN_TUTOR")
    if named:
        return named
    folder = ROOT / ".venv-tutor"
    program = folder / "bin" / "tutor"
    if not program.exists():
        print(f"installing {TUTOR_VERSION} into {folder.name}/", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", TUTOR_VERSION], check=True)
        except subprocess.CalledProcessError:
            shutil.rmtree(folder, ignore_errors=True)
            return None
    return str(program)


def large_spec(count: int) -> str:
    """A spec of `count` chat models on the processor."""
    models = "".join(
        f"  m{number}: {{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}}\n" for number in range(count)
    )
    return f"version: 1\nname: large\nprofiles: [cpu]\nmodels:\n{models}"


def of_help(bench: Bench) -> None:
    """`--help` beside a typer app that has nothing but the same verbs."""
    verbs = ",".join(app.declared)
    help_of_ours = bench.command("stackgen --help", *STACKGEN, "--help")
    bare = bench.command(
        "a bare typer app with the same verbs, --help", sys.executable, "-c", BARE_APP, verbs, "--help"
    )
    ours, theirs = bench.best([help_of_ours, bare], RUNS)
    bench.judge("--help beside the bare app", ours / theirs, MOST_OF_BARE_APP)


def of_example(bench: Bench, compose: str | None) -> None:
    """render of archi-llm beside tutor, and beside Compose, which reads the result."""
    folder = bench.folder / "archi-llm"
    shutil.copytree(ROOT / "examples" / "archi-llm", folder)
    commands = [bench.command("stackgen render, archi-llm", *STACKGEN, "render", folder=folder)]
    other = tutor()
    if other:
        commands.append(bench.command("tutor config save", other, "config", "save"))
    else:
        print("tutor could not be installed: no row of it")
    if compose:
        read = (compose, "compose", "config", "-q")
        commands.append(bench.command("docker compose config -q, archi-llm", *read, folder=folder / "rendered"))
    ours, *theirs = bench.best(commands, RUNS)
    if other:
        bench.judge("render of archi-llm beside tutor", ours / theirs[0], MOST_OF_TUTOR)
    if compose:
        print(f"  -> render of archi-llm beside Compose: {ours / theirs[-1]:.2f} x")


def of_looking(bench: Bench, compose: str | None) -> None:
    """Verbs that only look, in the folder of archi-llm as `of_example` left it."""
    folder = bench.folder / "archi-llm"
    verbs = [words for words in LOOKING_VERBS if compose or words[0] not in VERBS_WITH_DOCKER]
    bench.best(
        [bench.command(f"stackgen {' '.join(words)}, archi-llm", *STACKGEN, *words, folder=folder) for words in verbs],
        RUNS,
    )


def of_completion(bench: Bench) -> None:
    """What a shell runs when somebody presses TAB: behind an option, and where a service is to be named."""
    lines = ("stackgen render --", "stackgen logs ")
    asked = [{"_STACKGEN_COMPLETE": "complete_bash", LINE: line, TEXT: line.rpartition(" ")[2]} for line in lines]
    folder = bench.folder / "archi-llm"
    commands = [
        bench.command(f"completion of `{line}`", *STACKGEN, folder=folder, environment=environment)
        for line, environment in zip(lines, asked, strict=True)
    ]
    bench.judge("completion", max(bench.best(commands, RUNS)), MOST_SECONDS_OF_COMPLETION, "s")


def of_models(bench: Bench, count: int, compose: str | None, runs: int) -> float:
    """render of many models, and Compose where it is given; the CPU seconds of ours."""
    folder = bench.folder / f"{count}-models"
    folder.mkdir(exist_ok=True)
    (folder / "stack.yaml").write_text(large_spec(count), encoding="utf-8")
    commands = [bench.command(f"stackgen render, {count:,} models", *STACKGEN, "render", folder=folder)]
    if compose:
        read = (compose, "compose", "config", "-q")
        commands.append(bench.command(f"docker compose config -q, {count:,} models", *read, folder=folder / "rendered"))
    ours, *theirs = bench.best(commands, runs)
    if theirs and count == JUDGED_COUNT:
        bench.judge(f"render of {count:,} models beside Compose", ours / theirs[0], MOST_OF_COMPOSE)
    elif theirs:
        print(f"  -> render of {count:,} models beside Compose: {ours / theirs[0]:.2f} x")
    return ours


def main() -> int:
    """All rows; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most-models", type=int, default=10_000, metavar="N", help="where the growth ends")
    parser.add_argument("--long-runs", type=int, default=3, metavar="N", help="runs of each row of the growth")
    wishes = parser.parse_args()
    compose = shutil.which("docker")
    if not compose:
        print("no docker command: rows without that peer")
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        of_help(bench)
        of_example(bench, compose)
        of_looking(bench, compose)
        of_completion(bench)
        for count in SMALL_COUNTS:
            of_models(bench, count, compose, RUNS)
        before = 0.0
        for count in (wishes.most_models // 8, wishes.most_models // 4, wishes.most_models // 2, wishes.most_models):
            now = of_models(bench, count, None, wishes.long_runs)
            if before:
                bench.judge(f"{count:,} models beside half of them", now / before, MOST_PER_DOUBLING)
            before = now
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores; {RUNS} runs each where a row says nothing else")
    if bench.missed:
        print(f"missed: {', '.join(bench.missed)}")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
