"""Reads from the installed LiteLLM which keys its gateway file may have, and writes them down for its version.

Run by the Python of an environment that holds `litellm[proxy]`, for each release that a profile pins:

    .venv-litellm/bin/python scripts/litellm_facts.py           # adds that version to stackgen/facts/litellm_keys.json
    .venv-litellm/bin/python scripts/litellm_facts.py --print   # shows the table of that version alone

LiteLLM keeps to no schema: its models lack keys that its code reads. So models, signatures and code are read together.
"""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import inspect
import json
import os
import re
import sys
import textwrap
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "stackgen" / "facts" / "litellm_keys.json"
WIDTH_COLUMNS = 118
SOURCE = "models, signatures and the loader's code of the installed package, read by scripts/litellm_facts.py"
PLAIN = (bool, int, float, str, list, dict, type(None))
INTERNAL = frozenset(
    {
        "aclient_session", "adapters", "client_session", "config_path", "error_logs", "guardrail_name_config_map",
        "initialized_langfuse_clients", "litellm_mode", "logging", "model_cost", "model_list", "models_by_provider",
        "prompt_name_config_map", "provider_list", "request_timeout_explicitly_set", "secret_manager_client",
    }
)  # fmt: skip
"""Attributes of the module that it fills itself."""
ENTRY_PARAMETERS = frozenset(
    {
        "additional_drop_params", "allowed_model_region", "allowed_openai_params", "base_url", "cooldown_time",
        "default_headers", "extra_headers", "fallbacks", "guardrails", "headers", "max_parallel_requests", "metadata",
        "num_retries", "order", "prompt_id", "prompt_variables", "silent_model", "ssl_verify", "supports_system_message",
        "weight",
    }
)  # fmt: skip
"""What the router and the client read of an entry although no model names it."""
ENGINE_PARAMETERS = frozenset(
    {
        "extra_body", "input_type", "keep_alive", "min_p", "num_ctx", "num_predict", "repeat_last_n", "repeat_penalty",
        "repetition_penalty", "think", "top_k",
    }
)  # fmt: skip
"""Passed on to the engine, as every unknown parameter of an entry is; these mean something there."""
REDIS_PARAMETERS = frozenset(
    {
        "db", "health_check_interval", "host", "max_connections", "password", "port", "socket_connect_timeout",
        "socket_timeout", "ssl", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile",
        "url", "username",
    }
)  # fmt: skip
"""Of all that the library of Redis takes: its list grows with each of its own releases."""


def table() -> dict[str, Any]:
    """All that the installed version knows."""
    litellm = importlib.import_module("litellm")
    health = importlib.import_module("litellm.litellm_core_utils.health_check_helpers").HealthCheckHelpers
    caching = importlib.import_module("litellm.types.caching")
    strategies = importlib.import_module("litellm.types.router").RoutingStrategy
    return {
        "sections": {name: sorted(keys) for name, keys in _sections(litellm).items()},
        "types": {name: _names_by_word(annotations) for name, annotations in _annotations(litellm).items()},
        "providers": sorted(str(getattr(name, "value", name)) for name in litellm.provider_list),
        **{name: sorted(names) for name, names in _callbacks(litellm).items()},
        "routing_strategies": sorted({*_values(strategies), "lar1", "simple-shuffle"}),
        "cache_types": sorted(_values(caching.LiteLLMCacheType)),
        "modes": sorted(health.get_mode_handlers("m", "p", {})),
    }


def _sections(litellm: types.ModuleType) -> dict[str, set[str]]:
    proxy = importlib.import_module("litellm.proxy._types")
    constants = importlib.import_module("litellm.constants")
    entry = importlib.import_module("litellm.types.router").LiteLLM_Params.model_fields
    return {
        "file": {*proxy.ConfigYAML.model_fields, *_file_keys()},
        "model_list": {"litellm_params", "model_info", "model_name"},
        "litellm_params": {*entry, *_request_parameters(), *ENTRY_PARAMETERS, *ENGINE_PARAMETERS},
        "model_info": _model_info(),
        "general_settings": {*proxy.ConfigGeneralSettings.model_fields, *_read("general_settings")},
        "router_settings": set(litellm.Router.get_valid_args()) - constants.ROUTER_SETTINGS_MANAGED_OUTSIDE_CONFIG,
        "litellm_settings": _module_settings(litellm) | _loader_keys() | _read("litellm_settings"),
        "cache_params": _cache_parameters(),
    }


def _annotations(litellm: types.ModuleType) -> dict[str, dict[str, Any]]:
    """Prices are left out: there are two hundred."""
    entry = importlib.import_module("litellm.types.router").LiteLLM_Params.model_fields
    general = importlib.import_module("litellm.proxy._types").ConfigGeneralSettings.model_fields
    return {
        "litellm_params": {name: field.annotation for name, field in entry.items() if "cost" not in name},
        "general_settings": {name: field.annotation for name, field in general.items()},
        "router_settings": typing.get_type_hints(litellm.Router.__init__),
    }


def _callbacks(litellm: types.ModuleType) -> dict[str, set[str]]:
    """Names for `callbacks`, and for the lists of success and failure."""
    start = importlib.import_module("litellm.proxy.common_utils.callback_utils").initialize_callbacks_on_proxy
    logging = importlib.import_module("litellm.litellm_core_utils.litellm_logging")
    generic = (_folder() / "integrations/generic_api/generic_api_compatible_callbacks.json").read_text(encoding="utf-8")
    known = {*litellm._known_custom_logger_compatible_callbacks, *json.loads(generic)}  # noqa: SLF001 - LiteLLM says it nowhere else
    pattern = re.compile(r'callback == "(\w+)"')
    return {
        "callbacks": known.union(pattern.findall(inspect.getsource(start))),
        "logging_callbacks": known.union(pattern.findall(inspect.getsource(logging))),
    }


def _folder() -> Path:
    return Path(str(importlib.import_module("litellm").__file__)).parent


def _values(words: type[enum.Enum]) -> set[str]:
    return {str(word.value) for word in words}


def _loader() -> Any:
    return importlib.import_module("litellm.proxy.proxy_server").ProxyConfig


def _file_keys() -> set[str]:
    """`include` goes by another name there; the two that are taken away belong to a list of prices."""
    return {*_keys_of("config", inspect.getsource(_loader())), "include"} - {"force_reload", "interval_hours"}


def _loader_keys() -> set[str]:
    """Keys of litellm_settings that the loader treats apart from attributes of the module."""
    return set(re.findall(r'\bkey == "(\w+)"', inspect.getsource(_loader().load_config)))


def _read(name: str) -> set[str]:
    """Keys that any part of the proxy looks up in a mapping of that name."""
    files = (_folder() / "proxy").rglob("*.py")
    return {key for file in files for key in _keys_of(rf"\w*{name}", file.read_text(encoding="utf-8"))}


def _keys_of(name: str, text: str) -> set[str]:
    looked_up = re.findall(rf'\b{name}(?:\.get\(|\[)\s*"(\w+)"', text)
    asked_for = re.findall(rf'"(\w+)" (?:not )?in {name}\b(?![.\[])', text)
    return {*looked_up, *asked_for}


def _module_settings(litellm: types.ModuleType) -> set[str]:
    plain = {name for name, value in vars(litellm).items() if isinstance(value, PLAIN)}
    own = {name for name in plain if name == name.lower() and not name.startswith("_") and not name.endswith("_models")}
    return own - INTERNAL


def _request_parameters() -> set[str]:
    """What a request may say and an entry may give a default for."""
    constants = importlib.import_module("litellm.constants")
    lists = ("OPENAI_CHAT_COMPLETION_PARAMS", "OPENAI_EMBEDDING_PARAMS", "OPENAI_TRANSCRIPTION_PARAMS")
    return {name for key in lists for name in getattr(constants, key)}


def _model_info() -> set[str]:
    files = [*(_folder() / "proxy").rglob("*.py"), _folder() / "router.py", *(_folder() / "router_utils").rglob("*.py")]
    model = importlib.import_module("litellm.types.router").ModelInfo.model_fields
    known = importlib.import_module("litellm.types.utils").ModelInfoBase.__annotations__
    special = importlib.import_module("litellm.types.utils").ProviderSpecificModelInfo.__annotations__
    read = {key for file in files for key in _keys_of("model_info", file.read_text(encoding="utf-8"))}
    return {*model, *known, *special, *read}


def _cache_parameters() -> set[str]:
    names = {*inspect.signature(importlib.import_module("litellm.caching.caching").Cache.__init__).parameters}
    names |= REDIS_PARAMETERS & importlib.import_module("litellm._redis")._get_redis_kwargs()  # noqa: SLF001 - LiteLLM says it nowhere else
    return {name for name in names if not name.startswith("_")} - {"kwargs", "self"}


def _names_by_word(annotations: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names by the simple word for their type; names of several or unclear types are left out."""
    words: dict[str, list[str]] = {}
    for name, annotation in sorted(annotations.items()):
        word = _word(annotation)
        if word:
            words.setdefault(word, []).append(name)
    return dict(sorted(words.items()))


def _word(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType}:
        others = {_word(part) for part in typing.get_args(annotation) if part is not type(None)}
        return "float" if others == {"int", "float"} else others.pop() if len(others) == 1 else ""
    if origin is typing.Literal:
        return "str"
    plain = origin or annotation
    if plain in {bool, int, float, str, dict}:
        return str(plain.__name__)
    if plain in {list, tuple}:
        return "list"
    return "str" if isinstance(plain, type) and issubclass(plain, enum.Enum) else ""


def as_text(data: Mapping[str, Any]) -> str:
    """JSON in which every list is wrapped to the width of a page."""
    return f"{_laid_out(data, '')}\n"


def _laid_out(data: Any, indent: str) -> str:
    if isinstance(data, dict):
        inner = ",\n".join(
            f"{indent} {json.dumps(key)}: {_laid_out(value, indent + ' ')}" for key, value in data.items()
        )
        return f"{{\n{inner}\n{indent}}}"
    if isinstance(data, list):
        words = " ".join(f"{json.dumps(word)}," for word in data).removesuffix(",")
        lines = textwrap.fill(words, WIDTH_COLUMNS, break_long_words=False, break_on_hyphens=False)
        return f"[\n{textwrap.indent(lines, indent + '  ')}\n{indent}]"
    return json.dumps(data, ensure_ascii=False)


def _with_version(text: str, version: str, found: Mapping[str, Any]) -> dict[str, Any]:
    versions = {**(json.loads(text)["versions"] if text else {}), version: found}
    return {"source": SOURCE, "versions": {name: versions[name] for name in sorted(versions, key=_in_order)}}


def _in_order(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def main(words: Iterable[str]) -> None:
    """Print the table, or write it down."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own list of prices, without a download
    version = importlib.metadata.version("litellm")
    if "--print" in words:
        print(json.dumps({"version": version, "table": table()}))
        return
    before = TARGET.read_text(encoding="utf-8") if TARGET.is_file() else ""
    TARGET.write_text(as_text(_with_version(before, version, table())), encoding="utf-8")
    print(f"{TARGET}: LiteLLM {version}")


if __name__ == "__main__":
    main(sys.argv[1:])
