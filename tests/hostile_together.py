"""Fields that are tried together: one spec holds each of them, so that many cost no more than one.

Each field has a harmless word of its own; wherever that word turns up in the rendered files, a string must turn up too.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hostile_fields import COMPOSE, GATEWAY, KEY, PROFILE, SPEC, Field, Where, of_profile, of_spec

ANY = "<any>"
"""In the table: anything below, in the words of Compose or of the gateway."""
ENV = ".env.example"
CPU = {"source": "Qwen/Qwen3-0.6B", "engine": "vllm", "modalities": ["chat"], "gpus": []}
VOICE = {"source": "speaches-ai/Kokoro-82M-v1.0-ONNX", "engine": "speaches", "modalities": ["speech"], "gpus": []}

RICH: dict[str, Any] = copy.deepcopy(SPEC) | {
    "name": "rich",
    "secrets": {"KNOWN": {"required": False}},
    "services": {
        "web": {"compose": {"image": "web:1"}, "secret_environment": {"KEPT": "KNOWN"}},
        "listed": {"compose": {"image": "web:1"}},
    },
    "endpoints": {
        "cloud": {"provider": "openai", "modalities": ["speech"]},
        "stops": {"provider": "openai", "modalities": ["chat"]},
    },
    "gateway": {
        "database": True,
        "pass_through": {"ocr": {"path": "/ocr", "url": "https://ocr.example"}},
        "teams": {"people": {}},
        "keys": {"notebook": {}},
    },
}
RICH["models"] |= {
    "small": {"source": "qwen3:1.7b", "engine": "ollama", "modalities": ["chat"], "gpus": []},
    "speak": dict(VOICE),
    "built": dict(CPU),
    "other": CPU | {"publish": {"port": 8001}},
}
RICH_PROFILE: dict[str, Any] = copy.deepcopy(PROFILE)
for _engine in ("ollama", "speaches"):
    RICH_PROFILE["images"][_engine] = {"repository": _engine, "tag": "1", "version": "0.9", "evidence": "a test"}
_DIGEST = "0123456789abcdef" * 4


def beside(where: str, path: Where, word: str, *files: str, prefix: str = "", entry: Any = "x") -> Field:
    """A field that is tried together with others; its word turns up in these files."""
    make, inner = (of_profile, where[8:]) if where.startswith("profile.") else (of_spec, where)
    return make(inner, path, *((file,) for file in files), harmless=word, prefix=prefix, entry=entry)


def raw_of_gateway(where: str, above: Where, *, inner: str = "more", known: str = "") -> Iterator[Field]:
    """The first key, and leaves and keys below it, in the gateway's words; sections of its file take only known keys."""
    word = "-".join(str(part) for part in above if part != "gateway").replace("_", "-")
    if known:
        yield beside(f"{where}.{KEY}", (*above, KEY), known, GATEWAY)
    else:
        yield beside(f"{where}.{KEY}", (*above, KEY), f"first-{word}", GATEWAY)
    yield beside(f"{where}.{ANY}", (*above, inner, "leaf"), f"leaf-{word}", GATEWAY)
    yield beside(f"{where}.{ANY}", (*above, inner, "items", 0), f"item-{word}", GATEWAY)
    yield beside(f"{where}.{ANY}", (*above, inner, KEY), f"key-{word}", GATEWAY)


def raw_of_service(where: str, above: Where) -> Iterator[Field]:
    """The first key, and leaves and keys below it, in Compose's words."""
    word = "-".join(str(part) for part in above)
    yield beside(f"{where}.{KEY}", (*above, KEY), f"first-{word}", COMPOSE, prefix="x-")
    yield beside(f"{where}.{KEY}", (*above, KEY), "cpuset", COMPOSE)
    for name, path in (
        ("label", ("labels", "a")),
        ("word", ("entrypoint", 0)),
        ("deep", ("x-deep", "a", 0)),
        ("host", ("hostname",)),
        ("key", ("labels", KEY)),
        ("variable", ("environment", KEY)),
    ):
        yield beside(f"{where}.{ANY}", (*above, *path), f"{name}-{word}", COMPOSE)


TOGETHER = (
    beside("secrets.*.purpose", ("secrets", "KNOWN", "purpose"), "why-known", ENV),
    beside("storage.<key>", ("storage", KEY), "vllm-compile", entry={"path": "/d/x"}),
    beside("storage.*.path", ("storage", "huggingface", "path"), "weights", COMPOSE, prefix="/d/"),
    beside("storage.*.volume", ("storage", "ollama-models", "volume"), "kept-models", COMPOSE),
    beside("models.*.options.ollama.keep_alive", ("models", "small", "options", "keep_alive"), "4321m", COMPOSE),
    beside("models.*.options.speaches.voice", ("models", "speak", "options", "voice"), "own-voice", GATEWAY),
    beside(
        "models.*.secret_environment.<key>",
        ("models", "chat", "secret_environment", KEY),
        "SECRET_OF_CHAT",
        COMPOSE,
        entry="KNOWN",
    ),
    beside(
        "models.*.mounts.<key>", ("models", "chat", "mounts", KEY), "target", COMPOSE, prefix="/in/", entry="file.txt"
    ),
    beside("models.*.mounts.*", ("models", "chat", "mounts", "/a"), "file", COMPOSE, prefix="/host/"),
    beside("models.*.mounts.*", ("models", "chat", "mounts", "/b"), "file.txt"),
    beside("models.*.image.repository", ("models", "other", "image", "repository"), "own-repository", COMPOSE),
    beside("models.*.image.tag", ("models", "other", "image", "tag"), "own-tag", COMPOSE),
    beside("models.*.image.digest", ("models", "other", "image", "digest"), _DIGEST, COMPOSE, prefix="sha256:"),
    beside("models.*.image.version", ("models", "other", "image", "version"), "0.32.0"),
    beside("models.*.build.context", ("models", "built", "build", "context"), "own-context", COMPOSE),
    beside("models.*.build.dockerfile", ("models", "built", "build", "dockerfile"), "own-dockerfile", COMPOSE),
    beside("models.*.build.args.<key>", ("models", "built", "build", "args", KEY), "own_arg", COMPOSE),
    beside("models.*.build.args.*", ("models", "built", "build", "args", "A"), "value-of-arg", COMPOSE),
    beside("models.*.publish.address", ("models", "other", "publish", "address"), "10.7.7.7", COMPOSE),
    beside("models.*.generation.stop[]", ("models", "chat", "generation", "stop", 0), "end-of-chat", GATEWAY),
    beside(
        "endpoints.<key>",
        ("endpoints", KEY),
        "cloud-too",
        GATEWAY,
        entry={"provider": "openai", "modalities": ["chat"]},
    ),
    beside("endpoints.*.url", ("endpoints", "cloud", "url"), "own-base", GATEWAY, prefix="https://h.example/"),
    beside("endpoints.*.model", ("endpoints", "cloud", "model"), "model-there", GATEWAY),
    beside("endpoints.*.key", ("endpoints", "cloud", "key"), "CLOUD_KEY", COMPOSE, GATEWAY),
    beside("endpoints.*.modalities[]", ("endpoints", "cloud", "modalities", 0), "speech"),
    beside("endpoints.*.public_names[]", ("endpoints", "cloud", "public_names", 0), "name-of-cloud", GATEWAY),
    beside("endpoints.*.voice", ("endpoints", "cloud", "voice"), "voice-of-cloud"),
    beside("endpoints.*.generation.stop[]", ("endpoints", "stops", "generation", "stop", 0), "end-of-cloud", GATEWAY),
    beside("gateway.routing", ("gateway", "routing"), "least-busy", GATEWAY),
    beside("gateway.callbacks[]", ("gateway", "callbacks", 0), "humanloop", GATEWAY),
    beside("gateway.environment.<key>", ("gateway", "environment", KEY), "variable_of_gateway", COMPOSE),
    beside("gateway.environment.*", ("gateway", "environment", "A"), "value-of-gateway", COMPOSE),
    beside(
        "gateway.secret_environment.<key>",
        ("gateway", "secret_environment", KEY),
        "secret_of_gateway",
        COMPOSE,
        entry="KNOWN",
    ),
    beside(
        "gateway.pass_through.<key>",
        ("gateway", "pass_through", KEY),
        "another-way",
        entry={"path": "/other", "url": "https://h.example"},
    ),
    beside("gateway.pass_through.*.path", ("gateway", "pass_through", "ocr", "path"), "own-path", GATEWAY, prefix="/"),
    beside(
        "gateway.pass_through.*.url",
        ("gateway", "pass_through", "ocr", "url"),
        "other-server",
        GATEWAY,
        prefix="http://",
    ),
    beside("gateway.teams.<key>", ("gateway", "teams", KEY), "other-team", entry={}),
    beside("gateway.keys.<key>", ("gateway", "keys", KEY), "other-key", entry={}),
    beside("services.<key>", ("services", KEY), "own-service", COMPOSE, entry={"compose": {"image": "web:1"}}),
    beside(
        "services.*.secret_environment.<key>",
        ("services", "web", "secret_environment", KEY),
        "SECRET_OF_WEB",
        COMPOSE,
        entry="KNOWN",
    ),
    beside("services.*.compose.<any>", ("services", "web", "compose", "image"), "own-image", COMPOSE),
    beside(
        "services.*.compose.<any>",
        ("services", "listed", "compose", "environment", 0),
        "value-of-web",
        COMPOSE,
        prefix="H=",
    ),
    beside("overrides.<key>", ("overrides", KEY), "postgres", entry={"compose": {}}),
    beside("profile.images.*.digest", ("images", "vllm", "digest"), _DIGEST[::-1], COMPOSE, prefix="sha256:"),
    beside("profile.gateway.routing", ("gateway", "routing"), "simple-shuffle"),
    beside("profile.engines.*.options.ollama.keep_alive", ("engines", "ollama", "options", "keep_alive"), "1234m"),
    beside("profile.engines.*.options.speaches.voice", ("engines", "speaches", "options", "voice"), "house-voice"),
    *raw_of_gateway("models.*.gateway.litellm_params", ("models", "chat", "gateway", "litellm_params")),
    *raw_of_gateway("models.*.gateway.model_info", ("models", "chat", "gateway", "model_info")),
    *raw_of_gateway("endpoints.*.gateway.litellm_params", ("endpoints", "cloud", "gateway", "litellm_params")),
    *raw_of_gateway("endpoints.*.gateway.model_info", ("endpoints", "cloud", "gateway", "model_info")),
    *raw_of_gateway(
        "gateway.raw.litellm_settings",
        ("gateway", "raw", "litellm_settings"),
        inner="default_team_params",
        known="default_soft_budget",
    ),
    *raw_of_gateway(
        "gateway.raw.router_settings", ("gateway", "raw", "router_settings"), inner="cache_kwargs", known="redis_url"
    ),
    *raw_of_gateway(
        "gateway.raw.general_settings",
        ("gateway", "raw", "general_settings"),
        inner="alerting_args",
        known="custom_auth",
    ),
    *raw_of_service("models.*.overrides.compose", ("models", "chat", "overrides", "compose")),
    *raw_of_service("services.*.compose", ("services", "web", "compose")),
    *raw_of_service("overrides.*.compose", ("overrides", "litellm", "compose")),
)
"""Fields of RICH and RICH_PROFILE, none of which stands in the way of another."""

REFERENCES = (
    beside("models.*.secret_environment.*", ("models", "small", "secret_environment", "A"), "KNOWN", COMPOSE),
    beside("gateway.secret_environment.*", ("gateway", "secret_environment", "B"), "KNOWN", COMPOSE),
    beside("services.*.secret_environment.*", ("services", "web", "secret_environment", "C"), "KNOWN", COMPOSE),
    beside("gateway.keys.*.team", ("gateway", "keys", "notebook", "team"), "people"),
    beside("gateway.aliases.<key>", ("gateway", "aliases", KEY), "another-name", GATEWAY, entry="talk"),
    beside("endpoints.*.provider", ("endpoints", "cloud", "provider"), "openai", GATEWAY),
)
"""Fields whose words are said elsewhere in TOGETHER: names of secrets, teams, and names that clients ask for."""

ALONE = (
    beside("network.subnet", ("network", "subnet"), "10.89.7.0/24", COMPOSE),
    beside("network.external", ("network", "external"), "proxy-network", COMPOSE),
    beside("gateway.pass_through.*.key", ("gateway", "pass_through", "ocr", "key"), "OCR_KEY", COMPOSE, GATEWAY),
)
"""The two keys of a network, of which a spec has one, and a secret that nothing else names."""

NAMES: tuple[tuple[str, Where], ...] = (
    ("gateway.semantic_cache.embedding", ("gateway", "semantic_cache", "embedding")),
    ("gateway.aliases.*", ("gateway", "aliases", "other")),
    ("gateway.fallbacks.<key>", ("gateway", "fallbacks", KEY)),
    ("gateway.fallbacks.*[]", ("gateway", "fallbacks", "talk", 0)),
    ("gateway.context_window_fallbacks.<key>", ("gateway", "context_window_fallbacks", KEY)),
    ("gateway.context_window_fallbacks.*[]", ("gateway", "context_window_fallbacks", "talk", 0)),
    ("gateway.default_fallbacks[]", ("gateway", "default_fallbacks", 0)),
    ("gateway.teams.*.models[]", ("gateway", "teams", "people", "models", 0)),
    ("gateway.keys.*.models[]", ("gateway", "keys", "notebook", "models", 0)),
)
"""Fields that take a public name which some model has."""
