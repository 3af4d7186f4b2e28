"""Groups of models that take turns: who excludes whom, which of them are active, and what sleeps with the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from stackgen.backing import litellm
from stackgen.errors import Problem
from stackgen.parts import Group, Instance, Service
from stackgen.plan import names
from stackgen.plan.model import Plan
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Gateway, Spec

_CHOOSE = "stackgen render --group NAME"


def of_spec(spec: Spec, chosen: Collection[str]) -> tuple[Group, ...]:
    """Every group in the order of the spec.

    Args:
        spec: the stack.
        chosen: names of groups that are to be active; the first one of an exclusion is where none of them is named.
    """
    words = exclusions(spec)
    active = dict(reversed([(word, name) for name, word in words.items()]))
    active |= {words[name]: name for name in chosen if name in words}
    return tuple(
        Group(name=name, exclusion=word, models=spec.groups[name].models, active=active[word] == name)
        for name, word in words.items()
    )


def by_model(groups: Sequence[Group]) -> dict[str, Group]:
    """The group of each model that has one, by the model's id."""
    return {model: group for group in groups for model in group.models}


def problems(loaded: Loaded, spec: Spec, chosen: Sequence[str]) -> Iterator[Problem]:
    """Groups of what cannot take turns, groups that nothing alternates with, and choices that cannot be met."""
    yield from _member_problems(loaded, spec)
    words = exclusions(spec)
    members = list(_written_exclusions(loaded)) if spec.groups else []
    for name, word in words.items():
        if members.count(word) == 1:
            yield _alone(loaded, name, word, words)
    yield from _choice_problems(loaded, words, chosen)
    yield from _semantic_cache_problems(loaded, spec)


def sharing_problems(loaded: Loaded, found: Sequence[Instance], groups: Mapping[str, Group]) -> Iterator[Problem]:
    """Models of one process start and stop together, so they are of one group."""
    for instance in found:
        first = instance.models[0]
        for served in instance.models[1:] if instance.replica == 0 else ():
            ours, theirs = groups.get(served.id), groups.get(first.id)
            if ours != theirs:
                both = f"`{served.id}` {_membership(ours)}, and `{first.id}` {_membership(theirs)}"
                message = f"{both}; they share the instance `{instance.name}`, which has one life"
                hint = "give them different `instance` names, or put both into one group"
                yield Problem(loaded.place(served.path, of_key=True), message, hint)


def with_sleepers(plan: Plan) -> Plan:
    """The plan in which the gateway knows of models whose group is not active that they sleep, and nothing else."""
    sleeping = {model for group in plan.groups if not group.active for model in group.models}
    entries = tuple(entry for entry in plan.deployments if entry.route.model not in sleeping)
    answered = {entry.public_name for entry in entries}
    groups = {model: group.name for model, group in by_model(plan.groups).items()}
    asleep = tuple(route for route in plan.routes if route.model in sleeping)
    names = {name: groups[route.model] for route in asleep for name in route.public_names if name not in answered}
    names |= {alias: names[name] for alias, name in plan.gateway.aliases.items() if name in names}
    return replace(
        plan,
        gateway=awake(plan.gateway, answered),
        services=tuple(_telling(service) if names else service for service in plan.services),
        routes=tuple(route for route in plan.routes if route.model not in sleeping),
        deployments=entries,
        asleep=asleep,
        sleeping_names=names,
    )


def _telling(service: Service) -> Service:
    """The gateway reads a further file, which says who sleeps; all others stay as they are."""
    if service.name != litellm.NAME:
        return service
    return replace(service, config_files=(*service.config_files, litellm.ASLEEP))


def awake(gateway: Gateway, answered: Collection[str]) -> Gateway:
    """The gateway's settings without names that nobody answers to now: those are of groups that sleep.

    Args:
        gateway: the settings as the spec has them.
        answered: the public names that have a server.
    """
    changes: dict[str, object] = {
        "aliases": {alias: name for alias, name in gateway.aliases.items() if name in answered},
        "default_fallbacks": tuple(name for name in gateway.default_fallbacks if name in answered),
    }
    for section in ("fallbacks", "context_window_fallbacks"):
        chains: Mapping[str, Sequence[str]] = getattr(gateway, section)
        left = {name: tuple(filter(answered.__contains__, chains[name])) for name in chains if name in answered}
        changes[section] = {name: targets for name, targets in left.items() if targets}
    return gateway.model_copy(update=changes)


def exclusions(spec: Spec) -> dict[str, str]:
    """The exclusion of each group."""
    return {name: group.exclusive or name for name, group in spec.groups.items()}


def _written_exclusions(loaded: Loaded) -> Iterator[str]:
    """The exclusion of each group, of those too that are at fault: what they exclude is not alone for that."""
    for name, group in loaded.document.data["groups"].items():
        said = group.get("exclusive") if isinstance(group, dict) else None
        yield str(said or name)


def _membership(group: Group | None) -> str:
    return f"is in the group `{group.name}`" if group else "is in no group"


def _member_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Members that are no models, and models in two groups. A model that is at fault itself is a model all the same."""
    written = loaded.document.data.get("models")
    known = set(written if isinstance(written, dict) else ())
    owners: dict[str, str] = {}
    for name, group in spec.groups.items():
        for position, member in enumerate(group.models):
            path: Path = ("groups", name, "models", position)
            owner = owners.setdefault(member, name)
            if member not in known:
                yield Problem(loaded.place(path), *_no_model(spec, member, known))
            elif member in group.models[:position]:
                yield Problem(loaded.place(path), f"`{member}` is here twice", "drop one")
            elif owner != name:
                message = f"`{member}` is in the group `{owner}` too"
                yield Problem(loaded.place(path), message, "drop one; a model in no group always runs")


def _no_model(spec: Spec, member: str, known: Collection[str]) -> tuple[str, str]:
    """Message and hint."""
    if member in spec.endpoints:
        return f"`{member}` is an endpoint: stackgen neither starts nor stops it", "drop it; endpoints always answer"
    if member in spec.services:
        return f"`{member}` is a service of your own, and only models take turns", "drop it"
    return f"there is no model {describe(member)}", nearest(member, known)


def _alone(loaded: Loaded, name: str, word: str, words: Mapping[str, str]) -> Problem:
    """A group that nothing alternates with would always be active."""
    path: Path = ("groups", name, "exclusive") if word != name else ("groups", name)
    message = f"the group `{name}` is alone in its exclusion `{word}`: nothing takes turns with it"
    others = [other for other in words if other != name]
    if word != name and words.get(word) == name:
        hint = f"drop `exclusive` in `{name}` or in `{word}`, not in both"
    elif word != name and word in words:
        hint = f"`exclusive: {words[word]}` is the exclusion of `{word}`"
    elif others:
        hint = f"write `exclusive: {words[others[0]]}` to let it take turns with `{others[0]}`"
    else:
        hint = "add another group that excludes it; models that always run need no group"
    return Problem(loaded.place(path, of_key=word == name), message, hint)


def _choice_problems(loaded: Loaded, words: Mapping[str, str], chosen: Sequence[str]) -> Iterator[Problem]:
    place = loaded.place(("groups",), of_key=True)
    taken: dict[str, str] = {}
    for name in dict.fromkeys(chosen):
        if name not in words:
            near = (
                f"{nearest(name, words)}; {_CHOOSE}" if words else "the spec has no groups at all: leave --group away"
            )
            yield Problem(place, f"there is no group {describe(name)} to be active", near)
            continue
        other = taken.setdefault(words[name], name)
        if other != name:
            yield Problem(place, f"`{other}` and `{name}` are both to be active, and exclude each other", _CHOOSE)


def _semantic_cache_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """The cache asks its embedding model with every request, so no choice of groups may put that to sleep."""
    cache = spec.gateway.semantic_cache
    if cache is None or cache.embedding in names.always(spec):
        return
    groups = [name for name, group in spec.groups.items() if cache.embedding in names.of_models(spec, group.models)]
    if groups:
        place = loaded.place(("gateway", "semantic_cache", "embedding"))
        message = f"{describe(cache.embedding)} sleeps while `{groups[0]}` is not active, and the cache asks it always"
        yield Problem(place, message, f"take its model out of `{groups[0]}`: in no group it always runs")
