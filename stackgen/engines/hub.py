"""What engines share that fetch weights from the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stackgen.parts import Arg, Instance, Secret, SecretKind, ServedModel, Storage
from stackgen.sources import Path, describe

_HUB_ID = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*")
HUGGINGFACE = Storage(name="huggingface", holds="model weights from the hub", weights_at="hub/models--{}")
HF_TOKEN = Secret(name="HF_TOKEN", purpose="reads gated models from the hub", kind=SecretKind.OPTIONAL)


def source_complaints(served: ServedModel, *, folders: bool = True) -> Iterator[tuple[Path, str, str]]:
    """Sources that are neither an id of the hub nor, where the engine reads such, a folder of the image."""
    source = served.model.source
    if source.startswith("/") and not folders:
        yield ("source",), "its models are fetched by name, and this is a folder", "write the id of a model at the hub"
    elif not source.startswith("/") and not _HUB_ID.fullmatch(source):
        message = f"{describe(source)} is no id of the hub"
        yield ("source",), message, "write owner/model, as huggingface.co/owner/model"


def needs_hub(instance: Instance) -> bool:
    """Whether any model comes from the hub instead of a folder of the image."""
    return any(not served.model.source.startswith("/") for served in instance.models)


def environment(instance: Instance) -> dict[str, Arg]:
    """Variables for an engine of this kind: no telemetry, the token where the hub is asked, then what the spec adds."""
    variables = {"DO_NOT_TRACK": Arg(value="1", why="no telemetry")}
    if needs_hub(instance):
        variables["HF_TOKEN"] = Arg(value=HF_TOKEN, why="for gated models; may stay empty")
    for served in instance.models:
        for name, value in served.model.environment.items():
            variables[name] = Arg(value=value, path=(*served.path, "environment", name))
    return variables
