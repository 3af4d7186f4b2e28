"""Times whole commands against named peers in one run: CPU seconds (user + system), minimum and median.

Peers: `docker compose config -q` reads the same stack that `stackgen render` wrote; a bare typer app with the same verbs
prints its help. Growth: render of 10 to 1,000 models.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

RUNS = 10
ROOT = Path(__file__).resolve().parent.parent
STACKGEN = [sys.executable, "-m", "stackgen"]
BARE_APP = """
import typer
app = typer.Typer(rich_markup_mode=None)
for verb in ("render", "plan", "up", "down", "status", "check", "schema"):
    app.command(verb)(lambda file: None)
app()
"""


def cpu_seconds(command: Sequence[str], folder: Path, prepare: Callable[[], None] = lambda: None) -> list[float]:
    """CPU seconds of each run, children included, after one run to warm up."""
    found = []
    for turn in range(RUNS + 1):
        prepare()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if turn:
            found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return found


def row(name: str, times: list[float], peer: list[float] | None = None) -> None:
    """One line: minimum, median, and the ratio of medians to the peer."""
    ratio = f"  {statistics.median(times) / statistics.median(peer):5.2f} x peer" if peer else ""
    print(f"{name:<52} min {min(times):6.3f} s  median {statistics.median(times):6.3f} s{ratio}")


def large_spec(count: int) -> str:
    """A spec of `count` chat models on the processor."""
    models = "".join(
        f"  m{number}: {{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}}\n" for number in range(count)
    )
    return f"version: 1\nname: large\nprofiles: [cpu]\nmodels:\n{models}"


def main() -> None:
    """All rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "examples" / "article-core" / "stack.yaml", folder)
        subprocess.run([*STACKGEN, "render"], cwd=folder, capture_output=True, check=True)
        compose = shutil.which("docker")
        peer = None
        if compose:
            peer = cpu_seconds([compose, "compose", "config", "-q"], folder / "rendered")
            row("docker compose config -q, article-core (peer)", peer)
        else:
            print("no docker command: rows without that peer")
        row("stackgen render, article-core", cpu_seconds([*STACKGEN, "render"], folder), peer)
        bare = cpu_seconds([sys.executable, "-c", BARE_APP, "--help"], folder)
        row("bare typer app --help (peer)", bare)
        row("stackgen --help", cpu_seconds([*STACKGEN, "--help"], folder), bare)
        folder = folder / "large"  # a folder of rendered files belongs to one stack
        folder.mkdir()
        for count in (10, 100, 1000):
            (folder / "stack.yaml").write_text(large_spec(count), encoding="utf-8")
            subprocess.run([*STACKGEN, "render"], cwd=folder, capture_output=True, check=True)
            larger = cpu_seconds([compose, "compose", "config", "-q"], folder / "rendered") if compose else None
            row(
                f"stackgen render, {count} models (peer: compose config)",
                cpu_seconds([*STACKGEN, "render"], folder),
                larger,
            )
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {RUNS} runs each")


if __name__ == "__main__":
    main()
