"""Public names: who answers to which, which stand in for which, and that none leads nowhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from stackgen import facts
from stackgen.errors import Problem
from stackgen.modalities import MODALITIES
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Endpoint, Model, Spec


def kinds(spec: Spec) -> dict[str, str]:
    """Every public name with the kind of request that it answers."""
    return {name: _kind(entry) for _, entry in _entries(spec) for name in entry.public_names} | {
        path[-1]: _kind(entry) for path, entry in _entries(spec) if not entry.public_names
    }


def servers(spec: Spec) -> Mapping[str, int]:
    """How many servers answer to each public name at once: of groups that take turns, those of the largest."""
    found: Counter[str] = Counter()
    turns: dict[str, list[Counter[str]]] = {}
    for name, group in spec.groups.items():
        turns.setdefault(group.exclusive or name, []).append(_counted(spec, group.models))
    for alternates in turns.values():
        for name in set().union(*alternates):
            found[name] += max(counted[name] for counted in alternates)
    return found + _counted(spec, set(spec.models) - _grouped(spec)) + _counted(spec, spec.endpoints)


def always(spec: Spec) -> set[str]:
    """Public names that somebody answers to whichever groups are active."""
    found = of_models(spec, set(spec.models) - _grouped(spec)) | of_models(spec, spec.endpoints)
    turns: dict[str, list[set[str]]] = {}
    for name, group in spec.groups.items():
        turns.setdefault(group.exclusive or name, []).append(of_models(spec, group.models))
    return found.union(*(set.intersection(*alternates) for alternates in turns.values()))


def of_models(spec: Spec, identifiers: Collection[str]) -> set[str]:
    """Public names of models and endpoints, by their ids."""
    return set(_counted(spec, identifiers))


def _grouped(spec: Spec) -> set[str]:
    return {model for group in spec.groups.values() for model in group.models}


def _counted(spec: Spec, identifiers: Collection[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for path, entry in _entries(spec):
        for name in (entry.public_names or (path[-1],)) if path[-1] in identifiers else ():
            found[name] += entry.replicas if isinstance(entry, Model) else 1
    return found


def problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Names that mean two things, and names that lead nowhere or in a circle."""
    yield from _shared_problems(loaded, spec)
    known = kinds(spec)
    for alias, target in spec.gateway.aliases.items():
        path: Path = ("gateway", "aliases", alias)
        if alias in known:
            message = f"{describe(alias)} is a public name already"
            yield Problem(loaded.place(path, of_key=True), message, "choose another alias")
        if target not in known:
            yield Problem(loaded.place(path), f"there is no public name {describe(target)}", nearest(target, known))
    for section in ("fallbacks", "context_window_fallbacks"):
        chains: Mapping[str, Sequence[str]] = getattr(spec.gateway, section)
        yield from _chain_problems(loaded, ("gateway", section), chains, known, spec.gateway.aliases)
    for position, target in enumerate(spec.gateway.default_fallbacks):
        if target not in known:
            place = loaded.place(("gateway", "default_fallbacks", position))
            yield Problem(place, f"there is no public name {describe(target)}", nearest(target, known))
    semantic = spec.gateway.semantic_cache
    if semantic and known.get(semantic.embedding) != facts.gateway_mode("embedding"):
        embeddings = [name for name, kind in known.items() if kind == facts.gateway_mode("embedding")]
        place = loaded.place(("gateway", "semantic_cache", "embedding"))
        message = f"{describe(semantic.embedding)} is no embedding model of the stack"
        yield Problem(place, message, nearest(semantic.embedding, embeddings) or "add one under `models:`")


def _entries(spec: Spec) -> Iterator[tuple[tuple[str, str], Model | Endpoint]]:
    yield from ((("models", identifier), model) for identifier, model in spec.models.items())
    yield from ((("endpoints", identifier), endpoint) for identifier, endpoint in spec.endpoints.items())


def _kind(entry: Model | Endpoint) -> str:
    """The gateway's mode of the first modality: what tells requests apart that cannot share a name."""
    first = entry.modalities[0]
    return facts.gateway_mode(first) if first in MODALITIES else first


def _shared_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    owners: dict[str, tuple[str, str]] = {}
    sound = ((path, entry) for path, entry in _entries(spec) if entry.modalities[0] in MODALITIES)
    for path, entry in sound:
        for position, name in enumerate(entry.public_names or (path[-1],)):
            where: Path = (*path, "public_names", position) if entry.public_names else path
            place = loaded.place(where, of_key=not entry.public_names)
            owner, kind = owners.setdefault(name, (path[-1], _kind(entry)))
            if name in entry.public_names[:position]:
                yield Problem(place, f"the public name {describe(name)} is here twice", "drop one")
            elif owner != path[-1] and kind != _kind(entry):
                message = f"the public name {describe(name)} is {kind} in `{owner}` and {_kind(entry)} here"
                yield Problem(place, message, "models that share a name must do the same; choose another name")


def _chain_problems(
    loaded: Loaded,
    path: Path,
    chains: Mapping[str, Sequence[str]],
    known: Mapping[str, str],
    aliases: Mapping[str, str],
) -> Iterator[Problem]:
    def hint_for(word: str) -> str:
        return f"it is an alias: write `{aliases[word]}`" if word in aliases else nearest(word, known)

    for name, targets in chains.items():
        if name not in known:
            place = loaded.place((*path, name), of_key=True)
            yield Problem(place, f"there is no public name {describe(name)}", hint_for(name))
            continue
        if not targets:
            yield Problem(loaded.place((*path, name)), f"{describe(name)} has no name to fall back to", "drop the line")
        for position, target in enumerate(targets):
            place = loaded.place((*path, name, position))
            if target not in known:
                yield Problem(place, f"there is no public name {describe(target)}", hint_for(target))
            elif known[target] != known[name]:
                message = f"{describe(target)} does {known[target]}, and {describe(name)} does {known[name]}"
                yield Problem(place, message, "name a model that does the same")
            elif target == name:
                yield Problem(place, f"{describe(name)} falls back to itself", "name another model")
            elif name in reached(target, chains):
                message = f"{describe(name)} falls back to {describe(target)}, which leads back to {describe(name)}"
                yield Problem(place, message, "a chain of fallbacks must end")


def reached(start: str, chains: Mapping[str, Collection[str]]) -> set[str]:
    """The name itself and every name that its chains lead to."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += chains.get(name, ())
    return found
