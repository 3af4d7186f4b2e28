"""Deployments: what the gateway knows, one for each model, replica or endpoint and each of its public names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any
from urllib.parse import urlsplit

from stackgen import facts
from stackgen.errors import Problem
from stackgen.facts.gateway import gateway_keys
from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks, Route, Secret, Value
from stackgen.plan.raw import Reader
from stackgen.records import dataclass
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Endpoint, Generation, Limits, Model, Spec

HOST_NAME = "host.docker.internal"
"""What a container calls the machine that it runs on."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104 - refused, not bound
_GENERATING = frozenset({"chat", "completion", "vision"})


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One entry of the gateway: a public name, and the server that answers to it."""

    id: str
    """Unique; the gateway takes it in place of a public name and then asks this server alone."""
    public_name: str
    route: Route
    """The way to the server; all modalities of an entry share it."""
    mode: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    information: Mapping[str, Value] = field(default_factory=dict)
    raw_parameters: Mapping[str, Any] = field(default_factory=dict)
    raw_information: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


def endpoint_routes(spec: Spec, secrets: Mapping[str, Secret]) -> Iterator[Route]:
    """Routes to the servers that stackgen does not run. `base_path` is then their whole URL."""
    for identifier, endpoint in spec.endpoints.items():
        names = endpoint.public_names or (identifier,)
        for modality in filter(MODALITIES.__contains__, endpoint.modalities):
            url = endpoint.url or ""
            appended = facts.gateway_path(endpoint.provider, modality) if url else None
            yield Route(
                model=identifier,
                modality=modality,
                public_names=names,
                engine="",
                served_name=endpoint.model or names[0],
                provider=endpoint.provider,
                service=identifier,
                port=0,
                base_path=url,
                endpoint=f"{url}{appended}" if appended else "",
                key=secrets.get(endpoint.key) if endpoint.key else None,
                quirks=Quirks(voice=endpoint.voice or "", tools=bool(endpoint.tools)),
            )


def of_routes(spec: Spec, routes: Sequence[Route], reader: Reader) -> tuple[Deployment, ...]:
    """Every deployment, in the order of its routes.

    Routes of one model on one way are one entry: LiteLLM takes every kind of request by it that its server answers.
    """
    grouped: dict[tuple[str, str, str, str], list[Route]] = {}
    for route in routes:
        grouped.setdefault((route.model, route.service, route.provider, route.base_path), []).append(route)
    found: list[Deployment] = []
    for (identifier, service, _, _), ways in grouped.items():
        inside = ways[0].port
        entry: Model | Endpoint = spec.models[identifier] if inside else spec.endpoints[identifier]
        found += _entries(f"{identifier}@{service if inside else 'endpoint'}", entry, ways, reader)
    reader.problems.extend(_id_problems(spec, found, reader))
    reader.problems.extend(_length_problems(found, reader))
    return tuple(found)


def _id_problems(spec: Spec, found: Sequence[Deployment], reader: Reader) -> Iterator[Problem]:
    """The gateway takes a public name before an id, so that server could never be asked alone."""
    places: dict[str, Path] = {alias: ("gateway", "aliases", alias) for alias in spec.gateway.aliases}
    for entry in found:
        section = "models" if entry.route.port else "endpoints"
        places[entry.public_name] = (section, entry.route.model, "public_names")
    for entry in found:
        if entry.id in places:
            message = f"{describe(entry.id)} is the id of a server at the gateway"
            yield Problem(reader.place(places[entry.id]), message, "choose another name")


def _length_problems(found: Sequence[Deployment], reader: Reader) -> Iterator[Problem]:
    """The gateway knows a model once, by provider and name: what one entry says of its length counts for a silent one."""
    said = {_model_word(entry): entry for entry in found if "max_input_tokens" in entry.information}
    for entry in found:
        other = said.get(_model_word(entry))
        if other and "max_input_tokens" not in entry.information:
            message = f"the gateway would take the context of `{other.route.model}` for this one: both are {_model_word(entry)}"
            place = reader.place(("models" if entry.route.port else "endpoints", entry.route.model))
            yield Problem(place, message, "write `context:` here too")


def _model_word(entry: Deployment) -> str:
    return f"{entry.route.provider}/{entry.route.served_name}"


def way_problems(loaded: Loaded, routes: Sequence[Route]) -> Iterator[Problem]:
    """Models that the gateway reaches in two ways: a name has one, and would send half of the requests astray."""
    first: dict[str, Route] = {}
    for route in (route for route in routes if route.port):
        other = first.setdefault(route.model, route)
        if (route.provider, route.base_path) != (other.provider, other.base_path):
            message = f"the gateway reaches {other.modality} and {route.modality} of {route.engine} in different ways"
            hint = "write a model for each, with the same source and public names of their own"
            yield Problem(loaded.place(("models", route.model, "modalities")), message, hint)


def endpoint_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Endpoints that the gateway could not reach, or not in the way they say."""
    for identifier, endpoint in spec.endpoints.items():
        path: Path = ("endpoints", identifier)
        if identifier in spec.models:
            place = loaded.place(path, of_key=True)
            yield Problem(place, f"`{identifier}` is the id of a model too", "give the endpoint another id")
        for position, modality in enumerate(endpoint.modalities):
            if modality not in MODALITIES:
                place = loaded.place((*path, "modalities", position))
                yield Problem(place, f"there is no modality {describe(modality)}", nearest(modality, MODALITIES))
        if endpoint.url:
            yield from url_problems(loaded, (*path, "url"), endpoint.url)
        yield from _provider_problems(loaded, path, endpoint)


def url_problems(loaded: Loaded, path: Path, url: str) -> Iterator[Problem]:
    """An address that means another machine inside the gateway's container than outside of it."""
    host = urlsplit(url).hostname
    if host in _LOCAL_NAMES:
        message = f"inside the gateway's container `{host}` is that container"
        hint = f"write http://{HOST_NAME}: for a server on this host, which must listen beyond 127.0.0.1"
        yield Problem(loaded.place(path), message, hint)


def generation_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Defaults of generation for what generates nothing, and answers that are longer than the context."""
    entries: list[tuple[Path, Model | Endpoint]] = [(("models", name), entry) for name, entry in spec.models.items()]
    entries += [(("endpoints", name), entry) for name, entry in spec.endpoints.items()]
    for path, entry in entries:
        if entry.generation != Generation() and not _GENERATING.intersection(entry.modalities):
            place = loaded.place((*path, "generation"), of_key=True)
            yield Problem(place, f"{entry.modalities[0]} generates no text", "drop the lines")
        longest = entry.generation.max_tokens
        if longest and entry.context and longest >= entry.context:
            message = f"an answer of {longest} tokens leaves nothing of a context of {entry.context} tokens"
            place = loaded.place((*path, "generation", "max_tokens"))
            yield Problem(place, message, f"`max_tokens: {entry.context // 4}` leaves room for the request")


def _provider_problems(loaded: Loaded, path: Path, endpoint: Endpoint) -> Iterator[Problem]:
    pinned = loaded.pinned("litellm", "")
    known = gateway_keys(pinned.pin.version) if pinned else None
    place = loaded.place((*path, "provider"))
    if known and endpoint.provider not in known.providers:
        message = f"the gateway has no provider {describe(endpoint.provider)}"
        yield Problem(place, message, nearest(endpoint.provider, known.providers))
    appends = facts.gateway_paths(endpoint.provider)
    for position, modality in enumerate(endpoint.modalities):
        if appends and modality in MODALITIES and modality not in appends:
            where = loaded.place((*path, "modalities", position))
            hint = f"by this provider it reaches {', '.join(sorted(appends))}"
            yield Problem(where, f"the gateway has no way to {modality} by the provider {endpoint.provider}", hint)


def _entries(base: str, entry: Model | Endpoint, ways: list[Route], reader: Reader) -> Iterator[Deployment]:
    first = ways[0]
    section = "models" if first.port else "endpoints"
    path: Path = (section, first.model, "gateway")
    parameters = {**first.parameters, **_generation(entry, ways, reader), **_said(entry.limits)}
    if entry.timeout_seconds:
        parameters["timeout"] = entry.timeout_seconds
    information: dict[str, Value] = {**_lengths(entry), **_abilities(entry)}
    for way in ways:
        information |= way.information
    raw_parameters = reader.gateway(entry.gateway.litellm_params, (*path, "litellm_params"))
    raw_information = reader.gateway(entry.gateway.model_info, (*path, "model_info"))
    for position, name in enumerate(first.public_names):
        yield Deployment(
            id=base if position == 0 else f"{base}:{position + 1}",
            public_name=name,
            route=replace(first, quirks=_widest(ways)),
            mode=facts.gateway_mode(first.modality),
            parameters=parameters,
            information=information,
            raw_parameters=raw_parameters,
            raw_information=raw_information,
            why=f"{section}.{first.model}: {', '.join(way.modality for way in ways)} on {first.service}",
        )


def _generation(entry: Model | Endpoint, ways: list[Route], reader: Reader) -> dict[str, Any]:
    """What was written of it, in the gateway's words; nothing on the ways by which no text is generated."""
    found: dict[str, Any] = {}
    if not _GENERATING.intersection(way.modality for way in ways):
        return found
    first = ways[0]
    path: Path = ("models" if first.port else "endpoints", first.model, "generation")
    for name, value in _said(entry.generation).items():
        word = facts.gateway_word(first.provider, name)
        if word is None:
            message = f"`{name}` does not reach this server: the gateway drops it or makes another setting of it"
            hint = "write `repetition_penalty:`, or drop the line"
            reader.problems.append(Problem(reader.place((*path, name)), message, hint))
        else:
            found[word] = value
    return found


def _widest(ways: list[Route]) -> Quirks:
    return next((way.quirks for way in ways if way.quirks != Quirks()), Quirks())


def _said(settings: Generation | Limits) -> dict[str, Any]:
    """What was written of a group of settings, in its order; lists stay lists."""
    found = settings.model_dump(exclude_none=True)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _lengths(entry: Model | Endpoint) -> dict[str, Value]:
    """Tokens of request and answer: together never more than the served context."""
    longest = entry.generation.max_tokens
    if not entry.context:
        return {"max_output_tokens": longest} if longest else {}
    if not longest:
        return {"max_input_tokens": entry.context}
    return {"max_input_tokens": entry.context - longest, "max_output_tokens": longest}


def _abilities(entry: Model | Endpoint) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if "vision" in entry.modalities:
        found["supports_vision"] = True
    if entry.tools is not None:
        found["supports_function_calling"] = entry.tools
    if isinstance(entry, Model) and entry.reasoning is not None:
        found["supports_reasoning"] = entry.reasoning
    return found
