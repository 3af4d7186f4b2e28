"""The tables of docs/stack.md, profiles.md and facts.md: every key with its type, default and description, from the models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stackgen import facts, sources
from stackgen import plan as planning
from stackgen.engines import ENGINES
from stackgen.explain.keys import Key, groups_below, keys_of
from stackgen.modalities import MODALITIES
from stackgen.spec import Profile, Spec
from stackgen.spec.facts_file import FactsFile
from stackgen.verbs import answer, open_asked

REQUIRED = "**required**"
ROOT = Path(__file__).resolve().parent.parent
PROFILES, EXAMPLES = ROOT / "profiles", ROOT / "examples"
GOLDEN = EXAMPLES.parent / "tests" / "golden"


def blocks(root: type[BaseModel], start: str) -> Iterator[tuple[str, str]]:
    """Name and content of each block with a table of keys: one a group of keys, named by its first path.

    Args:
        root: Spec, Profile or FactsFile.
        start: stands before every path, such as `profile.`; empty for the spec.
    """
    groups = groups_below(root, start.rstrip("."))
    groups[root] = groups[root] or "stack.yaml"
    for model, path in groups.items():
        yield f"keys {path}", table(model, groups)


def options() -> Iterator[tuple[str, str]]:
    """A block with the options of each engine."""
    for name, engine in sorted(ENGINES.items()):
        yield f"options {name}", table(engine.options, {})


def engines() -> str:
    """What each engine serves, and which keys of a model it honours."""
    optional = sorted({field for engine in ENGINES.values() for field in engine.fields})
    rows = [["engine", "modalities", "models a process", "cards a process", *(f"`{name}`" for name in optional)]]
    for name, engine in sorted(ENGINES.items()):
        serves = ", ".join(modality for modality in MODALITIES if modality in engine.modalities)
        many = ["several" if engine.many_models else "one", "several" if engine.many_cards else "one"]
        rows.append([f"`{name}`", serves, *many, *("yes" if field in engine.fields else "" for field in optional)])
    return lines(rows)


def values(section: str) -> str:
    """What the shipped profiles say: a row for each key, a column for each profile that says anything."""
    said = {name: dict(flat(data.get(section, {}))) for name, data in shipped().items()}
    columns = [name for name, found in said.items() if found]
    keys = sorted({key for name in columns for key in said[name]})
    rows = [["", *(f"`{name}`" for name in columns)]]
    rows += [[f"`{key}`", *(code(said[name][key]) if key in said[name] else "" for name in columns)] for key in keys]
    return lines(rows)


def of_planning() -> dict[str, str]:
    """The blocks of docs/planning.md: margins, and golden files that tests hold."""
    rows = [["margin", "value", "why"]]
    rows += [[name.replace("_", " "), f"{entry['value']:g}", entry["source"]] for name, entry in margins().items()]
    plan = (GOLDEN / "shared-card" / "plan.txt").read_text(encoding="utf-8")
    picture = plan[plan.index("card a0") : plan.index("storage")].rstrip()
    refusal = (GOLDEN / "too-big" / "refusal.txt").read_text(encoding="utf-8")
    return {"margins": lines(rows), "shared-card": f"```text\n{picture}\n```\n", "too-big": f"```text\n{refusal}```\n"}


def margins() -> dict[str, Any]:
    """The planner's margins with their reasons."""
    return dict(json.loads((ROOT / "stackgen" / "facts" / "planning.json").read_text(encoding="utf-8")))


def storages() -> str:
    """What the examples keep, by kind: together they use every engine and store."""
    refused = {file.parent.name for file in GOLDEN.glob("*/refusal.txt")}
    files = [file for file in sorted(EXAMPLES.glob("*/stack.yaml")) if file.parent.name not in refused]
    plans = [planning.make(sources.load(file)) for file in files]
    found = {storage.name: storage.holds for plan in plans for storage in plan.storages}
    return lines([["kind", "what it holds"], *([f"`{name}`", found[name]] for name in sorted(found))])


def cards() -> str:
    """The catalogue of cards."""
    rows = [[f"`{card.id}`", card.name, f"{card.visible_gib:g}"] for card in facts.cards().values()]
    return lines([["`card`", "name", "GiB that engines see"], *rows])


def pins() -> str:
    """Every pinned image with its evidence."""
    rows = [["profile", "image of", "image", "evidence"]]
    for name, data in shipped().items():
        for family, pin in data.get("images", {}).items():
            rows.append([f"`{name}`", f"`{family}`", f"`{pin['repository']}:{pin['tag']}`", pin["evidence"]])
    return lines(rows)


def about() -> str:
    """The shipped profiles, the one that always applies first."""
    rows = [["profile", "for", "cards"]]
    for name, data in shipped().items():
        rows.append([f"[`{name}`](../profiles/{name}.yaml)", data["about"], data.get("accelerator", "all")])
    return lines(rows)


def shipped() -> dict[str, dict[str, Any]]:
    """The profiles in the order in which they are read about."""
    order = ("default", "cpu", "nvidia", "nvidia-shared", "rocm")
    names = sorted((file.stem for file in PROFILES.glob("*.yaml")), key=order.index)
    return {name: yaml.safe_load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8")) for name in names}


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values of the leaves of a document."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def table(model: type[BaseModel], groups: Mapping[type[BaseModel], str]) -> str:
    """The keys of a group; those that must be written come first."""

    def link(group: type[BaseModel]) -> str:
        return f"[keys](#{anchor(groups[group])})"

    rows = [["key", "type", "where left out", "what it says"]]
    rows += [
        [f"`{key.name}`", key.kind, default(model, key), key.meaning.replace("|", "\\|")]
        for key in sorted(keys_of(model, link), key=lambda key: default(model, key) != REQUIRED)
    ]
    return lines(rows)


def from_profile(model: type[BaseModel], name: str) -> str:
    """What profiles/default.yaml says about a key of the gateway."""
    said = shipped()["default"]["gateway"]
    return code(said[name]) if model.__name__ == "Gateway" and name in said else ""


def default(model: type[BaseModel], key: Key) -> str:
    """What counts where nobody writes the key."""
    if key.required:
        return from_profile(model, key.name) or ("profiles fill it" if key.name == "gateway" else REQUIRED)
    return "" if key.default is None else code(key.default)


def code(value: Any) -> str:
    """A value as YAML spells it."""
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


def anchor(heading: str) -> str:
    """What a heading is called in a link."""
    return re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-")


def lines(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    head, *rest = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rest))


def of_stack() -> dict[str, str]:
    """The blocks of docs/stack.md."""
    return {**dict(blocks(Spec, "")), **dict(options()), "engines": engines(), "storages": storages(), "cards": cards()}


def of_profiles() -> dict[str, str]:
    """The blocks of docs/profiles.md."""
    shown = {f"values {section}": values(section) for section in ("gateway", "engines")}
    return {**dict(blocks(Profile, "profile.")), **shown, "pins": pins(), "about": about()}


def of_facts() -> dict[str, str]:
    """The blocks of docs/facts.md."""
    rows = [["kind", "it needs"]]
    rows += [[f"`{kind}`", ", ".join(f"`{key}`" for key in facts.lacking(kind, {}))] for kind in facts.kinds()]
    return {**dict(blocks(FactsFile, "facts.")), "needs": lines(rows)}


def of_explain() -> dict[str, str]:
    """The blocks of docs/explain.md: answers about an example."""
    opened = open_asked(EXAMPLES / "shared-card" / "stack.yaml", ROOT / "docs" / "rendered")
    questions = {"explain value": "models.chat.context", "explain line": "docker-compose.yml:240"}
    found = {name: answer(opened, question) for name, question in questions.items()}
    return {
        name: f"```text\n$ stackgen explain {questions[name]}\n{chr(10).join(told.lines('rendered/'))}\n```\n"
        for name, told in found.items()
    }
