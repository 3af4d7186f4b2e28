"""What an edit of docker-compose.yml would be in a spec: fields first, raw keys of Compose where there is no field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stackgen.adoption.command import of_command
from stackgen.adoption.edits import ABSENT, Edit, is_literal_secret
from stackgen.adoption.ground import Ground, Proposal, typed
from stackgen.backing import litellm, postgres, redis
from stackgen.facts.adoption import has_absent_form, means_absent
from stackgen.parts import Instance, Service
from stackgen.render import COMPOSE_FILE

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-?][^}]*)?\}")
_IMAGE = re.compile(r"(?P<repository>.+?):(?P<tag>[^:/@]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
_VERSION = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)*")
_SECONDS = re.compile(r"([0-9]+)s")
_PUBLISHED = re.compile(r"(?P<address>\[[^]]*\]|[^:]+):(?P<port>[0-9]+):(?P<container>[0-9]+)")


def proposals(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    """What may be said in the place of an edit, best first; nothing where the spec has no word for it."""
    top, *rest = edit.path
    if top == "services" and rest:
        name = rest[0]
        if len(rest) == 1:
            yield from _whole_service(ground, edit, name)
        elif edit.old is ABSENT and ground.instance(name) is None and name not in ground.plan.service_names:
            return
        else:
            yield from _of_service(ground, edit, name, tuple(rest[1:]))
    elif edit.path[:1] == ("networks",) and edit.path[-1] in {"ipam", "config", "subnet"}:
        yield from _subnet(ground, edit)
    elif top == "volumes" and rest:
        text = ground.edited[COMPOSE_FILE].data.get("volumes")
        wanted = text.get(rest[0]) if isinstance(text, dict) else None
        if isinstance(wanted, dict) and wanted.get("name"):
            yield Proposal((ground.put(("storage", rest[0], "volume"), wanted["name"]),))


def raw_path(ground: Ground, service: str) -> tuple[str, ...]:
    """Where raw keys of Compose are said for a service."""
    extra = isinstance(ground.data.get("services"), dict) and service in ground.data["services"]
    return ("services", service, "compose") if extra else ("overrides", service, "compose")


def unescaped(value: Any) -> Any:
    """A value of Compose as raw keys of a spec say it: `$$` is a dollar, a variable its name alone."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: f"${{{match[1]}}}", value).replace("$$", "$")
    if isinstance(value, dict):
        return {key: unescaped(inner) for key, inner in value.items()}
    return [unescaped(inner) for inner in value] if isinstance(value, list) else value


def _whole_service(ground: Ground, edit: Edit, name: str) -> Iterator[Proposal]:
    if edit.old is ABSENT:
        written = ground.edited[COMPOSE_FILE].document.data["services"][name]
        yield Proposal((ground.put(("services", name), {"compose": unescaped(written)}),))
    elif edit.new is ABSENT:
        instance = ground.instance(name)
        ways = {redis.NAME: (("gateway", "cache"), "none"), postgres.NAME: (("gateway", "database"), False)}
        if instance:
            dropped = [ground.drop(("models", served.id)) for served in instance.models]
            yield Proposal(tuple(filter(None, dropped)))
        elif name in ways:
            yield Proposal((ground.put(*ways[name]),))
        elif change := ground.drop(("services", name)):
            yield Proposal((change,))


def _of_service(ground: Ground, edit: Edit, name: str, path: tuple[str, ...]) -> Iterator[Proposal]:
    service = next((found for found in ground.plan.services if found.name == name), None)
    instance, key = ground.instance(name), path[0]
    if service is None or (key == "environment" and is_literal_secret(path[-1], edit.new)):
        return
    if key == "command" and instance and len(path) > 1:
        yield from of_command(ground, instance, service, path[1], edit)
        return
    fields = {"image": _image, "environment": _variable, "ports": _ports, "volumes": _mount, "healthcheck": _health}
    if key in fields:
        yield from fields[key](ground, edit, service, path)
    yield from _raw(ground, edit, service, path)


def _raw(ground: Ground, edit: Edit, service: Service, path: tuple[str, ...]) -> Iterator[Proposal]:
    """Keys of Compose as they are; a list stands whole."""
    above = raw_path(ground, service.name)
    if path[0] == "volumes":
        written = ground.edited[COMPOSE_FILE].document.data["services"][service.name].get("volumes", [])
        yield Proposal((ground.put((*above, "volumes"), unescaped(written)),), last_resort=True)
    elif edit.new is not ABSENT:
        yield Proposal((ground.put((*above, *path), unescaped(edit.new)),))
    else:
        if change := ground.drop((*above, *path)):
            yield Proposal((change,))
        if len(path) == 1 and has_absent_form(path[0]):
            yield Proposal((ground.put((*above, *path), means_absent(path[0])),))


def _image(ground: Ground, edit: Edit, service: Service, _: tuple[str, ...]) -> Iterator[Proposal]:
    instance, match = ground.instance(service.name), _IMAGE.fullmatch(str(edit.new))
    if instance is None or match is None:
        return
    choice: dict[str, Any] = {key: value for key, value in match.groupdict().items() if value}
    version = _VERSION.search(choice["tag"])
    for told in ({"version": version[0]} if version else {}, {}):
        yield Proposal(tuple(ground.put(("models", served.id, "image"), choice | told) for served in instance.models))


def _variable(ground: Ground, edit: Edit, service: Service, path: tuple[str, ...]) -> Iterator[Proposal]:
    name, instance = path[-1], ground.instance(service.name)
    arg = service.environment.get(name)
    if arg and arg.path:
        origin = tuple(map(str, arg.path))
        gone = ground.drop(origin)
        if edit.new is not ABSENT:
            yield Proposal((ground.put(origin, typed(unescaped(edit.new))),))
        elif gone:
            yield Proposal((gone,))
    for owner in _owners(service, instance):
        yield from _variable_of(ground, edit, owner, name)


def _variable_of(ground: Ground, edit: Edit, owner: tuple[str, ...], name: str) -> Iterator[Proposal]:
    plain, secret = (*owner, "environment", name), (*owner, "secret_environment", name)
    if edit.new is ABSENT:
        yield from (Proposal((change,)) for path in (plain, secret) if (change := ground.drop(path)))
        return
    reference = _VARIABLE.fullmatch(str(edit.new))
    if reference:
        yield Proposal((ground.put(secret, reference[1]),))
    else:
        yield Proposal((ground.put(plain, str(unescaped(edit.new))),))


def _owners(service: Service, instance: Instance | None) -> Iterator[tuple[str, ...]]:
    if instance:
        yield from (("models", served.id) for served in instance.models)
    elif service.name == litellm.NAME:
        yield ("gateway",)


def _ports(ground: Ground, edit: Edit, service: Service, _: tuple[str, ...]) -> Iterator[Proposal]:
    """One port of the gateway or of an engine; more of them are raw keys."""
    ports = edit.new if isinstance(edit.new, list) else []
    match = _PUBLISHED.fullmatch(str(ports[0])) if len(ports) == 1 else None
    instance = ground.instance(service.name)
    if instance and not ports:
        dropped = [ground.drop(("models", served.id, "publish")) for served in instance.models]
        if any(dropped):
            yield Proposal(tuple(filter(None, dropped)))
    if match is None:
        return
    address, port = match["address"].strip("[]"), int(match["port"])
    if service.name == litellm.NAME:
        said = ground.plan.gateway
        moves = [ground.put(("gateway", "address"), address)] if address != said.address else []
        moves += [ground.put(("gateway", "port"), port)] if port != said.port else []
        yield Proposal(tuple(moves))
    elif instance:
        yield Proposal((ground.put(("models", instance.models[0].id, "publish"), {"address": address, "port": port}),))


def _mount(ground: Ground, _: Edit, service: Service, path: tuple[str, ...]) -> Iterator[Proposal]:
    """Another place for a cache, or a file of the host."""
    if len(path) < 2:  # noqa: PLR2004 - `volumes` and the place in the container
        return
    target = path[1]
    texts = ground.edited[COMPOSE_FILE].data["services"][service.name].get("volumes", {})
    mount = texts.get(target)
    storage = next((mounted.storage.name for mounted in service.mounts if mounted.target == target), None)
    instance = ground.instance(service.name)
    if isinstance(mount, dict):
        source = unescaped(mount.get("source"))
        if storage and mount.get("type") == "bind":
            yield Proposal((ground.put(("storage", storage), {"path": source}),))
        elif storage:
            yield Proposal((ground.put(("storage", storage), {"volume": source}),))
        elif instance and mount.get("type") == "bind" and mount.get("read_only"):
            yield Proposal((ground.put(("models", instance.models[0].id, "mounts", target), source),))
    elif instance:
        for served in instance.models:
            if change := ground.drop(("models", served.id, "mounts", target)):
                yield Proposal((change,))


def _health(ground: Ground, edit: Edit, service: Service, path: tuple[str, ...]) -> Iterator[Proposal]:
    instance, match = ground.instance(service.name), _SECONDS.fullmatch(str(edit.new))
    if instance and path[1:] == ("start_period",) and match:
        path = tuple(map(str, service.start_budget_path)) or ("models", instance.models[0].id, "start_seconds")
        yield Proposal((ground.put(path, int(match[1])),))


def _subnet(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    networks: Any = ground.edited[COMPOSE_FILE].document.data.get("networks")
    try:
        subnet = networks[edit.path[1]]["ipam"]["config"][0]["subnet"]
    except (KeyError, IndexError, TypeError):
        return
    yield Proposal((ground.put(("network", "subnet"), str(subnet)),))
