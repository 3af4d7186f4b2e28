"""The plan in the dialect of LiteLLM: litellm/config.yaml, and the proof of such a file on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stackgen import facts
from stackgen.backing import litellm, redis
from stackgen.errors import SpecError
from stackgen.parts import Joined, Route, Secret
from stackgen.plan import Deployment, Plan
from stackgen.render.yaml import Note, Written, laid_over, written
from stackgen.sources.document import read
from stackgen.spec import GATEWAY_ENVIRONMENT_REFERENCE

COOLDOWN_SECONDS = 30


def gateway_file(plan: Plan) -> Written:
    """The gateway's configuration.

    Comments name keys of the spec, not lines: a line that moves must not change the file and restart the gateway.
    """
    header = [
        f"Rendered by stackgen from {plan.spec_file}. Do not edit: change {plan.spec_file}, then run `stackgen render`."
    ]
    return written(document(plan), header, spaced=1)


def document(plan: Plan) -> dict[str, Any]:
    """The gateway's configuration as data."""
    rendered = {
        "model_list": [_entry(plan, deployment) for deployment in plan.deployments],
        "litellm_settings": _litellm_settings(plan),
        "router_settings": _router_settings(plan),
        "general_settings": _general_settings(plan),
    }
    return rendered | {section: laid_over(rendered[section], raw, word) for section, raw in plan.raw_gateway.items()}


def word(value: Any) -> Any:
    """A value in LiteLLM's spelling: a secret is a reference that must be the whole string."""
    if isinstance(value, Secret):
        return f"{GATEWAY_ENVIRONMENT_REFERENCE}{value.name}"
    if isinstance(value, Joined):
        raise TypeError("LiteLLM resolves a secret only where it is the whole string")
    return value


def _entry(plan: Plan, deployment: Deployment) -> Note:
    route = deployment.route
    parameters: dict[str, Any] = {"model": f"{route.provider}/{route.served_name}"}
    if route.base_url:
        parameters["api_base"] = route.base_url
    if _key(route) is not None:
        parameters["api_key"] = _key(route)
    parameters |= {name: word(value) for name, value in deployment.parameters.items()}
    if plan.shared_names and deployment.public_name not in plan.shared_names:
        parameters["cooldown_time"] = Note(0, "it is alone under its name; leaving it alone would help nobody")
    information: dict[str, Any] = {"id": deployment.id, "mode": deployment.mode, **deployment.information}
    entry = {
        "model_name": deployment.public_name,
        "litellm_params": laid_over(parameters, deployment.raw_parameters, word),
        "model_info": laid_over(information, deployment.raw_information, word),
    }
    return Note(entry, deployment.why)


def _key(route: Route) -> Any:
    """The key of a server; a word where it has none, for without one LiteLLM would send a real key of the environment.

    None for clouds that are opened by variables of the gateway's own.
    """
    if route.key:
        return word(route.key)
    return "none" if route.base_url else None


def _litellm_settings(plan: Plan) -> dict[str, Any]:
    gateway = plan.gateway
    settings: dict[str, Any] = {
        "drop_params": Note(True, "a parameter that an engine does not have is no error"),
        "request_timeout": gateway.timeout_seconds,
        "json_logs": True,
    }
    if gateway.callbacks or plan.sleeping_names:
        settings["callbacks"] = list(gateway.callbacks)
    if plan.sleeping_names:
        settings["callbacks"].append(Note(litellm.ASLEEP_CALLBACK, "says of names that sleep that they do"))
    if gateway.cache != "none":
        settings["cache"] = Note(True, "gateway.cache")
        settings["cache_params"] = _cache(plan)
    return settings


def _cache(plan: Plan) -> dict[str, Any]:
    gateway = plan.gateway
    parameters: dict[str, Any] = {"type": {"semantic": "redis-semantic"}.get(gateway.cache, gateway.cache)}
    if gateway.cache in litellm.REDIS_CACHES:
        parameters |= {"host": redis.NAME, "port": redis.PORT, "password": word(redis.PASSWORD)}
    if gateway.cache_seconds:
        parameters["ttl"] = gateway.cache_seconds
    if gateway.semantic_cache:
        parameters["similarity_threshold"] = gateway.semantic_cache.similarity
        parameters["redis_semantic_cache_embedding_model"] = gateway.semantic_cache.embedding
    return parameters


def _router_settings(plan: Plan) -> dict[str, Any]:
    gateway = plan.gateway
    settings: dict[str, Any] = {"routing_strategy": gateway.routing, "num_retries": gateway.retries}
    if plan.shared_names:
        settings["cooldown_time"] = gateway.cooldown_seconds or COOLDOWN_SECONDS
        settings["allowed_fails"] = gateway.allowed_fails or 0
    else:
        why = "each name has one deployment; leaving it alone for a while helps nobody"
        settings["disable_cooldowns"] = Note(True, why)
    if gateway.stream_timeout_seconds:
        settings["stream_timeout"] = gateway.stream_timeout_seconds
    for section in ("fallbacks", "context_window_fallbacks"):
        chains = _with_aliases(getattr(gateway, section), gateway.aliases)
        if chains:
            settings[section] = [{name: list(targets)} for name, targets in chains.items()]
    if gateway.default_fallbacks:
        settings["default_fallbacks"] = list(gateway.default_fallbacks)
    if gateway.measures_requests:
        settings["enable_pre_call_checks"] = Note(True, "a request that is too long goes on before it is sent")
    if gateway.aliases:
        settings["model_group_alias"] = dict(gateway.aliases)
    return settings


def _with_aliases(chains: Mapping[str, Sequence[str]], aliases: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """An alias does not inherit the fallbacks of its name (measured on 1.106.2), so they are said for it too."""
    return {**chains, **{alias: chains[name] for alias, name in aliases.items() if name in chains}}


def _general_settings(plan: Plan) -> dict[str, Any]:
    settings: dict[str, Any] = {"master_key": word(litellm.MASTER_KEY)}
    if plan.gateway.pass_through:
        settings["pass_through_endpoints"] = [
            _pass_through(plan, identifier) for identifier in plan.gateway.pass_through
        ]
    return settings


def _pass_through(plan: Plan, identifier: str) -> dict[str, Any]:
    leads = plan.gateway.pass_through[identifier]
    entry: dict[str, Any] = {"path": leads.path, "target": leads.url}
    key = plan.pass_through_keys.get(identifier)
    if key is not None:
        entry["headers"] = {"Authorization": f"Bearer {word(key.value)}"}
    return entry


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
    by_id: dict[str, list[Any]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
            yield "an entry of model_list has no litellm_params"
        else:
            information = entry.get("model_info")
            identifier = information.get("id") if isinstance(information, dict) else None
            by_id.setdefault(str(identifier), []).append(entry)
    for deployment in plan.deployments:
        yield from _entry_complaints(deployment, by_id.pop(deployment.id, []))
    for left in by_id.values():
        yield from (f"`{entry.get('model_name')}` is in the file but not in the spec" for entry in left)
    general = found.data.get("general_settings")
    key = general.get("master_key") if isinstance(general, dict) else None
    if key != word(litellm.MASTER_KEY):
        yield f"general_settings.master_key must be {word(litellm.MASTER_KEY)}"


def _entry_complaints(deployment: Deployment, entries: list[Any]) -> Iterator[str]:
    name, route = deployment.public_name, deployment.route
    if not entries:
        yield f"`{name}` has no entry with the id {deployment.id}"
    for entry in entries:
        parameters = entry["litellm_params"]
        if entry.get("model_name") != name:
            yield f"`{name}`: the entry {deployment.id} is named {entry.get('model_name')}"
        yield from (f"`{name}`: {complaint}" for complaint in _way_complaints(route, parameters))
        if parameters.get("api_key") != _key(route):
            yield f"`{name}`: api_key must be {_key(route)}"
        mode = (entry.get("model_info") or {}).get("mode")
        if mode != deployment.mode:
            yield f"`{name}`: mode is {mode}, must be {deployment.mode}"


def _way_complaints(route: Route, parameters: Mapping[str, Any]) -> Iterator[str]:
    provider, _, served_name = str(parameters.get("model")).partition("/")
    base = str(parameters.get("api_base") or "")
    appended = facts.gateway_path(provider, route.modality)
    if not route.url:
        if (provider, base) != (route.provider, route.base_url):
            yield f"asks {provider} at {base or 'its own address'}, the spec says {route.provider}"
    elif appended is None:
        yield f"the provider {provider} has no {route.modality}"
    elif f"{base}{appended}" != route.url:
        yield f"api_base {base} reaches {base}{appended}, but the model is at {route.url}"
    if served_name != route.served_name:
        yield f"asks {route.service} for the model {served_name}, which serves it as {route.served_name}"
