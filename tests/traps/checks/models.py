"""How models arrive, and what clients are told to ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from traps.check import about, everything, gateways, servers

_PRELOADS_SINCE = (0, 9)
_SPEECH_FORMATS = {"mp3", "flac", "wav", "pcm"}
_LONGEST_SECONDS, _LONGEST_WAIT_SECONDS = 600, 3600
_DEFAULT_POOL, _DEFAULT_CONNECTIONS = 10, 100


def fetched_routes(stack):
    """Routes to engines that serve only what somebody fetched before."""
    return stack.routes_to("ollama", "speaches")


def with_samples(stack):
    return stack.samples


def addresses_for_clients(stack):
    """Places that tell clients where to ask, with the path that they give."""
    addresses = [(place, urlsplit(url).path) for place, url in stack.base_urls]
    return addresses + [(sample.file, sample.path) for sample in stack.samples]


def speech_samples(stack):
    return [sample for sample in stack.samples if sample.path.endswith("/audio/speech")]


def with_database(stack):
    return [
        server for server in stack.serving("litellm") if {"DATABASE_URL", "DATABASE_HOST"} & set(server.environment)
    ]


@about(servers("ollama", "speaches"))
def trap_67(stack, server):
    jobs = stack.jobs_of(server)
    if not jobs:
        yield "nothing fetches its models: it is healthy and empty"
    for service in stack.services:
        for job in jobs:
            if job.name in service.dependencies:
                yield f"{service} must not wait for {job}: it runs without a network when the models are there"


@about(fetched_routes)
def trap_70(stack, route):
    jobs = stack.jobs_of(stack.named(route.host))
    if route.model not in {word for job in jobs for word in job.words}:
        yield f"nothing fetches {route.model}: its engine answers 404"


@about(everything)
def trap_68(stack, _):
    texts = dict(stack.files) | {service.name: " ".join(service.words) for service in stack.services}
    for name, text in texts.items():
        if "huggingface-cli" in text:
            yield f"{name} calls huggingface-cli, which newer hubs do not have"


@about(servers("speaches"))
def trap_69(stack, server):
    if server.image.version < _PRELOADS_SINCE and "PRELOAD_MODELS" in server.environment:
        yield f"PRELOAD_MODELS does nothing in {server.image.tag}"


@about(servers("ollama"))
def trap_72(stack, server):
    number_format = server.environment.get("OLLAMA_KV_CACHE_TYPE", "f16")
    if number_format == "f16":
        return
    if server.environment.get("OLLAMA_FLASH_ATTENTION") != "1":
        yield f"a cache of {number_format} needs OLLAMA_FLASH_ATTENTION=1"
    for route in stack.routes_to("ollama"):
        sees = route.information.get("supports_vision") or "vl" in route.model.partition(":")[0]
        if route.host == server.name and (sees or route.mode == "embedding"):
            yield f"a cache of {number_format} counts for {route.model} too, which suffers from it"


@about(gateways)
def trap_73(stack, server):
    if "--telemetry" in server.flags or "telemetry" in stack.settings("litellm_settings"):
        yield "telemetry is a setting of the past"
    if "cooldown_time" in stack.settings("litellm_settings"):
        yield "cooldown_time counts in router_settings alone"
    if "request_timeout" in stack.settings("router_settings"):
        yield "request_timeout counts in litellm_settings alone"


@about(with_database)
def trap_74(stack, server):
    pool = stack.settings("general_settings").get("database_connection_pool_limit", _DEFAULT_POOL)
    workers = int(server.value("--num_workers") or server.environment.get("NUM_WORKERS") or 1)
    replicas = int((server.data.get("deploy") or {}).get("replicas") or server.data.get("scale") or 1)
    for store in stack.serving("postgres"):
        given = next((word.split("=")[1] for word in store.words if word.startswith("max_connections=")), None)
        limit = int(given or _DEFAULT_CONNECTIONS)
        if pool * workers * replicas >= limit:
            yield f"{pool} connections x {workers} workers x {replicas} gateways; {store} has {limit}"


@about(gateways)
def trap_75(stack, server):
    calls, router = stack.settings("litellm_settings"), stack.settings("router_settings")
    longest = float(calls.get("request_timeout", 6000))
    retries = int(router.get("num_retries", calls.get("num_retries", 2)))
    if longest > _LONGEST_SECONDS or longest * (retries + 1) > _LONGEST_WAIT_SECONDS:
        yield f"an engine that hangs holds a client for {longest:.0f} s x {retries + 1}"


@about(addresses_for_clients)
def trap_76(stack, given):
    _, path = given
    if not f"{path}/".startswith("/v1/"):
        yield f"{path or '/'} lacks /v1, which most clients need"


@about(speech_samples)
def trap_77(stack, sample):
    if not sample.body.get("voice"):
        yield "no voice: the gateway refuses it"
    wanted = sample.body.get("response_format", "mp3")
    if wanted not in _SPEECH_FORMATS:
        yield f"Speaches does not write {wanted}"


@about(with_samples)
def trap_78(stack, sample):
    names = {route.name for route in stack.routes}
    name = sample.body.get("model")
    if name is not None and name not in names:
        yield f"asks for {name}; there is {', '.join(sorted(names))}"
