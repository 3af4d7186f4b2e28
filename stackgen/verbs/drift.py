"""Whether a container is the one that the spec wants: one truth for `check` and for `status`, and what `up` would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from stackgen import render, runtime, vault
from stackgen.errors import DockerError
from stackgen.parts import SecretKind, Service
from stackgen.records import dataclass
from stackgen.render.compose import CONTENT_LABEL
from stackgen.runtime.container import CONFIG_HASH_LABEL, ContainerState
from stackgen.verbs.stack import Stack

NO_CONTAINER = "it has no container"
NOT_IN_SPEC = "the spec does not have it"
ONE_MORE = "one container more than the spec says"
_PLACEHOLDER = "not generated yet"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What containers are compared with: what the spec would be rendered to now."""

    digests: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file by its path."""
    hashes: Mapping[str, str] = field(default_factory=dict)
    """What Compose compares of each service; empty where Compose could not be asked."""
    warning: str = ""
    """Why it could not be asked."""


def measure_of(stack: Stack, values: Mapping[str, str]) -> Measure:
    """What the containers of a stack are compared with.

    Args:
        stack: the stack.
        values: its kept secrets by name.
    """
    files = stack.files()
    digests = {file.path: file.digest for file in files}
    text = next(file.text for file in files if file.path == render.COMPOSE_FILE)
    try:
        hashes = runtime.compose.config_hashes(stack.out, text, _filled(stack, values))
    except DockerError as error:
        words = vault.masker(vault.hidden(values))(error.message)
        return Measure(digests=digests, warning=f"settings of containers were not compared: {words}")
    return Measure(digests=digests, hashes=hashes)


def differences(service: Service, state: ContainerState, measure: Measure) -> Iterator[str]:
    """Where the image of a container, or a file that it reads, is not what the spec says."""
    if state.image != service.image_reference:
        yield f"runs {state.image}, the spec says {service.image_reference}"
    for file in service.config_files:
        if state.labels.get(f"{CONTENT_LABEL}.{file.path}") != measure.digests[file.path]:
            yield f"reads an older {file.path} than the spec says"


def other_settings(state: ContainerState, measure: Measure) -> Iterator[str]:
    """Whether Compose would make the container anew; it does not say for what, so any other difference tells more."""
    wanted = measure.hashes.get(state.service)
    if wanted and wanted != state.labels.get(CONFIG_HASH_LABEL):
        yield "has other settings than the spec says"


def asleep(service: Service) -> str:
    """What is said of a service whose group is not active."""
    return f"its group `{service.group.name}` sleeps" if service.group else ""


def drift_of(service: Service, state: ContainerState, measure: Measure) -> str:
    """Why `up` would change a container of the plan; empty where it would not."""
    if service.is_asleep:
        return asleep(service)
    reasons = [*differences(service, state, measure)] or [*other_settings(state, measure)]
    if not state.started_at:
        reasons.append("was never started")
    elif state.status in {"exited", "dead"} and not (service.job and state.is_done) and not service.dormant:
        reasons.append(f"ended with exit code {state.exit_code}, and should {'end well' if service.job else 'run'}")
    elif state.status == "paused":
        reasons.append("is paused")
    return "; ".join(reasons)


def _filled(stack: Stack, values: Mapping[str, str]) -> dict[str, str]:
    """The secrets as `.env` would hold them; those that are not made yet must not keep Compose from reading the file."""
    known = {secret.name: values.get(secret.name, "") for secret in stack.plan.secrets}
    required = {secret.name for secret in stack.plan.secrets if secret.kind is not SecretKind.OPTIONAL}
    return {name: value or _PLACEHOLDER for name, value in known.items() if value or name in required}
