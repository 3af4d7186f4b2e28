"""Whether the subnet of a stack is free on this host, and which one is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from stackgen.errors import DockerError, StackError
from stackgen.plan import Plan
from stackgen.runtime.engine import Docker

ROUTES = Path("/proc/net/route")
"""The kernel's main table of routes for IPv4."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PRIVATE: dict[int, tuple[Network, ...]] = {
    4: tuple(map(ipaddress.IPv4Network, ("10.192.0.0/10", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))),
    6: (ipaddress.IPv6Network("fd5a:c0de::/32"),),
}
"""Where a free range is looked for; first where offices and clouds seldom number from."""
_WIDEST = {4: 16, 6: 48}
_DOCKERS_OWN = re.compile(r"br-[0-9a-f]{12}|docker\w*")
"""Bridges that Docker names itself; its networks are asked for by its own API."""


def findings(plan: Plan, docker: Docker, routes: Path = ROUTES) -> Iterator[StackError]:
    """A subnet that this host reaches by another way, which would be lost, or that another network has.

    Args:
        plan: the stack.
        docker: the engine.
        routes: the kernel's table of routes.
    """
    if not plan.network.subnet:
        return
    wanted = ipaddress.ip_network(plan.network.subnet)
    taken = [
        *((subnet, f"which this host reaches by {device}") for device, subnet in _routes(routes)),
        *((subnet, f"of the network `{name}`") for name, subnet in _networks(docker, plan.name)),
    ]
    for subnet, whose in taken:
        if overlap(wanted, subnet):
            pools = [ipaddress.ip_network(pool) for pool in docker.address_pools()]
            free = free_subnet(wanted, [*(subnet for subnet, _ in taken), *pools])
            other = f"`network: {{subnet: {free}}}` is free" if free else "choose another `network: subnet:`"
            message = f"the subnet {wanted} overlaps with {subnet}, {whose}"
            yield DockerError(message, hint=f"{other}; or leave it out: Docker picks one")


def free_subnet(wanted: Network, taken: Sequence[Network]) -> Network | None:
    """A private range as large as the wanted one that overlaps with nothing; None where there is none."""
    length = max(wanted.prefixlen, _WIDEST[wanted.version])
    size = 1 << (wanted.max_prefixlen - length)
    for private in _PRIVATE[wanted.version]:
        start = int(private.network_address)
        while start < int(private.broadcast_address):
            candidate = ipaddress.ip_network((private.network_address + (start - int(private.network_address)), length))
            clash = next((network for network in taken if overlap(candidate, network)), None)
            if clash is None:
                return candidate
            start = -(-(int(clash.broadcast_address) + 1) // size) * size
    return None


def overlap(one: Network, other: Network) -> bool:
    """Whether two ranges of the same kind share an address."""
    return one.version == other.version and one.overlaps(other)


def _routes(table: Path) -> Iterator[tuple[str, Network]]:
    """Device and range of each route but the default one and those of Docker's own bridges."""
    if not table.is_file():
        return
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        device, destination, *rest = line.split()
        found = ipaddress.ip_network(f"{_address(destination)}/{_address(rest[5])}")
        if found.prefixlen and not _DOCKERS_OWN.fullmatch(device):
            yield device, found


def _networks(docker: Docker, own: str) -> Iterator[tuple[str, Network]]:
    for name, (project, subnets) in docker.subnets().items():
        if project != own:
            yield from ((name, ipaddress.ip_network(subnet)) for subnet in subnets)


def _address(number: str) -> ipaddress.IPv4Address:
    """A number of the routing table: hexadecimal, lowest byte first."""
    return ipaddress.IPv4Address(bytes.fromhex(number)[::-1])
