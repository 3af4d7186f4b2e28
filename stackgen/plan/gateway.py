"""The gateway's settings: what they need, which of them would do nothing, and its raw sections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackgen.errors import Problem
from stackgen.facts.gateway import GatewayKeys, gateway_keys
from stackgen.parts import Arg, Route, Secret
from stackgen.plan import names, secrets
from stackgen.plan.deployments import Deployment, url_problems
from stackgen.plan.raw import Reader, secrets_in
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Endpoint, Model, Spec

SECTIONS = ("litellm_settings", "router_settings", "general_settings")
_DATABASE = "DATABASE_URL"
_OWN: Mapping[str, Mapping[str, str]] = {
    "litellm_settings": {},
    "router_settings": {},
    "general_settings": {"master_key": "its value is LITELLM_MASTER_KEY in .stackgen/secrets.env"},
    "litellm_params": {
        "model": "write `source` in a model, `provider` and `model` in an endpoint",
        "api_base": "write `url` in an endpoint; that of a model follows from its engine",
        "api_key": "write `key` in an endpoint; that of a model is its engine's",
    },
    "model_info": {"id": "it follows from the entry's id", "mode": "it follows from `modalities`"},
}
"""Keys that the stack's own checks rely on, and where to write what they would say."""
_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "float": ((int, float), "a number"),
    "str": (str, "text"),
    "list": (list, "a list"),
    "dict": (dict, "a map"),
}
"""The gateway's words for types, and ours."""


def problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Settings that contradict each other, and words that the pinned gateway does not know."""
    gateway = spec.gateway
    if gateway.cache == "semantic" and gateway.semantic_cache is None:
        place = loaded.place(("gateway", "cache"))
        yield Problem(place, "a semantic cache needs an embedding model", "add `semantic_cache: {embedding: NAME}`")
    if gateway.semantic_cache and gateway.cache != "semantic":
        place = loaded.place(("gateway", "semantic_cache"), of_key=True)
        yield Problem(place, f"`cache` is {gateway.cache}, so this does nothing", "write `cache: semantic`")
    if gateway.cache_seconds and gateway.cache == "none":
        place = loaded.place(("gateway", "cache_seconds"), of_key=True)
        yield Problem(place, "`cache` is none, so this does nothing", "write `cache: redis`, or drop the line")
    yield from _cooldown_problems(loaded, spec)
    yield from _pass_through_problems(loaded, spec)
    yield from _client_problems(loaded, spec)
    pinned = loaded.pinned("litellm", "")
    known = gateway_keys(pinned.pin.version) if pinned else None
    if known is None:
        return
    if gateway.routing not in known.routing_strategies:
        place = loaded.place(("gateway", "routing"))
        hint = nearest(gateway.routing, known.routing_strategies)
        yield Problem(place, f"the gateway has no routing {describe(gateway.routing)}", hint)
    for position, name in enumerate(gateway.callbacks):
        place = loaded.place(("gateway", "callbacks", position))
        if name not in known.callbacks:
            hint = nearest(name, known.callbacks)
            yield Problem(place, f"the gateway has no callback {describe(name)}", hint)
            continue
        given = {*gateway.environment, *gateway.secret_environment}
        missing = [variable for variable in known.callback_secrets.get(name, ()) if variable not in given]
        if missing:
            hint = "write them under `secret_environment` or `environment` of `gateway`"
            yield Problem(place, f"the callback {name} needs {', '.join(missing)}", hint)
    yield from _entry_problems(loaded, spec, known)


def raw_sections(loaded: Loaded, spec: Spec, reader: Reader) -> dict[str, dict[str, Any]]:
    """The raw sections, read and checked against what the pinned gateway knows."""
    pinned = loaded.pinned("litellm", "")
    known = gateway_keys(pinned.pin.version) if pinned else None
    found = {}
    for section in SECTIONS:
        path: Path = ("gateway", "raw", section)
        tree = getattr(spec.gateway.raw, section)
        if known:
            reader.problems.extend(_section_problems(loaded, path, section, tree, known))
        found[section] = reader.gateway(tree, path)
    return {section: tree for section, tree in found.items() if tree}


def pass_through_keys(spec: Spec, known: Mapping[str, Secret]) -> dict[str, Arg]:
    """The secret of each path that goes elsewhere, by its id."""
    return {
        identifier: Arg(value=known[leads.key], path=("gateway", "pass_through", identifier, "key"))
        for identifier, leads in spec.gateway.pass_through.items()
        if leads.key
    }


def secrets_shown(
    routes: Iterable[Route], entries: Iterable[Deployment], raw: Mapping[str, Any], passed: Mapping[str, Arg]
) -> list[Secret]:
    """Every secret that the gateway's file refers to."""
    found = [route.key for route in routes if route.key]
    for entry in entries:
        found += secrets_in(dict(entry.raw_parameters))
        found += secrets_in(dict(entry.raw_information))
    found += secrets_in(dict(raw))
    return found + [arg.value for arg in passed.values() if isinstance(arg.value, Secret)]


def variables(loaded: Loaded, spec: Spec, known: Mapping[str, Secret], problems: list[Problem]) -> dict[str, Arg]:
    """What the spec adds to the gateway's environment."""
    plain, secret = spec.gateway.environment, spec.gateway.secret_environment
    path: Path = ("gateway", "environment")
    found = {name: Arg(value=value, path=(*path, name)) for name, value in plain.items()}
    where: Path = ("gateway", "secret_environment")
    problems += _variable_problems(loaded, spec, known)
    return found | secrets.environment(loaded, secret, where, known, problems)


def _variable_problems(loaded: Loaded, spec: Spec, known: Mapping[str, Secret]) -> Iterator[Problem]:
    """Variables that would take the place of what the stack itself says to its gateway."""
    plain, secret = spec.gateway.environment, spec.gateway.secret_environment
    path: Path = ("gateway", "environment")
    where: Path = ("gateway", "secret_environment")
    said = [(*path, name) for name in plain]
    said += [(*where, name) for name in secret if secret[name] != name]
    for entry in said:
        place = loaded.place(entry, of_key=True)
        if entry[-1] in known:
            hint = "write its value into .stackgen/secrets.env"
            yield Problem(place, f"{entry[-1]} is a secret of the stack", hint)
        elif entry[-1] == _DATABASE and spec.gateway.database:
            hint = "drop the line; or write `database: false` for one that runs elsewhere"
            yield Problem(place, f"{_DATABASE} leads to the stack's own database", hint)
    for name in sorted(set(plain) & set(secret)):
        place = loaded.place((*where, name), of_key=True)
        yield Problem(place, f"{name} is under `environment` too", "drop one of the two")


def _cooldown_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """A server that is alone under its name is never left alone, so how long has no meaning."""
    if any(count > 1 for count in names.servers(spec).values()):
        return
    for key in ("cooldown_seconds", "allowed_fails"):
        if getattr(spec.gateway, key) is not None:
            place = loaded.place(("gateway", key), of_key=True)
            yield Problem(place, "no public name has two servers, so this does nothing", "drop the line")


def _pass_through_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for identifier, leads in spec.gateway.pass_through.items():
        path: Path = ("gateway", "pass_through", identifier)
        owner = owners.setdefault(leads.path, identifier)
        if owner != identifier:
            message = f"the path {leads.path} is taken by `{owner}`"
            yield Problem(loaded.place((*path, "path")), message, "choose another path")
        yield from url_problems(loaded, (*path, "url"), leads.url)


def _client_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    gateway = spec.gateway
    known = {*names.kinds(spec), *gateway.aliases}
    for section in ("teams", "keys"):
        allowances = getattr(gateway, section)
        if allowances and not gateway.database:
            place = loaded.place(("gateway", section), of_key=True)
            yield Problem(place, f"{section} are kept in the database", "write `database: true`, or drop the lines")
        for identifier, allowance in allowances.items():
            path: Path = ("gateway", section, identifier)
            for position, name in enumerate(allowance.models):
                if name not in known:
                    place = loaded.place((*path, "models", position))
                    yield Problem(place, f"there is no public name {describe(name)}", nearest(name, known))
            if allowance.budget_days and not allowance.budget:
                place = loaded.place((*path, "budget_days"), of_key=True)
                yield Problem(place, "there is no budget that could begin anew", "add `budget:`, or drop the line")
    yield from _key_problems(loaded, spec, known)


def _key_problems(loaded: Loaded, spec: Spec, known: set[str]) -> Iterator[Problem]:
    gateway = spec.gateway
    for identifier, key in gateway.keys.items():
        if key.team is not None and key.team not in gateway.teams:
            place = loaded.place(("gateway", "keys", identifier, "team"))
            hint = nearest(key.team, gateway.teams) or "declare it under `teams:`"
            yield Problem(place, f"there is no team {describe(key.team)}", hint)
        allowed = gateway.teams[key.team].models if key.team in gateway.teams else ()
        for position, name in enumerate(key.models):
            if allowed and name in known and name not in allowed:
                place = loaded.place(("gateway", "keys", identifier, "models", position))
                hint = f"drop it, or add it to `models` of the team `{key.team}`"
                yield Problem(place, f"the team of the key may not ask {describe(name)}", hint)


def _section_problems(
    loaded: Loaded, path: Path, section: str, tree: Mapping[str, Any], known: GatewayKeys
) -> Iterator[Problem]:
    for key, value in tree.items():
        place = loaded.place((*path, key), of_key=True)
        right = known.misplaced.get(key)
        if key in known.useless:
            yield Problem(place, f"{describe(key)} does nothing: {known.useless[key]}", "drop the line")
        elif key in _OWN[section]:
            yield Problem(place, f"{describe(key)} is written by stackgen", _OWN[section][key])
        elif right and right != section:
            yield Problem(place, f"the gateway reads {describe(key)} from {right} alone", f"write it under `{right}`")
        elif key not in known.sections[section]:
            hint = nearest(key, known.sections[section])
            yield Problem(place, f"{section} of the pinned gateway knows no {describe(key)}", hint)
        else:
            yield from _type_problems(loaded, (*path, key), value, known.types.get(section, {}).get(key))


def _entry_problems(loaded: Loaded, spec: Spec, known: GatewayKeys) -> Iterator[Problem]:
    """Raw keys of entries. Unknown ones are sent to the model, so only those are refused that stand in the wrong place."""
    entries: dict[Path, Model | Endpoint] = {("models", name): entry for name, entry in spec.models.items()}
    entries |= {("endpoints", name): entry for name, entry in spec.endpoints.items()}
    for above, entry in entries.items():
        for section, other in (("litellm_params", "model_info"), ("model_info", "litellm_params")):
            tree = getattr(entry.gateway, section)
            for key, value in tree.items():
                path: Path = (*above, "gateway", section, key)
                place = loaded.place(path, of_key=True)
                if key in _OWN[section]:
                    yield Problem(place, f"{describe(key)} is written by stackgen", _OWN[section][key])
                elif known.misplaced.get(key) == other:
                    message = f"the gateway reads {describe(key)} from {other} alone"
                    yield Problem(place, message, f"write it under `{other}`")
                else:
                    yield from _type_problems(loaded, path, value, known.types.get(section, {}).get(key))


def _type_problems(loaded: Loaded, path: Path, value: Any, wanted: str | None) -> Iterator[Problem]:
    """A value of another type than the gateway takes; text may be a secret, which has every type."""
    if value is None or wanted is None or (isinstance(value, str) and "$" in value):
        return
    types, words = _TYPES[wanted]
    if not isinstance(value, types) or (isinstance(value, bool) and wanted != "bool"):
        yield Problem(loaded.place(path), f"{describe(path[-1])} must be {words}, not {describe(value)}")
