"""The border to Docker: where its engine listens, a client that was answered, and foreign exceptions in our words."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from stackgen import facts, trace
from stackgen.errors import DockerError

if TYPE_CHECKING:
    from docker import DockerClient

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_TIMEOUT_SECONDS = 60


def client_of_environment() -> DockerClient:
    """Docker's own client, to the engine of the environment (DOCKER_HOST) or of the current Docker context.

    Docker's library is imported here and not at the top: it doubles the start of verbs that do not need it.

    Raises:
        DockerError: no engine answers.
    """
    import docker

    with translated():
        context = _context()
        _require_listener(engine_address())
        if context:
            tls = context.TLSConfig or False
            client = docker.DockerClient(base_url=context.Host, tls=tls, timeout=_TIMEOUT_SECONDS)
        else:
            client = docker.from_env(timeout=_TIMEOUT_SECONDS)
        client.ping()
        trace.tell(f"the Docker engine at {engine_address()} answers")
    return client


def engine_address() -> str:
    """Where the engine listens: by DOCKER_HOST, else by the current Docker context, else as Docker installs it."""
    context = _context()
    return str(context.Host) if context else os.environ.get("DOCKER_HOST") or _DEFAULT_HOST


def _context() -> Any:
    """The Docker context that counts, as it does for `docker compose`; None for the default one and below DOCKER_HOST."""
    from docker.context import ContextAPI

    if os.environ.get("DOCKER_HOST"):
        return None
    context = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
    return context if context and context.name != "default" and context.Host else None


@contextmanager
def translated() -> Iterator[None]:
    """Docker's and its transport's exceptions become ours."""
    from docker.errors import DockerException
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import RequestException, Timeout

    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        if isinstance(error, NoConnection) or "Error while fetching server API version" in text:
            raise _absent() from None
        if isinstance(error, Timeout | TimeoutError):
            hint = "look what it is busy with: docker info; sudo systemctl status docker"
            raise DockerError(f"the Docker engine gives no answer within {_TIMEOUT_SECONDS} s", hint=hint) from None
        raise explained(text) from None


def _require_listener(host: str) -> None:
    """Docker's library leaves a socket open where nobody answers, and does not tell absence from missing rights."""
    if not host.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(host.removeprefix("unix://"))
        except PermissionError:
            hint = "let your user talk to Docker: sudo usermod -aG docker $USER, then log in again"
            raise DockerError("the Docker engine refuses this user", hint=hint) from None
        except OSError:
            raise _absent() from None


def _absent() -> DockerError:
    asked = os.environ.get("DOCKER_HOST")
    if asked:
        hint = "correct DOCKER_HOST, start that engine, or `unset DOCKER_HOST` for the one of this machine"
        return DockerError(f"no Docker engine answers at {asked}, which DOCKER_HOST names", hint=hint)
    hint = "install Docker Engine 25 or newer, or start it: sudo systemctl start docker"
    return DockerError("no Docker engine answers on this machine", hint=hint)


def explained(text: str) -> DockerError:
    """A known failure in our words with Docker's behind it; an unknown one as Docker says it."""
    plain = " ".join(text.split())
    for failure in facts.docker_failures():
        if failure.text in plain:
            return DockerError(f"{failure.message} ({plain})", hint=failure.hint)
    return DockerError(f"Docker refuses: {plain}")
