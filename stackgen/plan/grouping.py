"""Models become instances: who shares a process, on which cards, in which order they start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import BaseModel

from stackgen import facts
from stackgen.errors import Problem
from stackgen.parts import Engine, Gpu, Image, Instance, ServedModel
from stackgen.plan.checks import PYTHON_FAMILY, device_of
from stackgen.sources import Loaded, Path, describe, findings
from stackgen.spec import ACCELERATORS, Model, Overrides, Spec


def instance_name(engine: Engine, identifier: str, model: Model) -> str:
    """The name of a model's instance, and so of its service.

    It depends on the model's own entry alone, so that adding, removing or moving other entries never renames it.
    """
    if not engine.many_models:
        return f"{engine.name}-{identifier}"
    if model.instance:
        return f"{engine.name}-{model.instance}"
    return f"{engine.name}-{model.gpus[0]}" if model.gpus else engine.name


def served_models(
    loaded: Loaded, spec: Spec, engines: Mapping[str, Engine], problems: list[Problem]
) -> list[ServedModel]:
    """The models whose engine is known and whose options are sound, in the order of their ids."""
    served = []
    for identifier in sorted(spec.models):
        model = spec.models[identifier]
        engine = engines.get(model.engine)
        if engine is None:
            continue
        options, found = findings(engine.options, dict(model.options), ("models", identifier, "options"), loaded.place)
        problems += found
        if options is not None:
            served.append(ServedModel(id=identifier, model=model, options=options))
    return served


def instances(
    loaded: Loaded, spec: Spec, engines: Mapping[str, Engine], served: list[ServedModel], problems: list[Problem]
) -> list[Instance]:
    """The instances in the order of their names; what cannot be one is a problem."""
    groups: dict[str, list[ServedModel]] = {}
    for model in served:
        groups.setdefault(instance_name(engines[model.model.engine], model.id, model.model), []).append(model)
    found = []
    for name in sorted(groups):
        first = groups[name][0]
        engine = engines[first.model.engine]
        problems += _differences(loaded, spec, name, groups[name], engine)
        image = _image(loaded, first, problems)
        if image is None:
            continue
        if any(served.model.build and not served.model.image for served in groups[name]):
            image = replace(image, reference=f"{spec.name}-{name}:{image.version}")
        python = loaded.pinned(PYTHON_FAMILY, "") if engine.fetches else None
        found += [
            Instance(
                name=name if replica == 0 else f"{name}-{replica + 1}",
                engine=engine.name,
                models=tuple(groups[name]),
                image=image,
                gpus=cards,
                tensor_parallel=max(1, len(cards)),
                replica=replica,
                python=Image.chosen(PYTHON_FAMILY, python.pin, "", python.origin) if python else None,
            )
            for replica, cards in enumerate(_shares(_gpus(spec, first.model), first.model.replicas))
        ]
    problems += _name_clashes(loaded, found)
    return found


def _shares(gpus: tuple[Gpu, ...], replicas: int) -> list[tuple[Gpu, ...]]:
    """The cards of each replica: as many as there are for each, in their order."""
    each = len(gpus) // replicas
    return [gpus[each * replica : each * (replica + 1)] for replica in range(replicas)]


def _name_clashes(loaded: Loaded, found: list[Instance]) -> Iterator[Problem]:
    seen: dict[str, Instance] = {}
    for instance in found:
        other = seen.setdefault(instance.name, instance)
        if other is not instance:
            place = loaded.place(instance.models[0].path, of_key=True)
            message = f"`{instance.models[0].id}` and `{other.models[0].id}` would both be the service {instance.name}"
            yield Problem(place, message, "give one of them another id")


def in_start_order(found: list[Instance], engines: Mapping[str, Engine]) -> list[Instance]:
    """Let instances on one card start one after another.

    Those that take a share of the card at once go first: they measure what is free, and a neighbour that is loading at
    the same time falsifies that.
    """

    def rank(instance: Instance) -> tuple[bool, str]:
        return (not engines[instance.engine].memory_share, instance.name)

    latest: dict[str, str] = {}
    after: dict[str, set[str]] = {}
    for instance in sorted(found, key=rank):
        after[instance.name] = {latest[gpu.id] for gpu in instance.gpus if gpu.id in latest}
        latest |= {gpu.id: instance.name for gpu in instance.gpus}
    return [replace(instance, after=tuple(sorted(after[instance.name]))) for instance in found]


def _gpus(spec: Spec, model: Model) -> tuple[Gpu, ...]:
    """The cards of a model; the only card there is where it names none."""
    cards = facts.cards()
    listed = tuple(spec.gpus) if model.gpus is None and len(spec.gpus) == 1 else model.gpus or ()
    known = [(identifier, spec.gpus[identifier]) for identifier in listed if identifier in spec.gpus]
    return tuple(
        Gpu(id=identifier, card=cards[gpu.card], device=device_of(gpu))
        for identifier, gpu in known
        if gpu.card in cards
    )


def _image(loaded: Loaded, served: ServedModel, problems: list[Problem]) -> Image | None:
    accelerator = loaded.accelerators.get(served.id, "cpu")
    pinned = loaded.pinned(served.model.engine, accelerator)
    family, own = served.model.engine, served.model.image
    if own and (own.version or pinned):
        version = pinned.pin.version if pinned else ""
        return Image.chosen(family, own, version, loaded.merged.origins.get((*served.path, "image")))
    if pinned:
        return Image.chosen(family, pinned.pin, "", pinned.origin)
    where = "the CPU" if accelerator == "cpu" else f"cards of {accelerator}"
    message = f"no profile pins an image of {served.model.engine} for {where}"
    if accelerator not in ACCELERATORS:
        hint = f"this version runs on {' and '.join(ACCELERATORS)}"
    elif accelerator == "cpu" and "cpu" in _profile_names(loaded):
        hint = "pin one under `images:` of the profile"
    else:
        cards = "; or declare the machine's cards under `gpus:`" if accelerator == "cpu" else ""
        hint = f"add `{accelerator}` to `profiles`{cards}"
    problems.append(Problem(loaded.place((*served.path, "engine")), message, hint))
    return None


def _profile_names(loaded: Loaded) -> tuple[str, ...]:
    return loaded.spec.profiles if loaded.spec else ()


def _differences(
    loaded: Loaded, spec: Spec, name: str, members: list[ServedModel], engine: Engine
) -> Iterator[Problem]:
    """Models of one process must agree on what the process has only once: cards, image, variables, some options."""
    first = members[0]
    yield from _contexts(loaded, name, members)
    variables: dict[tuple[str, str], tuple[str, str]] = {}
    options = (f"options.{option}" for option in sorted(engine.process_options))
    for field in ("image", "build", "publish", "mounts", "overrides", *options):
        yield from _disagreements(loaded, name, members, field)
    for member in members:
        if _gpus(spec, member.model) != _gpus(spec, first.model):
            path: Path = (*member.path, "gpus")
            message = f"`{member.id}` and `{first.id}` are both in the instance `{name}`, but on different cards"
            hint = "give them the same `gpus`, or different `instance` names"
            yield Problem(loaded.place(path, of_key=True), message, hint)
        for field in ("environment", "secret_environment"):
            for variable, value in member.value(field).items():
                known, owner = variables.setdefault((field, variable), (value, member.id))
                if known != value:
                    place = loaded.place((*member.path, field, variable))
                    message = f"{variable} has another value in `{owner}`, which shares the instance `{name}`"
                    yield Problem(place, message, "give both the same value, or different `instance` names")


def _disagreements(loaded: Loaded, name: str, members: list[ServedModel], field: str) -> Iterator[Problem]:
    """A setting of the whole process may be said by several models, but not differently."""
    first: ServedModel | None = None
    for member in members:
        if member.value(field) in (None, {}, Overrides()):
            continue
        if first is None:
            first = member
        elif member.value(field) != first.value(field):
            place = loaded.place((*member.path, *field.split(".")), of_key=True)
            ours, theirs = describe(member.value(field)), describe(first.value(field))
            what = field.rpartition(".")[2]
            both = (
                "is another one"
                if isinstance(member.value(field), dict | BaseModel)
                else f"is {ours} here and {theirs}"
            )
            message = f"`{what}` {both} in `{first.id}`, which shares the instance `{name}`"
            yield Problem(place, message, "give both the same, or different `instance` names")


def _contexts(loaded: Loaded, name: str, members: list[ServedModel]) -> Iterator[Problem]:
    """One set of weights cannot be loaded with two contexts: each request would load it anew."""
    seen: dict[str, ServedModel] = {}
    for member in members:
        other = seen.setdefault(member.model.source, member)
        if other.model.context != member.model.context:
            place = loaded.place((*member.path, "context"))
            message = f"`{other.id}` has the same weights in the instance `{name}` with another context, {other.model.context}"
            yield Problem(place, message, "give both the same context, or different `instance` names")
