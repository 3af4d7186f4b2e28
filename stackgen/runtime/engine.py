"""The border to Docker: connects, translates foreign exceptions, reads the containers of a stack."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stackgen import facts
from stackgen.errors import DockerError

if TYPE_CHECKING:
    from docker import DockerClient

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
_LOG_LINES = 20
_DEFAULT_HOST = "unix:///var/run/docker.sock"
_TIMEOUT_SECONDS = 60
_EXECUTE_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """One container of a stack as Docker sees it. Times are ISO texts; empty where there is none."""

    service: str
    id: str
    image: str
    status: str
    """created, running, restarting, exited, …"""
    health: str
    """healthy, unhealthy, starting; empty without a health check."""
    exit_code: int
    out_of_memory: bool
    restarts: int
    started_at: str
    last_probe: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether it runs and, where it has a health check, is healthy."""
        return self.status == "running" and self.health in {"healthy", ""}

    @property
    def is_dead(self) -> bool:
        """Whether it has ended, or ends again and again."""
        return self.status in {"exited", "dead", "restarting"}

    @property
    def is_done(self) -> bool:
        """Whether it did its work and ended well; for jobs."""
        return self.status == "exited" and self.exit_code == 0 and bool(self.started_at)


class Docker:
    """What stackgen reads from an engine; changes go through Compose."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client

    def version(self) -> str:
        """Version of the engine, e.g. 28.5.2."""
        with translated():
            return str(self._client.version()["Version"])

    def hands_out_nvidia_cards(self) -> bool:
        """Whether device reservations with the driver `nvidia` work: its runtime is registered (CDI alone is not enough)."""
        with translated():
            return "nvidia" in (self._client.info().get("Runtimes") or {})

    def volumes(self, project: str) -> list[str]:
        """Names of the volumes of a stack."""
        with translated():
            found = self._client.api.volumes(filters={"label": f"{PROJECT_LABEL}={project}"})
        return sorted(str(volume["Name"]) for volume in found.get("Volumes") or ())

    def networks(self, project: str) -> list[str]:
        """Names of the networks of a stack."""
        with translated():
            found = self._client.api.networks(filters={"label": f"{PROJECT_LABEL}={project}"})
        return sorted(str(network["Name"]) for network in found)

    def has_network(self, name: str) -> bool:
        """Whether a network of exactly this name exists."""
        with translated():
            found = self._client.api.networks(names=[name])
        return any(network["Name"] == name for network in found)

    def has_volume(self, name: str) -> bool:
        """Whether a volume of exactly this name exists."""
        with translated():
            found = self._client.api.volumes(filters={"name": name})
        return any(volume["Name"] == name for volume in found.get("Volumes") or ())

    def port_owners(self) -> dict[tuple[str, int], tuple[str, str]]:
        """Published TCP ports of running containers: (address, port) -> (project or empty, container name)."""
        with translated():
            found = self._client.api.containers()
        owners: dict[tuple[str, int], tuple[str, str]] = {}
        for container in found:
            project = (container.get("Labels") or {}).get(PROJECT_LABEL, "")
            name = str(container["Names"][0]).lstrip("/")
            owners |= {
                (str(port.get("IP", "0.0.0.0")), int(port["PublicPort"])): (project, name)  # noqa: S104
                for port in container["Ports"]
                if port.get("PublicPort") and port.get("Type", "tcp") == "tcp"
            }
        return owners

    def containers(self, project: str) -> list[ContainerState]:
        """The containers of a stack's services, by name. One that vanishes meanwhile is left out, as are `compose run`'s."""
        from docker.errors import NotFound

        states = []
        with translated():
            listed = self._client.api.containers(all=True, filters={"label": _labels(project)})
            for entry in listed:
                try:
                    states.append(_state(self._client.api.inspect_container(entry["Id"])))
                except NotFound:
                    continue
        return sorted(states, key=lambda state: state.service)

    def log_tail(self, container: str, lines: int = _LOG_LINES) -> list[str]:
        """The last lines that a container wrote; none where it is gone."""
        from docker.errors import NotFound

        with translated():
            try:
                raw = self._client.api.logs(container, tail=lines, stdout=True, stderr=True)
            except NotFound:
                return []
        return [line for line in bytes(raw).decode(errors="replace").splitlines() if line.strip()]

    def events(self, project: str, since: int) -> tuple[Iterator[Any], Callable[[], None]]:
        """Events of a stack's containers from a moment on (seconds since 1970), and a function that ends the stream."""
        kinds = ["start", "die", "oom", "health_status", "destroy"]
        with translated():
            filters = {"label": _labels(project), "event": kinds, "type": "container"}
            stream = self._client.events(decode=True, since=since, filters=filters)
        return stream, stream.close

    def execute(self, container: str, command: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """Run a command in a container with input; exit code, output, error output.

        Raises:
            DockerError: it cannot be run, or says nothing for a quarter of an hour.
        """
        from docker.utils.socket import frames_iter

        api = self._client.api
        with translated():
            created = api.exec_create(container, command, stdin=True, stdout=True, stderr=True)
            connection = api.exec_start(created["Id"], socket=True)
            raw: Any = getattr(connection, "_sock", connection)
            raw.settimeout(_EXECUTE_SECONDS)
            raw.sendall(stdin)
            _end_of_input(raw)
            streams: dict[int, list[bytes]] = {1: [], 2: []}
            for stream, chunk in frames_iter(connection, tty=False):  # type: ignore[no-untyped-call]
                streams.setdefault(stream, []).append(chunk)
            connection.close()
            exit_code = api.exec_inspect(created["Id"])["ExitCode"]
        return int(-1 if exit_code is None else exit_code), b"".join(streams[1]), b"".join(streams[2])


def connect() -> Docker:
    """The engine of the environment (DOCKER_HOST) or of the current Docker context.

    Docker's library is imported here and not at the top: it doubles the start of verbs that do not need it.

    Raises:
        DockerError: no engine answers.
    """
    import docker
    from docker.context import ContextAPI

    with translated():
        context = None if os.environ.get("DOCKER_HOST") else ContextAPI.get_current_context()
        if context is not None and context.name != "default" and context.Host:
            _require_listener(context.Host)
            client = docker.DockerClient(base_url=context.Host, timeout=_TIMEOUT_SECONDS)
        else:
            _require_listener(os.environ.get("DOCKER_HOST") or _DEFAULT_HOST)
            client = docker.from_env(timeout=_TIMEOUT_SECONDS)
        client.ping()
    return Docker(client)


@contextmanager
def translated() -> Iterator[None]:
    """Docker's and its transport's exceptions become ours."""
    from docker.errors import DockerException
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException, OSError) as error:
        text = str(getattr(error, "explanation", None) or error)
        if isinstance(error, NoConnection) or "Error while fetching server API version" in text:
            raise _absent() from None
        raise explained(text) from None


def _labels(project: str) -> list[str]:
    """What the containers of a stack's services carry, and those of `compose run` do not."""
    return [f"{PROJECT_LABEL}={project}", f"{ONE_OFF_LABEL}=False"]


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
    hint = "install Docker Engine 25 or newer, or start it: sudo systemctl start docker"
    return DockerError("no Docker engine answers on this machine", hint=hint)


def explained(text: str) -> DockerError:
    """A known failure in our words with Docker's behind it; an unknown one as Docker says it."""
    plain = " ".join(text.split())
    for failure in facts.docker_failures():
        if failure.text in plain:
            return DockerError(f"{failure.message} ({plain})", hint=failure.hint)
    return DockerError(f"Docker refuses: {plain}")


def _state(details: Any) -> ContainerState:
    state = details["State"]
    health = state.get("Health") or {}
    probes = health.get("Log") or ()
    labels = details["Config"]["Labels"]
    return ContainerState(
        service=labels.get(SERVICE_LABEL, ""),
        id=details["Id"],
        image=details["Config"]["Image"],
        status=state["Status"],
        health=health.get("Status", ""),
        exit_code=state["ExitCode"],
        out_of_memory=bool(state.get("OOMKilled")),
        restarts=details.get("RestartCount", 0),
        started_at="" if state["StartedAt"].startswith("0001") else state["StartedAt"],
        last_probe=str(probes[-1].get("Output", "")).strip() if probes else "",
        labels=labels,
    )


def _end_of_input(connection: Any) -> None:
    """Half-close, so that the program inside sees the end of its input."""
    connection.shutdown(socket.SHUT_WR)
