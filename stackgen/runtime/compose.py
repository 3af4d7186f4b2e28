"""Docker Compose as a subprocess: the only way in which stackgen changes anything."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from stackgen import trace
from stackgen.errors import DockerError
from stackgen.render import COMPOSE_FILE

OLDEST_COMPOSE = (2, 24)
"""start_interval needs 2.20.2; older ones differ in what they check."""
_FOREIGN = ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES")
_INSTALL = "install it: https://docs.docker.com/compose/install/linux/"


def version() -> str:
    """Version of the Compose plugin.

    Raises:
        DockerError: there is no `docker` command, or it has no Compose.
    """
    result = _run(["compose", "version", "--short"])
    if result.returncode != 0:
        raise DockerError("this Docker has no Compose plugin", hint=_INSTALL)
    return result.stdout.strip()


def is_too_old(found: str) -> bool:
    """Whether a version of Compose lacks what the rendered file uses."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    return numbers < OLDEST_COMPOSE


def complaints(folder: Path, secret_names: Iterable[str], groups: Iterable[str] = ()) -> list[str]:
    """What `docker compose config` has against a rendered folder, warnings included; needs no engine.

    Secrets get placeholders, and what Compose prints is not shown: it would hold values.

    Args:
        folder: the rendered files.
        secret_names: the secrets of the stack.
        groups: groups of models, which Compose knows as profiles; it looks at those too that sleep.
    """
    values = dict.fromkeys(secret_names, "placeholder")
    profiles = [word for group in groups for word in ("--profile", group)]
    result = _run(
        ["compose", "--env-file", os.devnull, "-f", str(folder / COMPOSE_FILE), *profiles, "config", "-q"],
        environment(secret_names) | values,
    )
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    if result.returncode != 0 and not lines:
        return [f"exit code {result.returncode}"]
    return lines


def config_hashes(folder: Path, text: str, values: Mapping[str, str]) -> dict[str, str]:
    """What Compose compares of each service to tell whether its container has to be made anew.

    Args:
        folder: where the file is to be; paths in it count from there.
        text: docker-compose.yml, as it would be rendered.
        values: secrets by name, as `.env` would hold them.

    Raises:
        DockerError: Compose does not take the file, or is not there.
    """
    words = ["-f", "-", "--project-directory", str(folder), "--env-file", os.devnull, "--profile", "*"]
    result = _run(["compose", *words, "config", "--hash", "*"], environment(()) | dict(values), text=text)
    if result.returncode != 0:
        raise DockerError(f"Compose does not take the file: {tail(result.stderr.splitlines())}")
    return {name: digest for name, _, digest in (line.partition(" ") for line in result.stdout.splitlines())}


def create_network(name: str) -> None:
    """Make a network that the stack shares with others; it stays when the stack goes.

    Raises:
        DockerError: Docker refuses.
    """
    result = _run(["network", "create", name])
    if result.returncode != 0:
        raise DockerError(f"the network `{name}` could not be made: {' '.join(result.stderr.split())}")


def start_up(folder: Path, secret_names: Iterable[str], *, keep_open: int) -> subprocess.Popen[str]:
    """`docker compose up -d`, under way; its stderr brings one JSON object a line.

    Args:
        folder: the rendered files.
        secret_names: variables of the caller that must not win over them.
        keep_open: a file that Compose holds open as long as it works.
    """
    command = [
        program(),
        "compose",
        "--progress",
        "json",
        "-f",
        str(folder / COMPOSE_FILE),
        "up",
        "-d",
        "--remove-orphans",
    ]
    trace.tell(f"run {shlex.join(command)}")
    return subprocess.Popen(  # noqa: S603 - a fixed list of words
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(secret_names),
        start_new_session=True,
        pass_fds=(keep_open,),
    )


def start_alone(folder: Path, secret_names: Iterable[str], service: str) -> None:
    """Start one service of a rendered folder without those that it waits for, and wait until it is healthy.

    Raises:
        DockerError: Compose refuses, or it does not become healthy.
    """
    words = ["--progress", "json", "-f", str(folder / COMPOSE_FILE), "up", "-d", "--wait", "--no-deps", service]
    result = _run(["compose", *words], environment(secret_names))
    if result.returncode != 0:
        raise DockerError(f"Compose could not start {service} alone: {tail(result.stderr.splitlines())}")


def stop(folder: Path, secret_names: Iterable[str], services: Iterable[str]) -> None:
    """Stop services of a rendered folder.

    Raises:
        DockerError: Compose refuses.
    """
    result = _run(
        ["compose", "--progress", "json", "-f", str(folder / COMPOSE_FILE), "stop", *services],
        environment(secret_names),
    )
    if result.returncode != 0:
        raise DockerError(f"Compose could not stop {', '.join(services)}: {tail(result.stderr.splitlines())}")


def remove(folder: Path, secret_names: Iterable[str], services: Iterable[str]) -> None:
    """Stop services of a rendered folder and remove their containers, whichever groups are active.

    Raises:
        DockerError: Compose refuses.
    """
    words = ["--progress", "json", "--profile", "*", "-f", str(folder / COMPOSE_FILE), "rm", "--stop", "--force"]
    result = _run(["compose", *words, *services], environment(secret_names))
    if result.returncode != 0:
        raise DockerError(f"Compose could not remove {', '.join(services)}: {tail(result.stderr.splitlines())}")


def down(project: str, *, volumes: bool, report: Callable[[str], None]) -> None:
    """Stop and remove a stack by its name; works without its files.

    Raises:
        DockerError: Compose refuses.
    """
    command = [
        "compose",
        "--progress",
        "json",
        "-p",
        project,
        "down",
        "--remove-orphans",
        *(["--volumes"] if volumes else []),
    ]
    result = _run(command, environment(()), folder=Path("/"))
    for line in result.stderr.splitlines():
        event = parse_event(line)
        if "Removed" in (event.get("text"), event.get("status")):
            report(str(event.get("id", "")))
    if result.returncode != 0:
        raise DockerError(f"Compose could not take `{project}` down: {tail(result.stderr.splitlines())}")


def parse_event(line: str) -> dict[str, Any]:
    """One line of `--progress json`; a line that is no JSON becomes its message."""
    try:
        data = json.loads(line)
    except ValueError:
        return {"message": line.strip()}
    return data if isinstance(data, dict) else {"message": line.strip()}


def tail(lines: Iterable[str]) -> str:
    """The sentences at the end of what Compose printed."""
    events = [parse_event(line) for line in lines if line.strip()]
    said = [str(event["message"]) for event in events if event.get("message")]
    errors = [
        str(event.get("text") or event.get("details"))
        for event in events
        if event.get("status") == "Error" or event.get("error")
    ]
    return " ".join((said or errors)[-3:]) or "it gave no reason"


def environment(secret_names: Iterable[str]) -> dict[str, str]:
    """The caller's variables without those that would win over the rendered files."""
    hidden = {*_FOREIGN, *secret_names}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _run(
    arguments: list[str], variables: Mapping[str, str] | None = None, folder: Path | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [program(), *arguments]
    with trace.timing(f"running {shlex.join(command)}"):
        result = subprocess.run(  # noqa: S603 - a fixed list of words
            command, capture_output=True, text=True, check=False, input=text, env=variables, cwd=folder
        )
    if result.returncode != 0:
        trace.tell(f"it ended with {result.returncode}")
    return result


def program() -> str:
    """The `docker` command.

    Raises:
        DockerError: there is none.
    """
    found = shutil.which("docker")
    if found is None:
        raise DockerError(
            "there is no `docker` command on this machine", hint="install it: https://docs.docker.com/engine/install/"
        )
    return found
