"""The plan in the dialect of LiteLLM: litellm/config.yaml, and the proof of such a file on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stackgen import facts
from stackgen.backing import litellm, redis
from stackgen.errors import SpecError
from stackgen.parts import Joined, Route, Secret, Value
from stackgen.plan import Plan, service_url
from stackgen.render.yaml import Note, dump
from stackgen.sources.document import read
from stackgen.spec import GATEWAY_ENVIRONMENT_REFERENCE

REQUEST_TIMEOUT_SECONDS = 600
RETRIES = 2


def gateway_file(plan: Plan) -> str:
    """The text of the gateway's configuration.

    Comments name keys of the spec, not lines: a line that moves must not change the file and restart the gateway.
    """
    header = [
        f"Rendered by stackgen from {plan.spec_file}. Do not edit: change {plan.spec_file}, then run `stackgen render`."
    ]
    return dump(document(plan), header, spaced=1)


def document(plan: Plan) -> dict[str, Any]:
    """The gateway's configuration as data."""
    settings: dict[str, Any] = {
        "drop_params": Note(True, "a parameter that an engine does not have is no error"),
        "request_timeout": REQUEST_TIMEOUT_SECONDS,
    }
    if plan.gateway.cache == "redis":
        settings["cache"] = Note(True, "gateway.cache")
        settings["cache_params"] = {
            "type": "redis",
            "host": redis.NAME,
            "port": redis.PORT,
            "password": word(redis.PASSWORD),
        }
    return {
        "model_list": [_entry(route, name) for route in plan.routes for name in route.public_names],
        "litellm_settings": settings,
        "router_settings": {
            "num_retries": RETRIES,
            "disable_cooldowns": Note(True, "each name has one deployment; taking it out for one error helps nobody"),
        },
        "general_settings": {"master_key": word(litellm.MASTER_KEY)},
    }


def word(value: Value) -> Any:
    """A value in LiteLLM's spelling: a secret is a reference that must be the whole string."""
    if isinstance(value, Secret):
        return f"{GATEWAY_ENVIRONMENT_REFERENCE}{value.name}"
    if isinstance(value, Joined):
        raise TypeError("LiteLLM resolves a secret only where it is the whole string")
    return value


def _entry(route: Route, public_name: str) -> Note:
    parameters: dict[str, Any] = {
        "model": f"{route.provider}/{route.served_name}",
        "api_base": service_url(route.service, route.port, route.base_path),
        "api_key": _key(route),
    }
    information: dict[str, Any] = {"mode": facts.gateway_mode(route.modality)}
    if route.longest_request:
        information["max_input_tokens"] = route.longest_request
    entry = {"model_name": public_name, "litellm_params": parameters, "model_info": information}
    return Note(entry, f"models.{route.model}: {route.modality} on {route.service}")


def _key(route: Route) -> Any:
    """The key of an engine; a word where it has none, for without one LiteLLM would send a real key of the environment."""
    return word(route.key) if route.key else "none"


def complaints(plan: Plan, path: Path) -> Iterator[str]:
    """What a gateway file on disk has wrong, compared with the plan: routes that reach no model.

    Args:
        plan: the stack.
        path: the file, perhaps edited by hand.
    """
    try:
        found, problems = read(path, path.name)
    except SpecError as error:
        yield "; ".join(problem.message for problem in error.problems)
        return
    yield from (f"line {problem.place.line}: {problem.message}" for problem in problems)
    entries = found.data.get("model_list")
    entries = entries if isinstance(entries, list) else []
    by_name: dict[str, list[Any]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
            yield "an entry of model_list has no litellm_params"
        else:
            by_name.setdefault(str(entry.get("model_name")), []).append(entry)
    for route in plan.routes:
        for name in route.public_names:
            yield from _route_complaints(route, name, by_name.pop(name, []))
    yield from (f"`{name}` is in the file but not in the spec" for name in by_name)
    general = found.data.get("general_settings")
    key = general.get("master_key") if isinstance(general, dict) else None
    if key != word(litellm.MASTER_KEY):
        yield f"general_settings.master_key must be {word(litellm.MASTER_KEY)}"


def _route_complaints(route: Route, name: str, entries: list[Any]) -> Iterator[str]:
    if not entries:
        yield f"`{name}` has no entry"
    for entry in entries:
        parameters = entry["litellm_params"]
        provider, _, served_name = str(parameters.get("model")).partition("/")
        appended = facts.gateway_path(provider, route.modality)
        base = str(parameters.get("api_base"))
        reached = f"{base}{appended}"
        wanted = service_url(route.service, route.port, route.endpoint)
        if appended is None:
            yield f"`{name}`: the provider {provider} has no {route.modality}"
        elif reached != wanted:
            yield f"`{name}`: api_base {base} reaches {reached}, but the model is at {wanted}"
        elif served_name != route.served_name:
            yield f"`{name}`: asks {route.service} for the model {served_name}, which serves it as {route.served_name}"
        if parameters.get("api_key") != _key(route):
            yield f"`{name}`: api_key must be {_key(route)}"
        mode = (entry.get("model_info") or {}).get("mode")
        if mode != facts.gateway_mode(route.modality):
            yield f"`{name}`: mode is {mode}, must be {facts.gateway_mode(route.modality)}"
