"""The JSON schemas: of stack.yaml, with the engines and their options filled in, and of facts files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from stackgen.engines import ENGINES
from stackgen.modalities import MODALITIES
from stackgen.sources import fields_at, type_at
from stackgen.spec import Spec
from stackgen.spec.facts_file import FactsFile

URL = "https://json-schema.org/draft/2020-12/schema"


def of_spec() -> dict[str, Any]:
    """The schema. What profiles provide is not required here; options depend on the engine of the model."""
    schema = Spec.model_json_schema()
    schema["$schema"] = URL
    schema["required"] = [name for name in schema["required"] if name != "gateway"]
    definitions = schema["$defs"]
    definitions["Gateway"].pop("required")
    model = definitions["Model"]
    model["properties"]["engine"]["enum"] = sorted(ENGINES)
    model["properties"]["modalities"]["items"]["enum"] = sorted(MODALITIES)
    model["allOf"] = []
    for name, engine in sorted(ENGINES.items()):
        definitions[f"{name}-options"] = engine.options.model_json_schema()
        model["allOf"].append(
            {
                "if": {"properties": {"engine": {"const": name}}},
                "then": {"properties": {"options": {"$ref": f"#/$defs/{name}-options"}}},
            }
        )
    return schema


def of_facts() -> dict[str, Any]:
    """The schema of a file of profiles/facts/."""
    return {**FactsFile.model_json_schema(), "$schema": URL}


def whole_numbers_at(data: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys below a path of a spec that take whole numbers; options depend on the engine of the model.

    Args:
        data: the spec as plain data, which need not be sound.
        path: keys of maps that it has.
    """
    root: type[BaseModel] = Spec
    if path[:1] == ("models",) and path[2:3] == ("options",):
        engine = ENGINES.get(str(data["models"][path[1]].get("engine")))
        if engine is None:
            return ()
        root, path = engine.options, path[3:]
    return tuple(key for key in fields_at(root, path) if type_at(root, (*path, key)) is int)
