"""What an edited command of an engine would be in a spec: by the engine's own table of flags, else as further words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stackgen.adoption.edits import ABSENT, Edit, flag_of, words_of
from stackgen.adoption.ground import Ground, Proposal, typed
from stackgen.engines import ENGINES
from stackgen.facts.adoption import field_of_flag
from stackgen.parts import Engine, Instance, Joined, Secret, ServedModel, Service
from stackgen.render import COMPOSE_FILE


def of_command(ground: Ground, instance: Instance, service: Service, name: str, edit: Edit) -> Iterator[Proposal]:
    """What may be said in the place of an edited flag, best first.

    Args:
        ground: the spec as it is said by now.
        instance: the instance.
        service: its own service.
        name: the flag, as `words_of` names it; empty for the words before the first.
        edit: what was edited.
    """
    engine, (flag, number) = ENGINES[instance.engine], flag_of(name)
    served = instance.models[min(number, len(instance.models) - 1)]
    path = _written_at(service).get(name)
    if path and "extra_args" not in path and path[-1] != served.id:
        yield from _at(ground, tuple(map(str, path)), edit.new)
    setting = engine.flags.get(flag) or _option(engine, flag)
    if setting and setting != "id" and edit.new is not ABSENT:
        value = _value(edit.new)
        if value is not None:
            yield Proposal((ground.put(("models", served.id, *setting.split(".")), value),))
    if flag and flag not in engine.own_flags:
        yield from _further_words(ground, served, flag, edit)
        written = ground.edited[COMPOSE_FILE].document.data["services"][service.name]["command"]
        words = [word.replace("$$", "$") for word in written]
        yield Proposal((ground.put(("overrides", service.name, "compose", "command"), words),), last_resort=True)


def why_not(ground: Ground, service: str, name: str) -> str:
    """What the engine says of a flag that is not the user's; empty where it says nothing."""
    instance, (flag, _) = ground.instance(service), flag_of(name)
    if instance is None:
        return ""
    if flag == "--served-model-name":
        return "it is the id of the model, which the gateway asks for"
    return ENGINES[instance.engine].own_flags.get(flag, "")


def _at(ground: Ground, path: tuple[str, ...], new: Any) -> Iterator[Proposal]:
    if new is not ABSENT:
        value = _value(new)
        if value is not None:
            yield Proposal((ground.put(path, value),))
            yield Proposal((ground.put(path, str(value)),))
        return
    if change := ground.drop(path):
        yield Proposal((change,))
    yield Proposal((ground.put(path, None),))


def _option(engine: Engine, flag: str) -> str | None:
    option = flag.removeprefix("--").replace("-", "_")
    return f"options.{option}" if option in engine.flag_options else field_of_flag(flag)


def _further_words(ground: Ground, served: ServedModel, flag: str, edit: Edit) -> Iterator[Proposal]:
    """`extra_args` with the flag as it is now: behind those that are there, or in the place of itself."""
    path = ("models", served.id, "extra_args")
    kept = _without(served.model.extra_args, flag)
    if edit.new is ABSENT and len(kept) == len(served.model.extra_args):
        return
    words = [] if edit.new is ABSENT else _spelled(flag, edit.new)
    change = ground.put(path, [*kept, *words]) if kept or words else ground.drop(path)
    if change:
        yield Proposal((change,))


def _without(words: Sequence[str], flag: str) -> list[str]:
    found = words_of(words)
    kept: list[str] = list(found.pop("", []))
    for name, value in found.items():
        if flag_of(name)[0] != flag:
            kept += _spelled(flag_of(name)[0], value)
    return kept


def _spelled(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    return [flag, *(word.replace("$$", "$") for word in value)]


def _value(new: Any) -> Any:
    """What stands behind a flag, where that is one word."""
    if isinstance(new, bool):
        return new
    return typed(new[0].replace("$$", "$")) if len(new) == 1 else None


def _written_at(service: Service) -> dict[str, tuple[str | int, ...]]:
    """By flag, the place in the spec that its value came from."""
    plain = ["" if isinstance(arg.value, Secret | Joined) else str(arg.value) for arg in service.command]
    found: dict[str, tuple[str | int, ...]] = {}
    for end, arg in enumerate(service.command, 1):
        if arg.path:
            found[list(words_of(plain[:end]))[-1]] = arg.path
    return found
