"""Secrets, and who can reach what."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from traps.check import about, engines, every_service, everything, gateways, servers
from traps.parts import ENGINES, STORES

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(:?\?[^}]*|:?-)?\}")
"""A variable without a default of its own."""
_REQUIRED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*):?\?[^}]*\}")
_SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|PASSWORD|PASS|SECRET|SALT)$|^REDISCLI_AUTH$")
_SECRET_FLAGS = ("--requirepass", "--api-key", "--api_key")
_PASSWORD_IN_URL = re.compile(r"://[^/@:]*:(?P<password>(\$\{[^}]*\}|[^@/])*)@")
_LONE_DOLLAR = re.compile(r"\$(?!\{)")
_DUMMIES = {"", "none", "dummy"}
_REDIS_SAVES_NOTHING = {"", '""'}


def with_ports(stack):
    return [service for service in stack.services if service.ports]


def with_database(stack):
    return [
        server for server in stack.serving("litellm") if {"DATABASE_URL", "DATABASE_HOST"} & set(server.environment)
    ]


def hub_readers(stack):
    """Engines that fetch weights from the hub themselves."""
    return [server for server in stack.serving("vllm", "infinity", "speaches") if not _is_local(server)]


def _is_local(server):
    sources = server.values("--model-id") or server.values("--model") or list(server.words[:1])
    return bool(sources) and all(source.startswith("/") for source in sources)


def by_reference(value):
    """Whether a value names a variable and holds nothing itself."""
    return value in _DUMMIES or _REFERENCE.fullmatch(value) is not None


@about(with_ports)
def trap_41(stack, service):
    for port in service.ports:
        if port.address in {"", "0.0.0.0", "::"}:
            yield f"{port} is open on every address of the host, past its firewall"
    if service.role in (*ENGINES, *STORES) and any(not port.address.startswith("127.") for port in service.ports):
        yield "an engine or a store is published beyond this machine"


@about(servers("redis"))
def trap_42(stack, server):
    neighbours = {
        service.name for service in stack.services for network in service.networks if network in server.networks
    } - {server.name, *(gateway.name for gateway in stack.serving("litellm"))}
    if not server.asks_for_password and (neighbours - {store.name for store in stack.serving(*STORES)}):
        yield f"no password, and {', '.join(sorted(neighbours))} can reach it"
    if not server.asks_for_password and "REDIS_PASSWORD" in server.environment:
        yield "nothing reads REDIS_PASSWORD"
    shown = stack.settings("litellm_settings").get("cache_params", {}).get("password")
    variables = [name for gateway in stack.serving("litellm") for name in gateway.environment]
    if server.asks_for_password and not shown and not {"REDIS_PASSWORD", "REDIS_URL"} & set(variables):
        yield "the gateway shows no password"


@about(servers("redis"))
def trap_43(stack, server):
    cache, router = stack.settings("litellm_settings"), stack.settings("router_settings")
    hosts = [router.get("redis_host")]
    if cache.get("cache") is True:
        hosts += [cache.get("cache_params", {}).get("host")]
        hosts += [gateway.environment.get("REDIS_HOST") for gateway in stack.serving("litellm")]
        hosts += [urlsplit(gateway.environment.get("REDIS_URL", "")).hostname for gateway in stack.serving("litellm")]
    if server.name not in hosts:
        yield "nothing uses it: no cache, no routing through it"


@about(servers("redis"))
def trap_44(stack, server):
    if server.value("--appendonly") != "no" or server.value("--save") not in _REDIS_SAVES_NOTHING:
        yield "a cache is written to disk"
    for flag in ("--maxmemory", "--maxmemory-policy"):
        if not server.value(flag):
            yield f"no {flag}: it grows until the host has no memory"


@about(every_service)
def trap_45(stack, service):
    secrets = {name: value for name, value in service.environment.items() if _SECRET_NAME.search(name)}
    secrets |= {flag: value for flag in _SECRET_FLAGS for value in service.values(flag)}
    for name, value in service.environment.items():
        if found := _PASSWORD_IN_URL.search(value):
            secrets[f"the password in {name}"] = found["password"]
    for name, value in secrets.items():
        if not by_reference(value):
            yield f"{name} stands in the file"


@about(gateways)
def trap_46(stack, server):
    key = stack.settings("general_settings").get("master_key", "os.environ/LITELLM_MASTER_KEY")
    name = str(key).removeprefix("os.environ/")
    if name == key or not _REQUIRED.fullmatch(server.environment.get(name, "")):
        yield "the master key is no required variable"
    example = stack.files.get(".env.example", "")
    described = re.search(rf"^#(.*)\n{re.escape(name)}=$", example, re.MULTILINE)
    if example and not (described and "sk-" in described[1]):
        yield f".env.example does not say that {name} begins with sk-"


@about(with_database)
def trap_47(stack, server):
    salt, master = (server.environment.get(name, "") for name in ("LITELLM_SALT_KEY", "LITELLM_MASTER_KEY"))
    found = _REQUIRED.fullmatch(salt)
    if not found:
        yield "the salt of stored credentials is no required variable, kept apart from the files"
    elif salt == master:
        yield "the salt is the master key, and changes with it"


@about(every_service)
def trap_48(stack, service):
    for name, value in service.environment.items():
        found = _PASSWORD_IN_URL.search(value)
        if (
            found
            and not by_reference(found["password"])
            and re.search(r"[:#?\[\]]|%(?![0-9A-F]{2})", found["password"])
        ):
            yield f"{name} has a password that must be percent-encoded"
    for text in (*service.environment.values(), *service.words, *(service.health.test if service.health else ())):
        if _LONE_DOLLAR.search(text.replace("$$", "")):
            yield f"Compose takes the $ in {text!r} for a variable"


@about(engines)
def trap_49(stack, server):
    networks = stack.compose.get("networks") or {}
    ours, targets = {*ENGINES, "litellm"}, {route.host for route in stack.routes}
    for network in server.networks:
        if (networks.get(network) or {}).get("external"):
            yield f"is on {network} together with strangers"
        for other in stack.services:
            stranger = other.role not in ours and other.name not in targets and not other.is_job
            if stranger and network in other.networks:
                yield f"can be reached by {other}, past the gateway"
    wanted = {"vllm": "VLLM_API_KEY", "infinity": "INFINITY_API_KEY", "speaches": "API_KEY"}.get(server.role)
    if wanted and wanted not in server.environment and not server.value("--api-key"):
        yield f"has no key ({wanted})"


@about(servers("infinity"))
def trap_50(stack, server):
    models, trusted = server.values("--model-id"), server.flags.count("--trust-remote-code")
    if trusted + server.flags.count("--no-trust-remote-code") not in {1, len(models)}:
        yield "Infinity runs code that comes with a model unless it is told not to"
    revisions = server.values("--revision")
    if trusted and (len(revisions) not in {1, len(models)} or all(revision == "main" for revision in revisions)):
        yield f"runs code that comes with a model, at whatever its repository holds tomorrow: {len(revisions)} revisions"


@about(hub_readers)
def trap_51(stack, server):
    if not {"HF_TOKEN", "HF_TOKEN_PATH"} & set(server.environment):
        yield "no HF_TOKEN: gated models fail here"
    if "HUGGING_FACE_HUB_TOKEN" in server.environment:
        yield "HUGGING_FACE_HUB_TOKEN is the old name"


@about(servers("vllm"))
def trap_52(stack, server):
    if "VLLM_API_KEY" not in server.environment and not server.value("--api-key"):
        yield "answers anybody: no key"
    if "--trust-remote-code" in server.flags and not server.value("--revision"):
        yield "runs code that comes with the model, at no fixed revision"


@about(everything)
def trap_58(stack, _):
    settings = {name: stack.settings(name) for name in ("general_settings", "litellm_settings", "router_settings")}
    entries = [(str(route), route.parameters) for route in stack.routes] + list(settings.items())
    entries.append(("cache_params", settings["litellm_settings"].get("cache_params", {})))
    for place, mapping in entries:
        for name, value in mapping.items():
            literal = isinstance(value, str) and not value.startswith("os.environ/") and value not in _DUMMIES
            if literal and re.search(r"(key|password|secret|token)$", name):
                yield f"{place}: {name} stands in the gateway's file"


@about(everything)
def trap_45_example(stack, _):
    for line in stack.files.get(".env.example", "").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#") and _SECRET_NAME.search(name) and value.strip("'\""):
            yield f".env.example has a value for {name}"
