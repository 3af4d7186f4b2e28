"""What RUNBOOK.md shows for copying: a request for each public name by curl and by Python, and settings of clients."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from stackgen.backing import litellm
from stackgen.modalities import MODALITIES, Modality
from stackgen.parts import Route, service_url
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render.compose import word
from stackgen.render.yaml import Note, dump

_RECORDING = "recording.wav"
"""What the reader wants to send."""
_EVERYWHERE_OR_HERE = ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
_KEY = f"${{{litellm.MASTER_KEY.name}}}"
"""How Compose and LibreChat name a variable of the environment."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one public name does for one modality, and how to ask for it."""

    name: str
    modality: str
    services: tuple[str, ...]
    beside: str
    """What must lie beside the request, as the end of a sentence."""
    curl: str
    python: str


def requests(plan: Plan) -> list[Request]:
    """One for each public name and modality, however many deployments answer to it."""
    found: dict[tuple[str, str], list[Route]] = {}
    for route in plan.routes:
        for name in route.public_names:
            found.setdefault((name, route.modality), []).append(route)
    return [_request(plan, name, MODALITIES[modality], routes) for (name, modality), routes in found.items()]


def client_url(plan: Plan) -> str:
    """The gateway as clients in containers see it: there, this host's own addresses mean the container itself."""
    if plan.gateway.address in _EVERYWHERE_OR_HERE:
        return service_url(litellm.NAME, litellm.PORT, "/v1")
    return f"{plan.gateway_url}/v1"


def open_webui(plan: Plan, names: Mapping[str, str]) -> str:
    """Variables of Open WebUI for a Compose file.

    Args:
        plan: the stack.
        names: a public name for each modality there is.
    """
    url = client_url(plan)
    found = {"OPENAI_API_BASE_URL": url, "OPENAI_API_KEY": _KEY, "ENABLE_OLLAMA_API": "false"}
    found["ENABLE_PERSISTENT_CONFIG"] = "false"  # else only its first start reads them
    if "embedding" in names:
        found |= {"RAG_EMBEDDING_ENGINE": "openai", "RAG_EMBEDDING_MODEL": word(names["embedding"])}
        found |= {"RAG_OPENAI_API_BASE_URL": url, "RAG_OPENAI_API_KEY": _KEY}
    if "rerank" in names:
        found |= {"ENABLE_RAG_HYBRID_SEARCH": "true", "RAG_RERANKING_ENGINE": "external"}
        found |= {"RAG_RERANKING_MODEL": word(names["rerank"]), "RAG_EXTERNAL_RERANKER_URL": f"{url}/rerank"}
        found |= {"RAG_EXTERNAL_RERANKER_API_KEY": _KEY}
    for modality, prefix in (("transcription", "AUDIO_STT"), ("speech", "AUDIO_TTS")):
        if modality in names:
            found |= {f"{prefix}_ENGINE": "openai", f"{prefix}_MODEL": word(names[modality])}
            found |= {f"{prefix}_OPENAI_API_BASE_URL": url, f"{prefix}_OPENAI_API_KEY": _KEY}
    voices = [route.quirks.voice for route in plan.routes if names.get("speech") in route.public_names]
    if any(voices):
        found["AUDIO_TTS_VOICE"] = word(next(filter(None, voices)))
    return dump({"environment": found})


def librechat(plan: Plan, names: list[str]) -> str:
    """A librechat.yaml with this stack as its endpoint, for these public names."""
    endpoint = {
        "name": plan.name,
        "apiKey": _KEY,
        "baseURL": client_url(plan),
        "models": {"default": [Note(name, "") for name in names], "fetch": False},  # a name a line
        "titleConvo": True,
        "titleModel": names[0],
    }
    return dump({"version": "1.2.1", "endpoints": {"custom": [endpoint]}}).replace("\n\n", "\n")


def _request(plan: Plan, name: str, modality: Modality, routes: list[Route]) -> Request:
    body = {"model": name, **modality.probes[0].body(routes[0].quirks)}
    if name in plan.thinking_names:
        body.pop("max_tokens", None)  # thoughts come before the answer and would use them up
    return Request(
        name=name,
        modality=modality.name,
        services=tuple(dict.fromkeys(route.service for route in routes)),
        beside=f", with a {_RECORDING} of yours in this folder" if modality.probes[0].upload else "",
        curl=" \\\n  ".join(_curl(plan, modality, body)),
        python="\n".join(_python(modality, body)),
    )


def _curl(plan: Plan, modality: Modality, body: Mapping[str, Any]) -> Iterator[str]:
    """The words of curl, one line each."""
    probe = modality.probes[0]
    yield f"curl -fsS {plan.gateway_url}{modality.path}"
    yield f'-H "Authorization: Bearer ${litellm.MASTER_KEY.name}"'
    if probe.upload:
        yield f"-F {probe.upload.field}=@{_RECORDING}"
        # a form's text: `-F` would read a file where a value begins with @ or <
        yield from (f"--form-string {shlex.quote(f'{key}={value}')}" for key, value in body.items())
    else:
        yield "-H 'Content-Type: application/json'"
        yield f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    if probe.saved_as:
        yield f"--output {probe.saved_as}"


def _python(modality: Modality, body: Mapping[str, Any]) -> Iterator[str]:
    """The lines of Python, for a `client` that is there already; `repr` spells any text as Python reads it."""
    probe = modality.probes[0]
    if modality.call:
        yield f"answer = client.{modality.call}("
        if probe.upload:
            yield f'    {probe.upload.field}=open("{_RECORDING}", "rb"),'
        yield from (f"    {key}={value!r}," for key, value in body.items())
    else:
        yield "answer = client.post("
        yield f'    "{modality.path.removeprefix("/v1")}",  # no method of its own: plain JSON'
        yield "    cast_to=object,"
        yield f"    body={dict(body)!r},"
    yield ")"
    yield f'answer.write_to_file("{probe.saved_as}")' if probe.saved_as else f"print(answer{modality.answer})"
