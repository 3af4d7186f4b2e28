"""The merged spec as YAML: what counts, who says it, and, as comments, what counts where nobody says anything.

It is a spec itself. Images that profiles pin stand with their models, so that the profiles are needed no more; what the
planner decided stays a comment, so that it is decided anew, and alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stackgen.engines import ENGINES
from stackgen.explain.asking import Asked
from stackgen.explain.decided import decision
from stackgen.explain.keys import below_options, keys_of
from stackgen.facts.explaining import unsaid_key
from stackgen.records import dataclass
from stackgen.render.yaml import Note, comment, dump, key
from stackgen.sources import DEFAULT_PROFILE, Path, type_at, value_at
from stackgen.spec import ImageChoice, Spec

_INDENT = 2


@dataclass(frozen=True)
class Line:
    """A value with what stands behind it; a comment where nobody says it."""

    value: Any
    note: str
    said: bool = True


Tree = dict[str, Any]
"""Keys with a Line or another tree."""


def tree(asked: Asked) -> Tree:
    """The merged spec in the order of its reference."""
    data = asked.loaded.merged.data
    found: Tree = {}
    for name in Spec.model_fields:
        if name == "profiles":
            found[name] = _profiles(asked)
        elif name in data:
            found[name] = _below(asked, data[name], (name,))
    return found


def as_yaml(asked: Asked) -> str:
    """The text of a spec that is planned to the same stack without the profiles, as far as nothing in it is masked."""
    loaded = asked.loaded
    header = [
        f"What {loaded.file} says together with its profiles, and where each value was said; written by `stackgen config`.",
        "A line behind `#` was said by nobody: so the planner, the engine or stackgen decides.",
    ]
    lines = [comment(line) for line in header]
    for name, node in tree(asked).items():
        if isinstance(node, dict):
            lines.append("")
        lines += _lines(name, node, 0)
    return "\n".join(lines) + "\n"


def as_json(asked: Asked) -> dict[str, Any]:
    """Every value with who says it; `said` is false where nobody does."""
    values = [
        {"path": list(path), "value": line.value, "origin": line.note or None, "said": line.said}
        for path, line in _flat(tree(asked), ())
    ]
    return {"file": asked.loaded.file, "name": asked.loaded.merged.data.get("name"), "values": values}


def _profiles(asked: Asked) -> Line:
    """Only what pins the gateway's own images is still needed; everything else stands below."""
    said = asked.loaded.merged.data["profiles"]
    needed = [name for name in said if _pins_for_gateway(asked, name)] if isinstance(said, list) else []
    origin = asked.loaded.merged.origins.get(("profiles",))
    where = asked.loaded.shown(origin) if origin else asked.loaded.file
    words = ", ".join(map(str, said)) if isinstance(said, list) else ""
    if asked.plan is None:
        return Line(asked.mask.of_spec(said, ("profiles",)), where)
    return Line(needed or [DEFAULT_PROFILE], f"{where} says {words}; what they say is written below")


def _pins_for_gateway(asked: Asked, name: str) -> bool:
    models = {instance.engine for instance in asked.plan.instances} if asked.plan else set()
    families = {service.image.family for service in asked.plan.services} - models if asked.plan else set()
    return any(
        document.file == f"profiles/{name}.yaml" and families & set(profile.images)
        for profile, document in asked.loaded.profiles
    )


def _below(asked: Asked, value: Any, path: Path) -> Any:
    """What stands at a path: a line, or the tree below it with what nobody says."""
    if not isinstance(value, dict):
        origin = asked.loaded.merged.origins.get(path)
        return Line(asked.mask.of_spec(value, path), asked.loaded.shown(origin) if origin else "")
    own = value_at(asked.loaded.document.data, path)
    names = [*(own if isinstance(own, dict) else ()), *value]  # what the spec says stands first, in its order
    found: Tree = {name: _below(asked, value[name], (*path, name)) for name in dict.fromkeys(names) if name in value}
    if path[0] == "models" and len(path) == 2:  # noqa: PLR2004 - models and an id
        found |= _image(asked, value, path)
        if "options" not in found:
            found["options"] = dict(_unsaid(asked, (), (*path, "options")))
    found |= dict(_unsaid(asked, found, path))
    return found if found or value else Line({}, "")


def _image(asked: Asked, model: Mapping[str, Any], path: Path) -> Tree:
    """The image that a profile pins for a model, in the words of the spec; of one of the spec's own the version alone."""
    own = model.get("image")
    if "build" in model or asked.plan is None or (own and "version" in own):
        return {}
    accelerator = asked.loaded.accelerators.get(str(path[1]), "cpu")
    pinned = asked.loaded.pinned(str(model.get("engine")), accelerator)
    if pinned is None:
        return {}
    where = asked.loaded.shown(pinned.origin)
    if own:
        return {"image": _below(asked, own, (*path, "image")) | {"version": Line(pinned.pin.version, where)}}
    said = {name: getattr(pinned.pin, name) for name in ImageChoice.model_fields}
    return {"image": {name: Line(value, where) for name, value in said.items() if value is not None}}


def _unsaid(asked: Asked, said: Iterable[str], path: Path) -> Iterator[tuple[str, Any]]:
    """The keys at a path that nobody says and that count all the same."""
    root, below = below_options(Spec, asked.loaded.merged.data, path)
    group = type_at(root, below)
    if not (isinstance(group, type) and hasattr(group, "model_fields")):
        return
    for entry in keys_of(group):
        if entry.name in said or entry.required:
            continue
        here: Path = (*path, entry.name)
        if not _is_honoured(asked, here):
            continue
        decided = decision(asked.plan, asked.loaded, here) if asked.plan else None
        left_out = unsaid_key(here)
        if decided:
            why = f"{decided.said_by}: {decided.why.removeprefix('planned').removeprefix(':').strip()}"
            yield entry.name, Line(asked.mask.of_spec(decided.value, here), why, said=False)
        elif entry.default is not None:
            yield entry.name, Line(entry.default, "left out", said=False)
        elif left_out and "options" in path:
            yield entry.name, Line(None, left_out, said=False)


def _is_honoured(asked: Asked, path: Path) -> bool:
    """Whether the engine of a model takes notice of a key that not all engines do."""
    if path[0] != "models" or len(path) != 3:  # noqa: PLR2004 - models, its id, a setting
        return True
    model = value_at(asked.loaded.merged.data, path[:2])
    engine = ENGINES.get(str(model.get("engine")))
    not_all = {field for one in ENGINES.values() for field in one.fields}
    return engine is None or path[2] not in not_all - engine.fields


def _lines(name: str, node: Any, indent: int) -> Iterator[str]:
    pad = " " * indent
    if isinstance(node, Line):
        if node.value is None and not node.said:
            yield f"{pad}# {key(name)}:  {comment(node.note)}"
            return
        value = Note(node.value, node.note) if node.note else node.value
        lines = dump({name: value}).splitlines()
        yield from (f"{pad}{'' if node.said else '# '}{line}" for line in lines)
        return
    mark = "" if _is_said(node) else "# "
    yield f"{pad}{mark}{key(name)}:"
    for inner, below in node.items():
        yield from _lines(inner, below, indent + _INDENT)


def _is_said(node: Any) -> bool:
    return node.said if isinstance(node, Line) else any(map(_is_said, node.values()))


def _flat(node: Any, path: Path) -> Iterator[tuple[Path, Line]]:
    if isinstance(node, Line):
        yield path, node
        return
    for name, below in node.items():
        yield from _flat(below, (*path, name))
