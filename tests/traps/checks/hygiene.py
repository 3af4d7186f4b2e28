"""How the Compose file itself is written: names, networks, folders, tags, limits."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from traps.check import about, every_server, every_service, everything, servers
from traps.parts import gib

_ENGINES = {"vllm", "ollama", "infinity", "speaches"}
_STOP_SECONDS = {"vllm": 60, "postgres": 60}
"""Shortest time to end in order, where Docker's ten seconds cut off work or data."""
_WHOLE_FOLDER_SINCE = (18,)
_SPEACHES_CACHE = "/home/ubuntu/.cache/huggingface/hub"


def used_networks(stack):
    """Stacks that name their networks."""
    return [stack] if stack.compose.get("networks") else []


def waiting(stack):
    return [service for service in stack.services if service.dependencies]


def with_mounts(stack):
    return [service for service in stack.services if service.mounts]


def with_folders_of_the_host(stack):
    return [service for service in stack.services if any(mount.kind == "bind" for mount in service.mounts)]


@about(everything)
def trap_53(stack, _):
    if "version" in stack.compose:
        yield "`version:` is obsolete, and said on every command"
    if not stack.compose.get("name"):
        yield "no `name:`: the folder decides what volumes are called"


@about(used_networks)
def trap_54(stack, _):
    joined = []
    for name, network in stack.compose["networks"].items():
        users = [service for service in stack.services if name in service.networks and service.role != "litellm"]
        if (network or {}).get("external") and users:
            yield f"the network {name} must be made by hand, and {users[0]} needs it"
        elif (network or {}).get("external"):
            joined.append(network.get("name", name))
    for file, text in stack.files.items():
        made = re.findall(r"docker network create ([^`\n]*)", text)
        if any(words.strip() not in joined for words in made):
            yield f"{file} makes a network by hand"


@about(used_networks)
def trap_55(stack, _):
    for name, network in stack.compose["networks"].items():
        for entry in ((network or {}).get("ipam") or {}).get("config") or ():
            yield f"the network {name} takes {entry.get('subnet')}, whoever has it"
    for file, text in stack.files.items():
        if "--subnet" in text:
            yield f"{file} fixes a subnet"


@about(every_service)
def trap_56(stack, service):
    if "container_name" in service.data:
        yield f"container_name {service.data['container_name']}: one of its kind on the whole host"


@about(with_folders_of_the_host)
def trap_57(stack, service):
    for mount in service.mounts:
        if mount.kind != "bind":
            continue
        if mount.creates_source:
            yield f"{mount.source} becomes a folder where it is missing"
        if PurePosixPath(mount.target).suffix and not mount.read_only:
            yield f"{mount.target} can be written"
        if PurePosixPath(mount.target).suffix and mount.source.startswith(("/", "~")):
            yield f"{mount.source} exists on one host alone"


@about(every_service)
def trap_59(stack, service):
    logging = service.data.get("logging") or {}
    options = logging.get("options") or {}
    if logging.get("driver") != "local" and not {"max-size", "max-file"} <= set(options):
        yield "its log grows without end"


@about(every_service)
def trap_60(stack, service):
    if not service.image.digest and len(service.image.version) < 2:
        yield f"{service.image.reference} is another image tomorrow"


@about(servers("postgres"))
def trap_61(stack, server):
    whole = server.image.version >= _WHOLE_FOLDER_SINCE
    target = "/var/lib/postgresql" if whole else "/var/lib/postgresql/data"
    if target not in [mount.target for mount in server.mounts]:
        yield f"{server.image.reference} keeps its data in {target}"


@about(every_server)
def trap_62(stack, server):
    least = _STOP_SECONDS.get(server.role, 0)
    if server.stop_seconds < least:
        yield f"is killed after {server.stop_seconds:.0f} s; at least {least} s"
    if server.data.get("init") is not True:
        yield "no init: processes that end stay as zombies"


@about(every_service)
def trap_62_memory(stack, service):
    given = service.limit("mem_limit", "memory")
    if given is None or gib(given) <= 0:
        yield "may take all memory of the host"


@about(every_service)
def trap_62_processors(stack, service):
    """Engines are what the host is for; a limit would only slow them down."""
    quota = int(service.data.get("cpu_quota") or 0)
    if service.role not in _ENGINES and not quota and not float(service.limit("cpus", "cpus") or 0):
        yield "may take every processor of the host"


@about(every_service)
def trap_62_processes(stack, service):
    if int(service.limit("pids_limit", "pids") or 0) <= 0:
        yield "may start processes without end"


@about(with_mounts)
def trap_63(stack, service):
    for mount in service.mounts:
        if mount.kind == "volume" and len(mount.source) < 2:
            yield f"the volume {mount.source} is read as a drive"
        if (
            service.role == "speaches"
            and mount.target.startswith("/home/ubuntu/.cache")
            and (mount.kind == "bind" or mount.target != _SPEACHES_CACHE)
        ):
            yield f"{mount.target} belongs to root there, and Speaches is user 1000; only {_SPEACHES_CACHE} is its own"


@about(servers("infinity"))
def trap_65(stack, server):
    folder = server.environment.get("HF_HOME", "/app/.cache/huggingface")
    if not server.keeps(folder):
        yield f"{folder} is lost with the container, and the weights with it"


@about(waiting)
def trap_66(stack, service):
    own = set(service.data.get("profiles") or ())
    for name, dependency in service.dependencies.items():
        other = stack.named(name)
        theirs = set((other.data.get("profiles") or ()) if other else {"no such service"})
        if theirs and not own & theirs and dependency.get("required", True):
            yield f"waits for {name}, which may not be there"
