"""Time from "the server answers" to "the stack is declared ready": `stackgen up` beside the article's own health timing.

A stand-in sleeps, then serves and logs the moment. Ours: it runs as the vLLM of a stack, with vLLM's health check, and
`stackgen up` says when the stack is up. Peer: the same stand-in with the timing that the article gives its services
(`interval: 60s, timeout: 30s, retries: 5`, no start period), and `docker compose up -d --wait` ends. Both get the same
delays, one in each tenth of the article's interval, so that neither is favoured by where its probes fall.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
STACKGEN = [sys.executable, "-m", "stackgen"]
IMAGE, BASE = "stackgen-bench/stand-in:1", "python:3.13-slim"
DOCKERFILE = f'FROM {BASE}\nCOPY stand_in.py /\nENTRYPOINT ["python", "/stand_in.py"]\n'
NAME = f"bench-{os.getpid()}"
LIMIT_SECONDS = 1.5
ARTICLE_INTERVAL_SECONDS = 60
SPEC = """\
version: 1
name: {name}
profiles: [cpu]
models:
  chat:
    source: nobody/stand-in
    engine: vllm
    modalities: [chat]
    image: {{repository: stackgen-bench/stand-in, tag: "1", version: 0.32.0}}
    environment: {{READY_AFTER_SECONDS: "{delay}"}}
    options: {{cpu_cache_gib: 1}}
gateway: {{port: {port}, database: false}}
"""


def docker(*words: str, folder: Path | None = None) -> str:
    done = subprocess.run(["docker", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def ready_epoch(container: str) -> float:
    """When the stand-in served, by its own word."""
    return float(docker("logs", container).split()[1])


def ours(folder: Path, delay: float, port: int) -> float:
    """Seconds between the stand-in's word and ours, over a stack whose gateway runs already."""
    (folder / "stack.yaml").write_text(SPEC.format(name=NAME, delay=f"{delay:.2f}", port=port), encoding="utf-8")
    with subprocess.Popen([*STACKGEN, "up"], cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        said, declared = [], 0.0
        for line in process.stderr or ():
            said.append(line)
            if f"{NAME} is up" in line:
                declared = time.time()
    if process.returncode:
        raise SystemExit("".join(said))
    return declared - ready_epoch(f"{NAME}-vllm-chat-1")


def peer(folder: Path, number: int, delay: float) -> float:
    """The same of `docker compose up -d --wait` with the article's timing, in a project of its own."""
    name = f"{NAME}-peer-{number}"
    probe = ["CMD", "python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
    health = {"test": probe, "interval": f"{ARTICLE_INTERVAL_SECONDS}s", "timeout": "30s", "retries": 5}
    service = {"image": IMAGE, "environment": {"READY_AFTER_SECONDS": f"{delay:.2f}"}, "healthcheck": health}
    file = folder / f"peer-{number}.json"
    file.write_text(json.dumps({"name": name, "services": {"server": service}}), encoding="utf-8")
    try:
        docker("compose", "-f", str(file), "up", "-d", "--wait")
        return time.time() - ready_epoch(f"{name}-server-1")
    finally:
        docker("compose", "-f", str(file), "down", "--timeout", "0")


def lacking() -> str:
    """What this machine has not, with the command that mends it; empty where nothing is missing."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        return "no Docker engine answers; start Docker Engine 25 or newer"
    found = subprocess.run([*STACKGEN, "plan", "--json"], capture_output=True, text=True, check=True)
    gateway = next(entry["image"] for entry in json.loads(found.stdout)["services"] if entry["name"] == "litellm")
    missing = [
        image
        for image in (BASE, gateway)
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
    ]
    return "; ".join(f"no image {image}: docker pull {image}" for image in missing)


def row(name: str, lags: list[float]) -> None:
    middle = statistics.median(lags)
    print(f"{name:<58} min {min(lags):6.2f} s  median {middle:6.2f} s  max {max(lags):6.2f} s")


def measure(folder: Path, delays: list[float]) -> tuple[list[float], list[float]]:
    """Lags of ours and of the peer. The peers sleep most of their minute, so they run beside ours."""
    (folder / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    shutil.copy(HERE / "stand_in.py", folder)
    docker("build", "-q", "-t", IMAGE, str(folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        ours(folder, 0.0, port)
        with ThreadPoolExecutor(len(delays)) as pool:
            peers = [pool.submit(peer, folder, number, delay) for number, delay in enumerate(delays)]
            found = [ours(folder, delay, port) for delay in delays]
            return found, [future.result() for future in peers]
    finally:
        subprocess.run([*STACKGEN, "down", "--volumes", "--yes"], cwd=folder, capture_output=True, check=True)
        docker("rmi", IMAGE)


def main() -> int:
    """Both rows; 1 where ours is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "stack.yaml").write_text(SPEC.format(name=NAME, delay=0, port=4000), encoding="utf-8")
        os.chdir(folder)
        reason = lacking()
        if reason:
            print(f"readiness: skipped: {reason}")
            return 0
        width = ARTICLE_INTERVAL_SECONDS / runs
        delays = [(number + random.random()) * width for number in range(runs)]
        found, peers = measure(folder, delays)
    row("docker compose up --wait, the article's health timing (peer)", peers)
    row("stackgen up, from the server's own word to ours", found)
    print(f"{os.cpu_count()} cores, {runs} runs each; the limit is {LIMIT_SECONDS} s")
    return int(max(found) > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
