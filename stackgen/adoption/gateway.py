"""What an edit of the gateway's file would be in a spec: fields first, raw keys of the gateway where there is no field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from stackgen import facts
from stackgen.adoption.edits import ABSENT, Edit, is_literal_secret
from stackgen.adoption.ground import Ground, Proposal
from stackgen.facts.adoption import field_of_gateway_key, generation_names, limit_names
from stackgen.plan import Deployment
from stackgen.spec import GATEWAY_ENVIRONMENT_REFERENCE

RAW_SECTIONS = frozenset({"litellm_settings", "router_settings", "general_settings"})
_CHAINS = frozenset({"fallbacks", "context_window_fallbacks"})
_NO_IDENTIFIER = re.compile(r"[^a-z0-9]+")


def proposals(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    """What may be said in the place of an edit, best first; nothing where the spec has no word for it."""
    top = edit.path[0]
    if is_literal_secret(edit.path[-1], edit.new):
        return
    if top == "model_list":
        yield from _of_entries(ground, edit)
    elif top in RAW_SECTIONS:
        yield from _setting(ground, edit)


def _setting(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    field = field_of_gateway_key(".".join(edit.path))
    raw = ("gateway", "raw", *edit.path)
    if field:
        path = ("gateway", *field.split("."))
        if edit.new is ABSENT:
            yield from (Proposal((change,)) for change in [ground.drop(path)] if change)
        else:
            yield Proposal((ground.put(path, _chains(edit.new) if edit.path[-1] in _CHAINS else edit.new),))
    elif len(edit.path) > 2 and (field := field_of_gateway_key(".".join(edit.path[:2]))):  # noqa: PLR2004 - a key inside
        path = ("gateway", *field.split("."), *edit.path[2:])
        change = ground.drop(path) if edit.new is ABSENT else ground.put(path, edit.new)
        yield from (Proposal((found,)) for found in [change] if found)
    if edit.new is not ABSENT:
        yield Proposal((ground.put(raw, edit.new),))
    elif change := ground.drop(raw):
        yield Proposal((change,))


def _chains(value: Any) -> Any:
    """A list of maps of one key each, as one map."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return {name: targets for item in value for name, targets in item.items()}
    return value


def _of_entries(ground: Ground, edit: Edit) -> Iterator[Proposal]:
    if len(edit.path) < 2:  # noqa: PLR2004 - the section and the id of an entry
        return
    deployment = next((found for found in ground.plan.deployments if found.id == edit.path[1]), None)
    if deployment is None:
        if edit.old is ABSENT and isinstance(edit.new, dict):
            yield from _endpoint(ground, edit.new)
        return
    route = deployment.route
    owner = ("models" if route.port else "endpoints", route.model)
    rest = edit.path[2:]
    if not rest:
        if edit.new is ABSENT and not route.port and (change := ground.drop(owner)):
            yield Proposal((change,))
    elif rest == ("model_name",):
        names = [edit.new if name == edit.old else name for name in route.public_names]
        yield Proposal((ground.put((*owner, "public_names"), names),))
    else:
        yield from _key(ground, edit, deployment, owner, rest)


def _key(
    ground: Ground, edit: Edit, deployment: Deployment, owner: tuple[str, str], rest: tuple[str, ...]
) -> Iterator[Proposal]:
    """A key of an entry: a limit, a default of generation, the longest request, else the gateway's own word."""
    section, name = rest[0], rest[-1]
    places: list[tuple[str, ...]] = []
    if section == "litellm_params" and len(rest) > 1:
        words = {facts.gateway_word(deployment.route.provider, setting): setting for setting in generation_names()}
        if name in limit_names():
            places.append((*owner, "limits", name))
        if name in words:
            places.append((*owner, "generation", words[name]))
        if name == "timeout":
            places.append((*owner, "timeout_seconds"))
    if section == "model_info" and name == "supports_function_calling":
        places.append((*owner, "tools"))
    if len(rest) > 1:
        places.append((*owner, "gateway", *rest))
    for path in places:
        change = ground.drop(path) if edit.new is ABSENT else ground.put(path, edit.new)
        if change:
            yield Proposal((change,))


def _endpoint(ground: Ground, entry: dict[str, Any]) -> Iterator[Proposal]:
    """A server that stackgen does not run."""
    name, parameters = str(entry.get("model_name", "")), entry.get("litellm_params")
    if not isinstance(parameters, dict) or "/" not in str(parameters.get("model")):
        return
    provider, _, model = str(parameters["model"]).partition("/")
    key = parameters.get("api_key")
    if key is not None and is_literal_secret("api_key", str(key)):
        return
    said: dict[str, Any] = {"provider": provider, "model": model, "public_names": [name]}
    if parameters.get("api_base"):
        said["url"] = parameters["api_base"]
    if key is not None:
        said["key"] = str(key).removeprefix(GATEWAY_ENVIRONMENT_REFERENCE)
    limits = {name: parameters[name] for name in limit_names() if name in parameters}
    if limits:
        said["limits"] = limits
    others = {"model", "api_base", "api_key", *limits}
    raw = {word: value for word, value in parameters.items() if word not in others}
    if raw:
        said["gateway"] = {"litellm_params": raw}
    base = identifier = _NO_IDENTIFIER.sub("-", f"{provider}-{model}".lower()).strip("-")[:41].strip("-")
    number = 1
    while ground.says(("endpoints", identifier)) or ground.says(("models", identifier)):
        number += 1
        identifier = f"{base[:38]}-{number}"
    yield Proposal((ground.put(("endpoints", identifier), said),))
