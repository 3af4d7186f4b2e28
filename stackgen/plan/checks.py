"""What must hold of a spec beyond its grammar; every finding has its place, its limit and its fix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from stackgen import backing, facts
from stackgen.errors import Place, Problem
from stackgen.modalities import MODALITIES
from stackgen.parts import Engine, Instance, ServedModel, secrets_of
from stackgen.sources import Loaded, Path, describe, findings, nearest, printable
from stackgen.spec import Gpu, Model, Spec

PYTHON_FAMILY = "python"
"""Image that jobs run in which fetch models."""
FAMILIES = (*backing.NAMES, PYTHON_FAMILY)
"""Images beside those of engines."""
_FLAG = re.compile(r"--?[A-Za-z]")
_COMMON_FIELDS = frozenset({"context", "concurrency", "tensor_parallel", "tools", "reasoning"})


def profile_problems(loaded: Loaded, engines: Mapping[str, Engine]) -> Iterator[Problem]:
    """Names and options in profiles that no model of this spec may need, but that would silently do nothing."""
    for profile, document in loaded.profiles:
        for family in profile.images:
            place = document.place(("images", family), of_key=True)
            if family not in engines and family not in FAMILIES:
                hint = nearest(family, (*engines, *FAMILIES))
                yield Problem(place, f"there is no engine or service {describe(family)}", hint)
            elif family in FAMILIES and profile.accelerator is not None:
                message = f"{family} uses no accelerator, and this profile is for {profile.accelerator} alone"
                yield Problem(place, message, "pin it in a profile without `accelerator`")
        for name, defaults in profile.engines.items():
            if name not in engines:
                place = document.place(("engines", name), of_key=True)
                yield Problem(place, f"there is no engine {describe(name)}", nearest(name, engines))
            else:
                yield from findings(
                    engines[name].options, dict(defaults.options), ("engines", name, "options"), document.place
                )[1]


def gpu_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Cards that are known, and devices that can be told apart."""
    known = facts.cards()
    devices: dict[str, str] = {}
    for identifier, gpu in spec.gpus.items():
        path: Path = ("gpus", identifier)
        if gpu.card not in known:
            yield Problem(
                loaded.place((*path, "card")), f"there is no card {describe(gpu.card)}", nearest(gpu.card, known)
            )
        if gpu.uuid is not None and gpu.index is not None:
            yield Problem(
                loaded.place((*path, "index")), "a card has `uuid` or `index`, not both", "keep `uuid`, it is stable"
            )
        if gpu.uuid is None and gpu.index is None and len(spec.gpus) > 1:
            hint = "add `uuid:` (from `nvidia-smi -L`) or `index:`"
            yield Problem(
                loaded.place(path, of_key=True), f"which of the {len(spec.gpus)} cards is `{identifier}`?", hint
            )
        device = device_of(gpu)
        if device in devices:
            message = f"`{identifier}` and `{devices[device]}` are the same device {device}"
            yield Problem(loaded.place(path, of_key=True), message, "give each card its own uuid or index")
        devices.setdefault(device, identifier)


def device_of(gpu: Gpu) -> str:
    """What Docker calls the card."""
    return gpu.uuid or str(gpu.index or 0)


def model_problems(loaded: Loaded, spec: Spec, engines: Mapping[str, Engine]) -> Iterator[Problem]:
    """Each model by itself."""
    if not spec.models and "models" in loaded.document.data and not loaded.document.data["models"]:
        yield Problem(loaded.place(("models",)), "a stack needs at least one model")
    for identifier, model in spec.models.items():
        path: Path = ("models", identifier)
        engine = engines.get(model.engine)
        if engine is None:
            place = loaded.place((*path, "engine"))
            yield Problem(place, f"there is no engine {describe(model.engine)}", nearest(model.engine, engines))
        else:
            yield from _modality_problems(loaded, path, model, engine)
            yield from _field_problems(loaded, path, model, engine)
        yield from _gpu_choice_problems(loaded, path, model, engine)


def _modality_problems(loaded: Loaded, path: Path, model: Model, engine: Engine) -> Iterator[Problem]:
    for position, modality in enumerate(model.modalities):
        place = loaded.place((*path, "modalities", position))
        if modality not in MODALITIES:
            yield Problem(place, f"there is no modality {describe(modality)}", nearest(modality, MODALITIES))
        elif modality not in engine.modalities:
            yield Problem(
                place, f"{engine.name} does not serve {modality}", f"it serves {', '.join(sorted(engine.modalities))}"
            )
        elif modality in model.modalities[:position]:
            yield Problem(place, f"{modality} is here twice", "drop one")


def _field_problems(loaded: Loaded, path: Path, model: Model, engine: Engine) -> Iterator[Problem]:
    for name in sorted(_COMMON_FIELDS - engine.fields):
        if getattr(model, name) is not None:
            yield Problem(loaded.place((*path, name), of_key=True), f"{engine.name} has no `{name}`", "drop the line")
    if model.replicas > 1 and engine.many_models:
        message = f"{engine.name} serves several models in one process, and has no replicas"
        place = loaded.place((*path, "replicas"))
        yield Problem(
            place, message, "give each copy an entry of its own with the same public name and another `instance`"
        )
    if model.replicas > 1 and model.publish:
        message = f"{model.replicas} replicas cannot all listen on port {model.publish.port}"
        place = loaded.place((*path, "publish"), of_key=True)
        yield Problem(place, message, "drop the lines; clients reach every replica through the gateway")
    if model.instance is not None and not engine.many_models:
        message = f"{engine.name} serves one model per instance"
        yield Problem(loaded.place((*path, "instance"), of_key=True), message, "drop the line")


def _gpu_choice_problems(loaded: Loaded, path: Path, model: Model, engine: Engine | None) -> Iterator[Problem]:
    declared = loaded.document.data.get("gpus")
    declared = declared if isinstance(declared, dict) else {}
    count = len(model.gpus) if model.gpus is not None else min(1, len(declared))
    cards = f"{count} card{'' if count == 1 else 's'}"
    if count % model.replicas:
        message = f"{model.replicas} replicas cannot share {cards} evenly"
        hint = f"name {model.replicas * (count // model.replicas + 1)} cards in `gpus`, or `gpus: []` for the CPU"
        yield Problem(loaded.place((*path, "replicas")), message, hint)
    elif model.tensor_parallel not in (None, max(1, count // model.replicas)):
        each = f", {model.replicas} replicas" if model.replicas > 1 else ""
        message = f"`tensor_parallel` is {model.tensor_parallel}, but the model is on {cards}{each}"
        hint = "name as many cards in `gpus`; or drop `tensor_parallel`"
        yield Problem(loaded.place((*path, "tensor_parallel")), message, hint)
    if model.gpus is None:
        if len(declared) > 1:
            hint = f"write `gpus: [{next(iter(declared))}]`, or `gpus: []` for the CPU"
            yield Problem(
                loaded.place(path, of_key=True), f"on which of the {len(declared)} cards does `{path[-1]}` run?", hint
            )
        return
    for position, identifier in enumerate(model.gpus):
        place = loaded.place((*path, "gpus", position))
        if identifier not in declared:
            yield Problem(place, f"there is no card {describe(identifier)} in `gpus`", nearest(identifier, declared))
        elif identifier in model.gpus[:position]:
            yield Problem(place, f"the card `{identifier}` is here twice", "drop one")
    if engine is not None and not engine.many_cards and len(model.gpus) > 1:
        message = f"{engine.name} runs on one card, not {len(model.gpus)}"
        yield Problem(loaded.place((*path, "gpus")), message, f"write `gpus: [{model.gpus[0]}]`")


def extra_argument_problems(
    loaded: Loaded, path: Path, model: Model, engine: Engine, version: str
) -> Iterator[Problem]:
    """Words of `extra_args`: flags that the pinned release knows and their values, none that stackgen writes itself."""
    table = facts.flag_table(engine.name, version)
    flag: facts.Flag | None = None
    refused = False
    for position, word in enumerate(model.extra_args):
        place = loaded.place((*path, "extra_args", position))
        if _FLAG.match(word):
            name, value = _flag_and_value(word, table)
            flag = table.flags.get(name) if table else None
            found = list(_flag_problems(place, name, flag, engine, table))
            refused = bool(found)
            yield from found
            if value and flag is not None and not refused:
                yield from _value_problems(place, value, flag)
            flag = None if value or refused else flag
        elif flag is not None:
            yield from _value_problems(place, word, flag)
            flag = flag if flag.takes_many else None
        elif table is not None and not refused:
            yield Problem(
                place, f"{describe(word)} follows no flag that takes a value", "one word an item: [--flag, value]"
            )


def _flag_and_value(word: str, table: facts.FlagTable | None) -> tuple[str, str]:
    """`--a_b.c=v` is the flag --a-b with the value v; `-O3` is -O with 3 where the release knows -O."""
    spelling, _, value = word.partition("=")
    if spelling.startswith("--"):
        return spelling.replace("_", "-").split(".")[0], value
    if table is not None and spelling not in table.flags and spelling[:2] in table.flags:
        return spelling[:2], spelling[2:]
    return spelling, value


def _flag_problems(
    place: Place, name: str, flag: facts.Flag | None, engine: Engine, table: facts.FlagTable | None
) -> Iterator[Problem]:
    canonical = flag.name if flag else name
    if canonical in engine.flags:
        setting = engine.flags[canonical]
        where = "the model's id is its served name"
        hint = where if setting == "id" else f"write `{setting.replace('.', ': ')}` in the model"
        yield Problem(place, f"{canonical} is written by stackgen", hint)
    elif canonical in engine.own_flags:
        yield Problem(place, f"{canonical} is written by stackgen", engine.own_flags[canonical])
    elif table is not None and flag is None:
        hint = table.removed.get(name) or nearest(name, table.flags)
        yield Problem(place, f"{engine.name} {table.version} does not know {printable(name)}", hint)


def _value_problems(place: Place, value: str, flag: facts.Flag) -> Iterator[Problem]:
    if not flag.takes_value:
        yield Problem(place, f"{flag.name} takes no value, and {describe(value)} follows it", "drop the value")
    elif flag.choices and value not in flag.choices:
        yield Problem(place, f"{describe(value)} is no value of {flag.name}", nearest(value, flag.choices))


def engine_problems(loaded: Loaded, served: ServedModel, engine: Engine) -> Iterator[Problem]:
    """What only the engine knows to be wrong."""
    for below, message, hint in engine.complaints(served):
        yield Problem(loaded.place((*served.path, *below)), message, hint)


def environment_problems(loaded: Loaded, instance: Instance, engine: Engine) -> Iterator[Problem]:
    """Variables that would take the place of a secret."""
    bare = [replace(served, model=served.model.model_copy(update={"environment": {}})) for served in instance.models]
    services = engine.services(replace(instance, models=tuple(bare)))
    secret = {
        name for service in services for name, arg in service.environment.items() if any(secrets_of(arg.value))
    } | {secret.name for secret in engine.secrets}
    for served in instance.models:
        for field in ("environment", "secret_environment"):
            for name in sorted(secret & set(served.value(field))):
                place = loaded.place((*served.path, field, name), of_key=True)
                yield Problem(
                    place, f"{name} holds a secret of the stack", "write its value into .stackgen/secrets.env"
                )
