"""The JSON schema of stack.yaml: spec.py's words, with the engines and their options filled in."""

from __future__ import annotations

from typing import Any

from stackgen.engines import ENGINES
from stackgen.modalities import MODALITIES
from stackgen.spec import Spec

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
