"""The cards of a machine, and which of them models name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stackgen import facts
from stackgen.errors import Problem
from stackgen.parts import Engine
from stackgen.sources import Loaded, Path, describe, nearest
from stackgen.spec import Gpu, Model, Spec


def gpu_problems(loaded: Loaded, spec: Spec) -> Iterator[Problem]:
    """Cards that are known, and devices that can be told apart."""
    known = loaded.catalogue.cards
    devices: dict[str, str] = {}
    for identifier, gpu in spec.gpus.items():
        path: Path = ("gpus", identifier)
        if gpu.card not in known:
            hint = f"{nearest(gpu.card, known)}; one that is new is declared in {facts.FACTS_FOLDER}/NAME.yaml, under `cards:`"
            yield Problem(loaded.place((*path, "card")), f"there is no card {describe(gpu.card)}", hint)
        if gpu.card in known and known[gpu.card].is_slice and not (gpu.uuid or "").startswith("MIG-"):
            message = f"`{identifier}` is a MIG slice, and has no uuid of one"
            hint = "add `uuid: MIG-…` (from `nvidia-smi -L`): an index means the whole card"
            yield Problem(loaded.place(path, of_key=True), message, hint)
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


def choice_problems(loaded: Loaded, path: Path, model: Model, engine: Engine | None) -> Iterator[Problem]:
    """What a model says about its cards: how many, which, and whether they go together."""
    declared = loaded.document.data.get("gpus")
    declared = declared if isinstance(declared, dict) else {}
    yield from _count_problems(loaded, path, model, engine, len(declared))
    if model.gpus is None:
        return
    yield from _naming_problems(loaded, (*path, "gpus"), model.gpus, declared)
    if engine is not None and not engine.many_cards and len(model.gpus) > 1:
        message = f"{engine.name} runs on one card, not {len(model.gpus)}"
        yield Problem(loaded.place((*path, "gpus")), message, f"write `gpus: [{model.gpus[0]}]`")


def _count_problems(loaded: Loaded, path: Path, model: Model, engine: Engine | None, there: int) -> Iterator[Problem]:
    """Numbers of cards that contradict each other, or the machine."""
    if model.gpus is not None:
        yield from _named_count_problems(loaded, path, model, len(model.gpus))
        return
    each = model.gpu_count or model.tensor_parallel or min(1, there)
    key = "gpu_count" if model.gpu_count else "tensor_parallel" if model.tensor_parallel else "replicas"
    place = loaded.place((*path, key))
    if model.gpu_count and model.tensor_parallel not in (None, model.gpu_count):
        message = f"`tensor_parallel` is {model.tensor_parallel}, but `gpu_count` is {model.gpu_count}"
        yield Problem(loaded.place((*path, "tensor_parallel")), message, "drop one of the two")
    elif engine is not None and not engine.many_cards and each > 1:
        yield Problem(place, f"{engine.name} runs on one card, not {each}", f"drop `{key}`")
    elif each * model.replicas > there and (there or each > 1):
        wish = f"`{key}` asks for"
        if model.replicas > 1:
            wish = f"{model.replicas} replicas{f' of {_cards(each)}' if each > 1 else ''} need"
        message = f"{wish} {_cards(each * model.replicas)}, and `gpus` declares {there}"
        yield Problem(place, message, "declare more cards, or ask for fewer; `gpus: []` is the CPU")


def _named_count_problems(loaded: Loaded, path: Path, model: Model, count: int) -> Iterator[Problem]:
    if model.gpu_count is not None:
        message = f"`gpus` names {_cards(count)}, and `gpu_count` lets the planner pick {model.gpu_count}"
        yield Problem(loaded.place((*path, "gpu_count")), message, "keep one of the two")
    if count % model.replicas:
        message = f"{model.replicas} replicas cannot share {_cards(count)} evenly"
        hint = f"name {model.replicas * (count // model.replicas + 1)} cards in `gpus`, or `gpus: []` for the CPU"
        yield Problem(loaded.place((*path, "replicas")), message, hint)
    elif model.tensor_parallel not in (None, max(1, count // model.replicas)):
        each = f", {model.replicas} replicas" if model.replicas > 1 else ""
        message = f"`tensor_parallel` is {model.tensor_parallel}, but the model is on {_cards(count)}{each}"
        hint = "name as many cards in `gpus`; or drop `tensor_parallel`"
        yield Problem(loaded.place((*path, "tensor_parallel")), message, hint)


def _naming_problems(
    loaded: Loaded, path: Path, named: tuple[str, ...], declared: Mapping[str, object]
) -> Iterator[Problem]:
    """Cards that are not there, that are named twice, or whose makers differ."""
    for position, identifier in enumerate(named):
        place = loaded.place((*path, position))
        if identifier not in declared:
            yield Problem(place, f"there is no card {describe(identifier)} in `gpus`", nearest(identifier, declared))
        elif identifier in named[:position]:
            yield Problem(place, f"the card `{identifier}` is here twice", "drop one")
    vendors = {card.vendor for name in named if (card := _card(loaded, declared.get(name))) is not None}
    if len(vendors) > 1:
        message = f"one server cannot use cards of {' and '.join(sorted(vendors))} together"
        yield Problem(loaded.place(path), message, "give it cards of one maker")


def _cards(count: int) -> str:
    return f"{count} card{'' if count == 1 else 's'}"


def _card(loaded: Loaded, entry: object) -> facts.Card | None:
    return loaded.catalogue.cards.get(str(entry.get("card"))) if isinstance(entry, dict) else None
