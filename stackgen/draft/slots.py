"""What somebody asks for becomes slots: proposals for each modality, and models that are named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from stackgen.draft.choice import Slot
from stackgen.errors import StackError
from stackgen.facts import ModelFacts
from stackgen.facts.proposals import (
    Proposal,
    modalities,
    modalities_where_room,
    modality_of_kind,
    named_settings,
    proposals,
    usual_engine,
    usual_id,
    usual_modalities,
)
from stackgen.sources import Document, describe, findings, nearest
from stackgen.spec.words import Identifier, Source, Strict

_CHAT, _VISION = "chat", "vision"
_WRITABLE = re.compile(r"[a-z0-9][a-z0-9._-]*")
_GGUF = re.compile("gguf", re.IGNORECASE)
_HUB_OF_OLLAMA = ("hf.co/", "huggingface.co/")
"""Before the name of a repository of the hub that Ollama is to fetch from there."""
_NAMED_FORM = "write NAME=SOURCE, as --model chat=Qwen/Qwen3-8B"


class _Named(Strict):
    """What a spec takes as the id of a model and as its source."""

    id: Identifier
    source: Source


def named_model(text: str) -> tuple[str, str]:
    """The id and the source of `chat=Qwen/Qwen3-8B`.

    Raises:
        StackError: it has another form, or no spec takes the id or the source.
    """
    identifier, sign, source = text.partition("=")
    if not (identifier and sign and source):
        raise StackError(f"{describe(text)} names no model", hint=_NAMED_FORM)
    if source.startswith((".", "~")):
        raise StackError(
            f"{describe(source)} is no whole path", hint="write it from `/` on, as --model chat=/models/NAME"
        )
    if _GGUF.search(source) and not source.startswith(("/", *_HUB_OF_OLLAMA)):
        hint = f"Ollama serves them: --model {identifier}={_HUB_OF_OLLAMA[0]}{source}"
        raise StackError(f"{describe(source)} holds files for llama.cpp", hint=hint)
    command_line = Document("", {}, {}, {})
    _, problems = findings(_Named, {"id": identifier, "source": source}, (), command_line.place)
    if problems:
        raise StackError(problems[0].message, hint=problems[0].hint)
    return identifier, source


def asked_modalities(text: str) -> tuple[str, ...]:
    """The modalities of `chat,embedding`, or of `Chat embedding`, each once.

    Raises:
        StackError: one is not known, or there is none.
    """
    asked = tuple(dict.fromkeys(re.findall(r"[^\s,]+", text.lower())))
    for word in asked:
        if word not in modalities():
            hint = f"{nearest(word, modalities())}; a model for anything else is named: --model NAME=SOURCE"
            raise StackError(f"nothing is proposed for {describe(word)}", hint=hint)
    if not asked:
        raise StackError("nothing is asked for", hint=f"some of {', '.join(modalities())}")
    return asked


def slots_for(
    serve: Sequence[str] | None,
    named: Sequence[tuple[str, str]],
    known: Mapping[str, ModelFacts],
    *,
    has_cards: bool,
) -> tuple[Slot, ...]:
    """What is to be filled, in the order of the proposals; what somebody names takes the place of a proposal.

    Args:
        serve: modalities that are asked for; None: the usual ones, or the named models alone.
        named: ids and sources of models that somebody names.
        known: the catalogue's models by source.
        has_cards: whether the machine has any.
    """
    own = tuple(_named_slot(identifier, source, known, has_cards=has_cards) for identifier, source in named)
    optional = () if serve is not None or named or not has_cards else modalities_where_room()
    wanted = serve if serve is not None else () if named else usual_modalities()
    taken = {modality for slot in own for proposal in slot.proposals for modality in proposal.modalities}
    ids = {slot.id for slot in own}
    proposed = (
        Slot(
            id=_free(usual_id(modality), ids),
            modality=modality,
            proposals=tuple(_seeing(proposals(modality, has_cards=has_cards), wanted, known)),
            is_optional=modality in optional,
        )
        for modality in modalities()
        if modality not in taken and modality in (*wanted, *optional)
    )
    return (*own, *proposed)


def on_cards(slots: Iterable[Slot], *, all_of_them: bool) -> tuple[Slot, ...]:
    """The slots without proposals for the processor.

    Args:
        slots: what is to be filled.
        all_of_them: leave them out of every slot, and not only where a model writes, for which a processor is the last resort.
    """
    return tuple(
        replace(
            slot,
            proposals=tuple(
                one for one in slot.proposals if not (one.on_processor and (all_of_them or _CHAT in one.modalities))
            ),
        )
        for slot in slots
    )


def _seeing(offers: Iterable[Proposal], wanted: Sequence[str], known: Mapping[str, ModelFacts]) -> Iterator[Proposal]:
    """Proposals; one that chats and sees does both where both are asked for."""
    for offer in offers:
        facts = known.get(offer.source)
        if _VISION in wanted and offer.modalities == (_CHAT,) and facts is not None and facts.sees:
            yield replace(offer, modalities=(_CHAT, _VISION))
        else:
            yield offer


def _named_slot(identifier: str, source: str, known: Mapping[str, ModelFacts], *, has_cards: bool) -> Slot:
    """One that writes goes onto a card where there is one; the others step down to the processor."""
    facts = known.get(source)
    modality = modality_of_kind(facts.kind) if facts else _modality_of_id(identifier)
    engine = "ollama" if _is_ollamas(source) else usual_engine(modality)
    folder = {"mounts": {source: source}} if source.startswith("/") else {}
    offer = Proposal(
        source=source,
        engine=engine,
        name=_public_name(source) or identifier,
        settings=tuple({**folder, **settings} for settings in named_settings(engine)),
        why="",
        modalities=(_CHAT, _VISION) if modality == _VISION else (modality,),
        tools=bool(facts and facts.tool_parser and engine == usual_engine(_CHAT)),
        reasoning=bool(facts and facts.reasoning_parser and engine == usual_engine(_CHAT)),
    )
    slow = replace(offer, on_processor=True)
    offers = (offer,) if _CHAT in offer.modalities else (offer, slow)
    return Slot(id=identifier, modality=modality, proposals=offers if has_cards else (slow,))


def _modality_of_id(identifier: str) -> str:
    """What a model that nobody knows is probably for."""
    return next((modality for modality in modalities() if identifier in {modality, usual_id(modality)}), _CHAT)


def _is_ollamas(source: str) -> bool:
    return source.startswith(_HUB_OF_OLLAMA) or (not source.startswith("/") and ("/" not in source or ":" in source))


def _public_name(source: str) -> str:
    """The last part of a source as clients can write it; empty where it is nothing to write."""
    name = source.rstrip("/").rpartition("/")[2].replace(":", "-").lower()
    return name if _WRITABLE.fullmatch(name) else ""


def _free(identifier: str, taken: set[str]) -> str:
    return next(
        name
        for number in range(1, len(taken) + 2)
        if (name := f"{identifier}-{number}" if number > 1 else identifier) not in taken
    )
