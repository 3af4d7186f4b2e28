"""What must hold of a spec beyond its grammar; every finding has its place, its limit and its fix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from stackgen import backing, facts
from stackgen.errors import Place, Problem
from stackgen.modalities import MODALITIES
from stackgen.parts import Engine, Instance, secrets_of
from stackgen.plan import card_checks
from stackgen.records import dataclass
from stackgen.sources import Loaded, Path, describe, findings, nearest, printable
from stackgen.spec import Model, Spec

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


def model_problems(loaded: Loaded, spec: Spec, engines: Mapping[str, Engine]) -> Iterator[Problem]:
    """Each model by itself."""
    if not loaded.document.data.get("models") and not loaded.document.data.get("endpoints"):
        place = loaded.place(("models",)) if "models" in loaded.document.data else loaded.place(())
        yield Problem(place, "a stack needs a model or an endpoint", "add one under `models:` or `endpoints:`")
    for identifier, model in spec.models.items():
        path: Path = ("models", identifier)
        engine = engines.get(model.engine)
        if engine is None:
            place = loaded.place((*path, "engine"))
            yield Problem(place, f"there is no engine {describe(model.engine)}", nearest(model.engine, engines))
        else:
            yield from _modality_problems(loaded, path, model, engine)
            yield from _field_problems(loaded, path, model, engine)
        yield from card_checks.choice_problems(loaded, path, model, engine)


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


def extra_argument_problems(
    loaded: Loaded, path: Path, model: Model, engine: Engine, version: str
) -> Iterator[Problem]:
    """Words of `extra_args`: flags that the pinned release knows and their values, none that stackgen writes itself."""
    if model.extra_args and not engine.flags:
        place = loaded.place((*path, "extra_args"), of_key=True)
        yield Problem(
            place, f"{engine.name} has no command line of settings", "write them under `options` or `environment`"
        )
        return
    table = facts.flag_table(engine.name, version)

    def place_of(position: int) -> Place:
        return loaded.place((*path, "extra_args", position))

    for given in _given(model.extra_args, table):
        refused = (
            list(_flag_problems(place_of(given.position), given.name, given.flag, engine, table)) if given.name else []
        )
        yield from refused
        if table is not None and not refused:
            yield from _word_problems(given, place_of)


@dataclass
class _Given:
    """One flag of a command line with the words behind it, each with its position; no name before the first flag."""

    position: int
    name: str
    flag: facts.Flag | None
    words: list[tuple[int, str]]


def _given(arguments: Sequence[str], table: facts.FlagTable | None) -> list[_Given]:
    found = [_Given(0, "", None, [])]
    for position, word in enumerate(arguments):
        if not _FLAG.match(word):
            found[-1].words.append((position, word))
            continue
        name, value = _flag_and_value(word, table)
        flag = table.flags.get(name) if table else None
        found.append(_Given(position, name, flag, [(position, value)] if value else []))
    return found if found[0].words else found[1:]


def _word_problems(given: _Given, place_of: Callable[[int], Place]) -> Iterator[Problem]:
    """Values that a flag does not take, and flags that lack theirs."""
    flag = given.flag
    taken = 1 if flag is not None and flag.takes_value else 0
    if flag is not None and flag.takes_many:
        taken = max(1, len(given.words))
    for position, word in given.words[:taken]:
        if flag is not None and flag.choices and word not in flag.choices:
            yield Problem(
                place_of(position), f"{describe(word)} is no value of {flag.name}", nearest(word, flag.choices)
            )
    for position, word in given.words[taken:]:
        if flag is not None and not flag.takes_value:
            yield Problem(
                place_of(position), f"{flag.name} takes no value, and {describe(word)} follows it", "drop the value"
            )
        else:
            message = f"{describe(word)} follows no flag that takes a value"
            yield Problem(place_of(position), message, "one word an item: [--flag, value]")
    if taken and not given.words and flag is not None and not flag.value_is_optional:
        yield Problem(place_of(given.position), f"{flag.name} lacks its value", "write it behind: [--flag, value]")


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
        yield Problem(place, f"{canonical} is not for `extra_args`", engine.own_flags[canonical])
    elif table is not None and flag is None:
        hint = table.removed.get(name) or nearest(name, table.flags)
        yield Problem(place, f"{engine.name} {table.version} does not know {printable(name)}", hint)


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
