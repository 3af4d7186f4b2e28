"""Health checks, and who waits for whom."""

from __future__ import annotations

from itertools import pairwise

from traps.check import about, every_server, probed
from traps.parts import ENGINES, OPERATORS, STORES

from stackgen import facts

_PROGRAMS = {"ollama": {"ollama", "bash"}, "speaches": {"curl", "python", "python3"}, "webui": {"curl", "jq", "bash"}}
"""Of images that the facts do not describe: Ollama's Dockerfile, Speaches' and Open WebUI's."""
_SHELL = {"exit", "test", "[", "true", "false", "echo"}
_LONGEST_START_SECONDS = {"vllm": 900, "infinity": 300}
"""Shortest start periods that leave room for a download and a compilation."""
_KEY_FREE_HEALTH_SINCE = (0, 9)
_CHECKED_BY_ITS_IMAGE = {"webui"}


def waiting(stack):
    """Who waits for somebody, and the gateway, which should."""
    gateways = stack.serving("litellm")
    return [service for service in stack.services if service.dependencies or service in gateways]


def guarded_speaches(stack):
    """Speaches with a key."""
    return [server for server in probed("speaches")(stack) if "API_KEY" in server.environment]


def _programs(role):
    try:
        return facts.programs(role)
    except KeyError:
        return _PROGRAMS[role]


@about(probed())
def trap_27(stack, server):
    if server.health.test[0] == "CMD" and (found := [word for word in server.health.test if word in OPERATORS]):
        yield f"{found[0]} is an argument of {server.health.test[1]}: there is no shell"


@about(probed())
def trap_28(stack, server):
    kind, *words = server.health.test
    if kind not in {"CMD", "CMD-SHELL"}:
        yield f"a test begins with CMD or CMD-SHELL, not with {kind}"
    if kind == "CMD-SHELL" and len(words) != 1:
        yield f"only {words[0]!r} is run, the other {len(words) - 1} words are its arguments"


@about(probed(*ENGINES, *STORES, "litellm", "webui"))
def trap_29(stack, server):
    for program, *_ in server.health.commands:
        name = program.rpartition("/")[2]
        if name not in _programs(server.role) | _SHELL:
            yield f"the image is not certain to have {name}"


@about(probed())
def trap_30(stack, server):
    for program, *words in server.health.commands:
        if program == "wget" and not any(word.startswith(("-O", "-qO", "--output-document")) for word in words):
            yield "wget writes a file each time"


@about(probed("litellm"))
def trap_31(stack, server):
    stored = {"DATABASE_URL", "DATABASE_HOST"} & set(server.environment)
    allowed = {"/health/readiness"} if stored else {"/health/readiness", "/health/liveliness", "/health/liveness"}
    for path in server.health.paths or ("",):
        if path not in allowed:
            yield f"asks {path or 'nothing'}; {' or '.join(sorted(allowed))} answers what is meant"


@about(probed("vllm"))
def trap_32(stack, server):
    if server.health.paths != ("/health",):
        yield f"asks {', '.join(server.health.paths) or 'nothing'}; only /health knows whether the engine lives"


@about(probed())
def trap_33(stack, server):
    given, least = server.health.seconds("start_period"), _LONGEST_START_SECONDS.get(server.role, 1)
    if given is None or given < least:
        yield f"start_period {given or 'is missing'}; at least {least} s"


@about(probed())
def trap_34(stack, server):
    every = server.health.seconds("start_interval")
    if every is None or every > 10:
        yield f"start_interval {every or 'is missing'}: the first look comes after {server.health.data.get('interval')}"


@about(waiting)
def trap_35(stack, service):
    is_gateway = service in stack.serving("litellm")
    for name, dependency in service.dependencies.items():
        other = stack.named(name)
        if dependency.get("condition") == "service_started":
            yield f"waits until {name} is started, not until it answers"
        if is_gateway and other and other.role in ENGINES and dependency.get("required", True):
            yield f"does not start while {name} is down, and takes the other models with it"
    if is_gateway:
        for store in stack.serving(*STORES):
            if not stack.waits_for(service, store):
                yield f"does not wait until {store} is healthy"


@about(probed("postgres"))
def trap_36(stack, server):
    words, variables = server.health.test, server.environment
    wanted = {
        "-h": "127.0.0.1",
        "-U": variables.get("POSTGRES_USER", "postgres"),
        "-d": variables.get("POSTGRES_DB") or variables.get("POSTGRES_USER", "postgres"),
    }
    given = dict(pairwise(words))
    for flag, value in wanted.items():
        if given.get(flag) != value:
            yield f"pg_isready without {flag} {value}"


@about(probed("redis"))
def trap_37(stack, server):
    words = server.health.text.split()
    if "redis-cli" in words and "-e" not in words and "PONG" not in server.health.text:
        yield "redis-cli without -e is green when it is not let in"
    if server.asks_for_password and "REDISCLI_AUTH" not in server.environment and "-a" not in words:
        yield "shows no password"


@about(guarded_speaches)
def trap_38(stack, server):
    if server.image.version < _KEY_FREE_HEALTH_SINCE and "Authorization" not in server.health.text:
        yield "has a key, and the check does not show it"


@about(probed())
def trap_39(stack, server):
    if "localhost" in server.health.text:
        yield "localhost may be ::1"


@about(every_server)
def trap_40(stack, server):
    if not server.health and server.role not in _CHECKED_BY_ITS_IMAGE:
        yield "no health check: a loop of crashes looks like success"
    if server.data.get("restart") != "unless-stopped":
        yield f"restart: {server.data.get('restart')}"
