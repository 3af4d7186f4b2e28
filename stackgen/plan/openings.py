"""What raw keys of a service open: dangerous rights, host ports, volumes of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stackgen.parts import Exposure, Service
from stackgen.plan.raw import spelled
from stackgen.sources import Path, printable

_POWERFUL = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "NET_ADMIN"})
_VOLUME = re.compile(r"[A-Za-z0-9._-]+")
_ANY = "0.0.0.0"  # noqa: S104 - told, not bound
EVERYWHERE = frozenset({_ANY, "::"})
"""Addresses that stand for every interface."""


def dangers(service: str, tree: Mapping[str, Any]) -> Iterator[str]:
    """What raw keys open that stackgen would keep shut; allowed, and said."""
    if tree.get("privileged") is True:
        yield f"{service} is privileged: whoever is in it owns this host"
    for key in ("network_mode", "pid", "ipc", "userns_mode"):
        if tree.get(key) == "host":
            yield f"{service} shares this host's {key.removesuffix('_mode')}"
    for capability in tree.get("cap_add") or ():
        if str(capability).removeprefix("CAP_").upper() in _POWERFUL:
            yield f"{service} is given {capability}"
    for mount in tree.get("volumes") or ():
        source = spelled(mount.get("source", "") if isinstance(mount, dict) else mount)
        if "docker.sock" in source:
            yield f"{service} reaches the Docker engine by its socket: whoever is in it owns this host"
    for port in tree.get("ports") or ():
        if _on_all_interfaces(port):
            shown = port if not isinstance(port, dict) else port.get("published", port.get("target"))
            yield f"{service} publishes {printable(spelled(shown))} on all interfaces, past most firewalls"


def named_volumes(tree: Mapping[str, Any]) -> Iterator[str]:
    """Volumes that a raw service names, which the file must declare."""
    for mount in tree.get("volumes") or ():
        if isinstance(mount, dict):
            if mount.get("type") == "volume" and mount.get("source"):
                yield spelled(mount["source"])
            continue
        source, colon, _ = spelled(mount).partition(":")
        if colon and not source.startswith((".", "/", "~")):
            yield source


def is_volume(name: str) -> bool:
    """Whether Compose takes it for the name of a volume."""
    return _VOLUME.fullmatch(name) is not None


def published(tree: Mapping[str, Any]) -> Iterator[tuple[int, str, int]]:
    """Host ports that raw keys publish: position in the list, address, port. Ranges and random ports are left out."""
    for position, port in enumerate(tree.get("ports") or ()):
        if isinstance(port, dict):
            address, number, protocol = port.get("host_ip", ""), port.get("published", ""), port.get("protocol", "tcp")
        else:
            text, _, protocol = spelled(port).partition("/")
            address, _, rest = text.rpartition(":")[0].rpartition(":")
            number = rest
        if str(number).isdigit() and (protocol or "tcp") == "tcp":
            yield position, spelled(address).strip("[]") or _ANY, int(number)


def host_ports(service: Service) -> Iterator[tuple[str, int, Path]]:
    """Address, port and place in the spec of each host port; raw ports stand in the place of rendered ones.

    A port that Docker picks is left out.
    """
    if "ports" in service.raw:
        yield from ((address, number, ()) for _, address, number in published(service.raw))
        return
    for port in service.ports:
        if port.exposure is not Exposure.INTERNAL and port.published:
            yield port.address, port.published, port.path


def _on_all_interfaces(port: Any) -> bool:
    if isinstance(port, dict):
        return str(port.get("host_ip", "")) in {"", *EVERYWHERE}
    text = spelled(port).partition("/")[0]
    return text.count(":") <= 1 or text.startswith(("0.0.0.0:", "[::]:"))
