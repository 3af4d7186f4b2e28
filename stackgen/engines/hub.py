"""What engines share that fetch weights from the Hugging Face hub."""

from __future__ import annotations

from stackgen.parts import Arg, Instance, Secret, SecretKind, Storage

HUGGINGFACE = Storage(name="huggingface", holds="model weights from the hub")
HF_TOKEN = Secret(name="HF_TOKEN", purpose="reads gated models from the hub", kind=SecretKind.OPTIONAL)


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
