"""Answers about a line of a profile: what it says, for what of this stack it counts, and what counts in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from stackgen.explain.answers import Answer, Part, some
from stackgen.explain.asking import Asked
from stackgen.explain.keys import key_at
from stackgen.explain.lines import WRONG, LineAnswer, Text, at_line
from stackgen.explain.rendered import Entry, dotted
from stackgen.records import dataclass
from stackgen.sources import Document, Path, value_at
from stackgen.spec import Profile

UNUSED = "this stack does not use it: "
_FOR_PEOPLE = "a text for people: nothing is rendered from it"


@dataclass(frozen=True, kw_only=True)
class Use:
    """Where something arrives in a stack."""

    parts: tuple[Part, ...] = ()
    models: tuple[str, ...] = ()
    """Those that rest on it, by their ids."""
    becomes: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()


def of_profile(asked: Asked, document: Document, text: Text, line: int, *, applied: bool) -> LineAnswer:
    """Behind a line of a profile: what it says, and for which models it counts.

    Args:
        asked: the stack.
        document: the profile.
        text: its text.
        line: the line.
        applied: whether the spec names the profile.

    Raises:
        StackError: it has no such line.
    """
    at = at_line(document, text, line)
    notes = at.notes
    if not applied:
        notes = (*notes, f"{asked.loaded.file} does not name this profile: nothing of it counts here")
    answers = tuple(_about(asked, document, path, applied=applied) for path in at.one)
    return LineAnswer(file=document.file, line=line, notes=notes, answers=answers)


def _about(asked: Asked, document: Document, path: Path, *, applied: bool) -> Answer:
    value = value_at(document.data, path)
    key = key_at(document.data, path, Profile)
    place = document.place(path, of_key=True)
    profile = next((profile for profile, read in asked.loaded.profiles if read is document), None)
    use = _use(asked, document, profile, path) if applied and profile else Use()
    return Answer(
        path=dotted(path),
        kind="profile",
        value=asked.mask.of_spec(value, path),
        has_value=not isinstance(value, dict),
        said_by=f"{place.file}:{place.line}",
        meaning=key.meaning if key else "",
        parts=use.parts,
        becomes=use.becomes,
        notes=use.notes,
    )


def _use(asked: Asked, document: Document, profile: Profile, path: Path) -> Use:
    """Where a path of a profile that the spec names arrives."""
    if not _stands(document.data, path):
        return Use(notes=(WRONG,))
    match path:
        case ("images", *rest):
            return _joined([_of_image(asked, document, profile, str(name)) for name in rest[:1] or profile.images])
        case ("engines", *rest):
            below = [path] if rest else [(*path, name) for name in profile.engines]
            return _joined([_of_engine(asked, document, profile, each) for each in below])
        case ("gateway", *_):
            return _laid(asked, document, [(leaf, leaf) for leaf in _leaves(document.data, path)])
        case ("accelerator",):
            return Use(notes=(_of_accelerator(asked, profile),))
    return Use(notes=(_FOR_PEOPLE,))


def _joined(uses: Sequence[Use]) -> Use:
    """Of several things what becomes of each; their lines are asked for one by one."""
    if len(uses) == 1:
        return uses[0]
    return Use(
        parts=tuple(part for use in uses for part in use.parts),
        notes=tuple(note for use in uses for note in use.notes),
    )


def _of_accelerator(asked: Asked, profile: Profile) -> str:
    models = [name for name, kind in asked.loaded.accelerators.items() if kind == profile.accelerator]
    if models:
        return f"images and engines of this profile count for {some(models)}"
    return f"{UNUSED}no model runs on {profile.accelerator}, so images and engines of this profile do not count"


def _of_image(asked: Asked, document: Document, profile: Profile, family: str) -> Use:
    """The services that run on a pinned image; else why none does."""
    place = document.place(("images", family), of_key=True)
    services = asked.plan.services if asked.plan else ()
    here = [one for one in services if one.image.origin and one.image.origin.place == place]
    if here:
        names = [one.name for one in here]
        behind = asked.index.behind(("images", family))
        return Use(
            parts=(Part(path=f"images.{family}", value=here[0].image.reference, said_by=f"counts for {some(names)}"),),
            becomes=tuple(entry for entry in behind if entry.path[1] in names),
        )
    winner = asked.loaded.pins.get((profile.accelerator, family)) or asked.loaded.pins.get((None, family))
    others = [one for one in services if one.image.family == family]
    if winner and winner.origin.place != place:
        said = f"beaten by {asked.loaded.shown(winner.origin)}"
        return Use(parts=(Part(path=f"images.{family}", value=winner.pin.reference, said_by=said),))
    if asked.plan is None:
        return Use()
    if not others:
        return Use(notes=(f"{UNUSED}no service runs an image of {family}",))
    origins = dict.fromkeys(asked.loaded.shown(one.image.origin) for one in others if one.image.origin)
    return Use(notes=(f"{UNUSED}the image of {some([one.name for one in others])} is said by {some(origins)}",))


def _of_engine(asked: Asked, document: Document, profile: Profile, path: Path) -> Use:
    """The models that defaults of an engine count for; else why they count for none."""
    engine, models = path[1], asked.loaded.merged.data.get("models", {})
    on_engine = [name for name, one in models.items() if isinstance(one, dict) and one.get("engine") == engine]
    kinds = asked.loaded.accelerators
    here = [name for name in on_engine if profile.accelerator in (None, kinds.get(name))]
    if not on_engine:
        return Use(notes=(f"{UNUSED}no model runs on {engine}",))
    if not here:
        found = dict.fromkeys(kinds.get(name, "") for name in on_engine)
        why = f"it is for models on {profile.accelerator}, and those on {engine} run on {some(found)}"
        return Use(notes=(f"{UNUSED}{why}",))
    pairs = [(leaf, ("models", name, *leaf[2:])) for leaf in _leaves(document.data, path) for name in here]
    return _laid(asked, document, pairs)


def _laid(asked: Asked, document: Document, pairs: Sequence[tuple[Path, Path]]) -> Use:
    """Of values of a profile and their paths in the merged spec: where they count, and what beat them."""
    merged, parts, counted = asked.loaded.merged, [], []
    for source, target in pairs:
        around = (target[:end] for end in range(len(target), 0, -1))
        origin = next((merged.origins[path] for path in around if path in merged.origins), None)
        if origin is None:
            continue
        value = asked.mask.of_spec(value_at(merged.data, target), target)
        place = document.place(source, of_key=isinstance(value_at(document.data, source), dict))
        if origin.place == place:
            counted.append(target)
        said_by = "counts here" if origin.place == place else f"beaten by {asked.loaded.shown(origin)}"
        parts.append(Part(path=dotted(target), value=value, said_by=said_by))
    is_one = len({source for source, _ in pairs}) == 1
    return Use(parts=tuple(parts), becomes=tuple(asked.index.behind(*counted)) if is_one and counted else ())


def _leaves(data: Any, path: Path) -> Iterator[Path]:
    """The values at a path of a profile and below it; a list is one."""
    value = value_at(data, path)
    if isinstance(value, dict) and value:
        for key in value:
            yield from _leaves(data, (*path, key))
    else:
        yield path


def _stands(data: Any, path: Path) -> bool:
    """Whether something stands at a path; what is wrong was taken out of the data."""
    parent = value_at(data, path[:-1])
    if isinstance(parent, list):
        return isinstance(path[-1], int) and path[-1] < len(parent)
    return isinstance(parent, dict) and path[-1] in parent
