"""What stackgen reads from the Docker engine: containers of a stack, their logs, networks, volumes, ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from stackgen.errors import DockerError
from stackgen.runtime.border import client_of_environment, translated
from stackgen.runtime.container import ONE_OFF_LABEL, PROJECT_LABEL, ContainerState, state_of
from stackgen.runtime.execution import exchanged

if TYPE_CHECKING:
    from docker import DockerClient

_LOG_LINES = 20
_GONE = frozenset({404, 409})
_DESKTOP = "Docker Desktop"
"""What `docker info` calls the operating system of the virtual machine that Docker Desktop brings, on WSL too."""


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

    def has_image(self, reference: str) -> bool:
        """Whether an image is on this machine."""
        from docker.errors import ImageNotFound

        api: Any = self._client.api
        with translated():
            try:
                api.inspect_image(reference)
            except ImageNotFound:
                return False
        return True

    def without_label(self, project: str, label: str) -> list[str]:
        """Containers, networks and volumes of a project that do not carry a label `NAME=value`."""
        found: dict[str, list[set[str]]] = {"container": [], "network": [], "volume": []}
        api = self._client.api
        with translated():
            for filters in ([f"{PROJECT_LABEL}={project}"], [f"{PROJECT_LABEL}={project}", label]):
                containers = api.containers(all=True, filters={"label": filters})
                volumes = api.volumes(filters={"label": filters}).get("Volumes") or ()
                found["container"].append({str(one["Names"][0]).lstrip("/") for one in containers})
                found["network"].append({str(one["Name"]) for one in api.networks(filters={"label": filters})})
                found["volume"].append({str(one["Name"]) for one in volumes})
        return [f"{kind} {name}" for kind, (every, marked) in found.items() for name in sorted(every - marked)]

    def subnets(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Subnets of all networks: name -> (project or empty, subnets)."""
        with translated():
            found = self._client.api.networks()
        return {
            str(network["Name"]): (
                str((network.get("Labels") or {}).get(PROJECT_LABEL, "")),
                tuple(
                    str(entry["Subnet"])
                    for entry in (network.get("IPAM") or {}).get("Config") or ()
                    if entry.get("Subnet")
                ),
            )
            for network in found
        }

    def address_pools(self) -> tuple[str, ...]:
        """Ranges out of which this engine gives networks their subnets, where it was told them."""
        with translated():
            pools = self._client.info().get("DefaultAddressPools") or ()
        return tuple(str(pool["Base"]) for pool in pools)

    def has_volume(self, name: str) -> bool:
        """Whether a volume of exactly this name exists."""
        with translated():
            found = self._client.api.volumes(filters={"name": name})
        return any(volume["Name"] == name for volume in found.get("Volumes") or ())

    def volume_folder(self, name: str) -> str | None:
        """Where a volume lies on the engine's machine; None where there is none of this name."""
        from docker.errors import NotFound

        api: Any = self._client.api
        with translated():
            try:
                return str(api.inspect_volume(name)["Mountpoint"])
            except NotFound:
                return None

    def data_folder(self) -> str:
        """Where the engine keeps images and volumes on its machine."""
        with translated():
            return str(self._client.info()["DockerRootDir"])

    def has_own_machine(self) -> bool:
        """Whether the engine runs in a virtual machine of its own, so that its disk is not ours to see."""
        with translated():
            return self._client.info().get("OperatingSystem") == _DESKTOP

    def port_owners(self) -> dict[tuple[str, int], tuple[str, str]]:
        """Published TCP ports of running containers: (address, port) -> (project or empty, container name)."""
        with translated():
            found = self._client.api.containers()
        owners: dict[tuple[str, int], tuple[str, str]] = {}
        for container in found:
            project = (container.get("Labels") or {}).get(PROJECT_LABEL, "")
            name = str(container["Names"][0]).lstrip("/")
            owners |= {
                (str(port.get("IP", "0.0.0.0")), int(port["PublicPort"])): (project, name)  # noqa: S104 - read from a container, not listened on
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
                    states.append(state_of(self._client.api.inspect_container(entry["Id"])))
                except NotFound:
                    continue
        return sorted(states, key=lambda state: state.service)

    def log_tail(self, container: str, lines: int = _LOG_LINES) -> list[str]:
        """The last lines that a container wrote; none where it is gone, or about to go."""
        raw = b""
        with translated(), _gone_is_nothing():
            raw = self._client.api.logs(container, tail=lines, stdout=True, stderr=True)
        return [line for line in bytes(raw).decode(errors="replace").splitlines() if line.strip()]

    def log_chunks(self, container: str, *, tail: int | None, since_seconds: float, follow: bool) -> Iterator[bytes]:
        """What a container wrote, in pieces, a time before each line; nothing where it is gone, or about to go.

        Args:
            container: its id, also of one that ended.
            tail: how many lines at most, None for all.
            since_seconds: only lines after this moment (seconds since 1970); 0 for all.
            follow: go on until the container ends.
        """
        lines: Literal["all"] | int = "all" if tail is None else tail
        with translated(), _gone_is_nothing():
            yield from self._client.api.logs(
                container, stream=True, follow=follow, timestamps=True, tail=lines, since=since_seconds or None
            )

    def events(self, project: str, since: float) -> tuple[Iterator[Any], Callable[[], None]]:
        """Events of a stack's containers from a moment on (seconds since 1970), and a function that ends the stream."""
        kinds = ["start", "die", "health_status"]
        filters: dict[str, Any] = {"label": _labels(project), "event": kinds, "type": "container"}
        moment: Any = f"{since:.6f}"  # the library's types know whole seconds alone
        with translated():
            stream = self._client.events(decode=True, since=moment, filters=filters)
        return stream, stream.close

    def execute(
        self,
        container: str,
        command: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float,
    ) -> tuple[int, bytes, bytes]:
        """Run a command in a container with input; exit code, output, error output.

        Args:
            container: its id.
            command: the words.
            stdin: the whole input.
            environment: variables that it has beside those of the container; no process list shows them.
            timeout_seconds: the longest time that it may take; it goes on inside after that.

        Raises:
            DockerError: it cannot be run, or is not done in time.
        """
        api = self._client.api
        with translated():
            created = api.exec_create(
                container, list(command), stdin=True, stdout=True, stderr=True, environment=dict(environment or {})
            )
            connection: Any = api.exec_start(created["Id"], socket=True)
            with closing(connection), closing(getattr(connection, "_sock", connection)) as raw:
                try:
                    output, errors = exchanged(raw, stdin, timeout_seconds)
                except TimeoutError:
                    raise DockerError(f"it is not done within {timeout_seconds:g} s") from None
            exit_code = api.exec_inspect(created["Id"])["ExitCode"]
        return int(-1 if exit_code is None else exit_code), output, errors


def connect() -> Docker:
    """The engine of the environment (DOCKER_HOST) or of the current Docker context.

    Raises:
        DockerError: no engine answers.
    """
    return Docker(client_of_environment())


@contextmanager
def _gone_is_nothing() -> Iterator[None]:
    """Docker has no log of a container that is gone (404), and refuses that of one which it is removing (409)."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code not in _GONE:
            raise


def _labels(project: str) -> list[str]:
    """What the containers of a stack's services carry, and those of `compose run` do not."""
    return [f"{PROJECT_LABEL}={project}", f"{ONE_OFF_LABEL}=False"]
