"""Speaches: transcription on /v1/audio/transcriptions and speech on /v1/audio/speech; many models in one process.

It runs as user 1000, knows no model that was not fetched by its API, and speaks mp3, flac, wav and pcm alone.
https://speaches.ai
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from stackgen import facts
from stackgen.engines import fetch, hub, memory, starting
from stackgen.facts import Card
from stackgen.memory import speech
from stackgen.parts import (
    ENGINE_NETWORK,
    Arg,
    Engine,
    Health,
    Instance,
    Mount,
    Need,
    Port,
    Quirks,
    Route,
    Secret,
    ServedModel,
    Service,
    Storage,
    Value,
)
from stackgen.sources import Path
from stackgen.spec import Strict, Word

PORT = 8000
API_KEY = Secret(name="SPEACHES_API_KEY", purpose="lets the gateway in at Speaches", prefix="sk-")
MODELS = Storage(
    name="speaches-models",
    holds="speech models from the hub, owned by user 1000",
    owner=1000,
    weights_at="models--{}",
)

_ENDPOINTS = MappingProxyType({"transcription": "/v1/audio/transcriptions", "speech": "/v1/audio/speech"})
_START_SECONDS = 300
_OPEN_HEALTH_SINCE = (0, 9)
_PIPER = re.compile(r"piper-([a-z]{2})_[A-Z]{2}-([A-Za-z0-9_]+)-")
_KOKORO_VOICE = "af_heart"
_KOKORO_LANGUAGES = MappingProxyType(
    {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt", "z": "zh"}
)
"""First letter of a Kokoro voice and the language that it speaks (its model card)."""


class Options(Strict):
    """Settings of Speaches alone."""

    voice: Word | None = Field(None, description="Voice for speech; a Piper model has one, which its name says.")
    language: Literal["en", "fr", "de", "es", "it", "pt", "nl", "pl", "ja", "zh", "hi"] | None = Field(
        None,
        description="Language that the voice speaks, for test requests; read from the model's name where it says it.",
    )
    compute_type: (
        Literal["default", "auto", "int8", "int8_float16", "int16", "float16", "bfloat16", "float32"] | None
    ) = Field(None, description="Number format of transcription.")
    keep_loaded_seconds: int | None = Field(
        None, ge=-1, le=86_400, description="How long a model stays loaded after a request, in seconds; -1 for ever."
    )


def complaints(served: ServedModel) -> Iterator[tuple[Path, str, str]]:
    """Sources that its API cannot fetch."""
    return hub.source_complaints(served, folders=False)


def need(instance: Instance, _card: Card, _tensor_parallel: int) -> Need | None:
    """Memory of all models loaded, and what transcription works in.

    Returns:
        None where the catalogue does not know one of the models.
    """
    known = [(served.known, str(served.value("options.compute_type"))) for served in instance.models if served.known]
    if len(known) < len(instance.models):
        return None
    return Need(
        weights_gib=sum(speech.weights_gib(model, compute_type) for model, compute_type in known),
        cache_gib=0.0,
        cache_wanted_gib=0.0,
        overhead_gib=speech.working_gib(),
        why="all models loaded",
        estimates=("what speech works in", *(text for model, _ in known for text in model.estimates)),
    )


def refusal(instance: Instance, card: Card, _tensor_parallel: int) -> str | None:
    """Why cards of a kind cannot run the models: number formats that they lack."""
    types = sorted({str(served.value("options.compute_type")) for served in instance.models})
    return next(filter(None, (facts.refused_dtype(card, compute_type) for compute_type in types)), None)


def services(instance: Instance) -> tuple[Service, ...]:
    """The server, and the job that fetches its models."""
    locks = facts.locks(instance.image.family)
    start = starting.without_weights(instance, _START_SECONDS)
    server = Service(
        name=instance.name,
        image=instance.image,
        why=f"Speaches serves {', '.join(served.model.source for served in instance.models)}",
        environment=_environment(instance),
        ports=(Port(container=PORT),),
        mounts=(Mount(storage=MODELS, target="/home/ubuntu/.cache/huggingface/hub"),),
        health=_health(instance),
        start_budget_seconds=start.seconds,
        start_budget_path=start.path,
        start_budget_why=start.why,
        networks=(ENGINE_NETWORK,),
        gpus=instance.gpus,
        scratch=locks.writable(on_cards=instance.on_gpu),
        read_only=locks.read_only(on_cards=instance.on_gpu),
        capabilities=locks.capabilities,
        limits=memory.host_limits(instance),
    )
    return server, fetch.service(instance, PORT, API_KEY)


def routes(instance: Instance) -> tuple[Route, ...]:
    """OpenAI's audio routes below /v1; the gateway's own health check needs a voice too."""
    return tuple(
        Route(
            model=served.id,
            modality=modality,
            public_names=served.public_names,
            engine="speaches",
            served_name=served.model.source,
            provider="openai",
            service=instance.name,
            port=PORT,
            base_path="/v1",
            endpoint=_ENDPOINTS[modality],
            key=API_KEY,
            information={"health_check_voice": _voice(served)} if modality == "speech" else {},
            quirks=Quirks(voice=_voice(served), language=_language(served), hears=_hears(served)),
        )
        for served in instance.models
        for modality in served.model.modalities
    )


def _voice(served: ServedModel) -> str:
    written = served.value("options.voice")
    if written:
        return str(written)
    piper = _PIPER.search(served.model.source)
    return piper[2] if piper else _KOKORO_VOICE


def _language(served: ServedModel) -> str:
    written = served.value("options.language")
    if written:
        return str(written)
    piper = _PIPER.search(served.model.source)
    return piper[1] if piper else _KOKORO_LANGUAGES.get(_voice(served)[:1], "en")


def _hears(served: ServedModel) -> str:
    """Whisper models whose names end so know English alone."""
    return "en" if served.model.source.endswith((".en", "-en")) else ""


def _environment(instance: Instance) -> dict[str, Arg]:
    since_open = instance.image.release >= _OPEN_HEALTH_SINCE
    device: Value = "cuda" if instance.on_gpu else "cpu"
    variables = {
        "API_KEY": Arg(value=API_KEY, why="the gateway must show it"),
        "WHISPER__INFERENCE_DEVICE": Arg(value=device, why="where the models were placed"),
        "ENABLE_UI": Arg(value="false", why="clients use the gateway"),
        "LOG_LEVEL": Arg(value="info", why="left out, it logs every detail"),
    }
    for served in instance.models:
        for option, variables_of in (
            ("compute_type", ("WHISPER__COMPUTE_TYPE",)),
            ("keep_loaded_seconds", ("STT_MODEL_TTL", "TTS_MODEL_TTL") if since_open else ("WHISPER__TTL",)),
        ):
            value = served.value(f"options.{option}")
            if value is not None:
                variables |= dict.fromkeys(variables_of, Arg(value=str(value), path=(*served.path, "options", option)))
    return variables | hub.environment(instance)


def _health(instance: Instance) -> Health:
    """Up to 0.8 every path asks for the key, this one too."""
    header = (
        "" if instance.image.release >= _OPEN_HEALTH_SINCE else "{'Authorization': 'Bearer ' + os.environ['API_KEY']}"
    )
    request = f"r.Request('http://127.0.0.1:{PORT}/health', headers={header or '{}'})"
    return Health(command=("python", "-c", f"import os, urllib.request as r; r.urlopen({request}, timeout=5)"))


ENGINE = Engine(
    name="speaches",
    docs="https://speaches.ai",
    modalities=frozenset(_ENDPOINTS),
    many_models=True,
    many_cards=False,
    port=PORT,
    fields=frozenset(),
    options=Options,
    flags=MappingProxyType({}),
    secrets=(API_KEY, hub.HF_TOKEN),
    flag_options=frozenset(),
    own_flags=MappingProxyType({}),
    longer_by=frozenset(),
    process_options=frozenset({"compute_type", "keep_loaded_seconds"}),
    fetches=True,
    memory_share="",
    savings=MappingProxyType({"compute_type": ("int8",)}),
    complaints=complaints,
    need=need,
    holds=memory.holds_nothing,
    refusal=refusal,
    budget=memory.takes_what_it_needs,
    usual=memory.leaves_all_unsaid,
    services=services,
    routes=routes,
)
