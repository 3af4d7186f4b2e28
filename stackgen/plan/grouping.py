"""Models become units: who shares a process, on which cards, in which order they start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel

from stackgen.errors import Problem
from stackgen.parts import Engine, Gpu, Group, Image, Instance, ServedModel
from stackgen.plan.card_checks import device_of
from stackgen.plan.checks import PYTHON_FAMILY
from stackgen.plan.units import Unit
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
            known = loaded.catalogue.models.get(model.source)
            served.append(ServedModel(id=identifier, model=model, options=options, known=known))
    return served


def units(
    loaded: Loaded,
    spec: Spec,
    engines: Mapping[str, Engine],
    served: list[ServedModel],
    groups: Mapping[str, Group],
    problems: list[Problem],
) -> list[Unit]:
    """The process groups in the order of their names, each replica one; what cannot be one is a problem.

    `groups`: those of models that take turns, by the models' ids.
    """
    members: dict[str, list[ServedModel]] = {}
    for model in served:
        members.setdefault(instance_name(engines[model.model.engine], model.id, model.model), []).append(model)
    found = []
    for name in sorted(members):
        first = members[name][0]
        engine = engines[first.model.engine]
        problems += _differences(loaded, spec, name, members[name], engine)
        image = _image(loaded, first, problems)
        if image is None:
            continue
        if any(served.model.build and not served.model.image for served in members[name]):
            image = replace(image, reference=f"{spec.name}-{name}:{image.version}")
        python = loaded.pinned(PYTHON_FAMILY, "") if engine.fetches else None
        count = _card_count(spec, first.model)
        found += [
            Unit(
                instance=Instance(
                    name=name if replica == 0 else f"{name}-{replica + 1}",
                    engine=engine.name,
                    models=tuple(members[name]),
                    group=groups.get(first.id),
                    image=image,
                    gpus=cards,
                    tensor_parallel=max(1, len(cards)),
                    replica=replica,
                    python=Image.chosen(PYTHON_FAMILY, python.pin, "", python.origin) if python else None,
                ),
                cards=len(cards) or count,
                accelerator=loaded.accelerators.get(first.id, "cpu"),
            )
            for replica, cards in enumerate(_shares(_gpus(loaded, spec, first.model), first.model.replicas))
        ]
    problems += _name_clashes(loaded, [unit.instance for unit in found])
    return found


def _card_count(spec: Spec, model: Model) -> int | None:
    """Cards of each replica where the planner picks them; None where it also finds out how many, 0 on the processor."""
    each = model.gpu_count or model.tensor_parallel
    if not spec.gpus or model.gpus == () or (each or 1) * model.replicas > len(spec.gpus):  # more than there are: told
        return 0
    return each


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


def in_start_order(found: Sequence[Instance], engines: Mapping[str, Engine]) -> list[Instance]:
    """Let instances on one card start one after another.

    Those that take a share of the card at once go first: they measure what is free, and a neighbour that is loading at
    the same time falsifies that. What takes turns comes after what always runs, and waits for no other group.
    """

    def rank(instance: Instance) -> tuple[bool, str]:
        return (not engines[instance.engine].memory_share, instance.name)

    always: dict[str, str] = {}
    latest: dict[Group | None, dict[str, str]] = {None: always}
    after: dict[str, set[str]] = {}
    for instance in sorted(found, key=lambda one: (one.group is not None, *rank(one))):
        before = latest.setdefault(instance.group, dict(always))
        after[instance.name] = {before[gpu.id] for gpu in instance.gpus if gpu.id in before}
        before |= {gpu.id: instance.name for gpu in instance.gpus}
    return [replace(instance, after=tuple(sorted(after[instance.name]))) for instance in found]


def _gpus(loaded: Loaded, spec: Spec, model: Model) -> tuple[Gpu, ...]:
    """The cards that a model names; the only card there is where it names none."""
    cards = loaded.catalogue.cards
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
        if _gpus(loaded, spec, member.model) != _gpus(loaded, spec, first.model):
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
