"""LiteLLM: the gateway, one OpenAI-compatible door before all engines.

https://docs.litellm.ai/docs/proxy
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stackgen import facts
from stackgen.backing import postgres, redis
from stackgen.parts import (
    CLIENT_NETWORK,
    DATA_NETWORK,
    ENGINE_NETWORK,
    OUTSIDE_NETWORK,
    Arg,
    ConfigFile,
    Dependency,
    Exposure,
    Health,
    Image,
    Limits,
    Metrics,
    Port,
    Secret,
    Service,
)
from stackgen.spec import Gateway, Spec

NAME = "litellm"
PORT = 4000
DIALECT = "litellm"
MASTER_KEY = Secret(
    name="LITELLM_MASTER_KEY",
    purpose="the key that clients and admins show at the gateway",
    prefix="sk-",
    url_safe=True,
    notice="whoever shows the old one is refused from then on; keys of teams and clients stay",
)
SALT_KEY = Secret(
    name="LITELLM_SALT_KEY",
    purpose="encrypts credentials in the database; never changes after the first start",
    prefix="sk-",
    guards_volume=postgres.DATA.name,
    fixed="credentials in the database are encrypted with it, and nobody can read them with another one",
)
CONFIG = ConfigFile(dialect=DIALECT, path="litellm/config.yaml", target="/etc/litellm/config.yaml")
ASLEEP = ConfigFile(dialect="asleep", path="litellm/asleep.py", target="/etc/litellm/asleep.py")
"""What it says of models that sleep; beside its configuration, where it looks for modules."""
ASLEEP_CALLBACK = "asleep.sleepers"
REDIS_CACHES = ("redis", "semantic")

_HOST_GATEWAY = "host.docker.internal:host-gateway"


def service(image: Image, spec: Spec, secrets: Iterable[Secret], variables: Mapping[str, Arg]) -> Service:
    """The proxy. It waits for its stores alone: one dead engine must not keep the others from answering.

    Args:
        image: the pinned image.
        spec: the stack.
        secrets: what its file refers to: keys of engines, of endpoints, of raw settings.
        variables: what the spec adds.
    """
    gateway, locks = spec.gateway, facts.locks(NAME)
    needs = _needs(gateway)
    return Service(
        name=NAME,
        image=image,
        why="the one door that clients use",
        command=(Arg(value="--config"), Arg(value=CONFIG.target), Arg(value="--port"), Arg(value=str(PORT))),
        environment=_environment(gateway, secrets) | dict(variables),
        ports=(
            Port(
                container=PORT,
                exposure=Exposure.of(gateway.address),
                address=gateway.address,
                published=gateway.port,
                path=("gateway", "port"),
            ),
        ),
        config_files=(CONFIG,),
        scratch=locks.writable(),
        read_only=locks.read_only(),
        capabilities=locks.capabilities,
        limits=Limits(memory_gib=locks.memory_gib, pids=locks.pids, cpus=locks.cpus),
        health=_health(gateway),
        start_budget_seconds=300,
        needs=needs,
        networks=_networks(spec, has_stores=bool(needs)),
        extra_hosts=(_HOST_GATEWAY,) if _reaches_host(spec) else (),
        metrics=Metrics(path="/metrics", port=PORT),
    )


def _environment(gateway: Gateway, secrets: Iterable[Secret]) -> dict[str, Arg]:
    named = {secret.name: secret for secret in secrets}
    variables = {
        "LITELLM_MASTER_KEY": Arg(value=MASTER_KEY),
        "LITELLM_MODE": Arg(value="PRODUCTION", why="reads no stray .env file"),
        "LITELLM_LOCAL_MODEL_COST_MAP": Arg(value="True", why="no download of a price list at every start"),
        "AIOHTTP_TTL_DNS_CACHE": Arg(value="1", why="seconds; an engine that was replaced has a new address at once"),
        **{name: Arg(value=named[name], why="its file refers to it") for name in sorted(named)},
    }
    if gateway.database:
        variables["DATABASE_URL"] = Arg(value=postgres.url(), path=("gateway", "database"))
        variables["LITELLM_SALT_KEY"] = Arg(value=SALT_KEY)
    if gateway.cache in REDIS_CACHES:
        variables["REDIS_PASSWORD"] = Arg(value=redis.PASSWORD, path=("gateway", "cache"))
    return variables


def _needs(gateway: Gateway) -> tuple[Dependency, ...]:
    needs = []
    if gateway.database:
        needs.append(Dependency(service=postgres.NAME, why="it migrates its database at start"))
    if gateway.cache in REDIS_CACHES:
        needs.append(Dependency(service=redis.NAME, why="it looks for its cache at start"))
    return tuple(needs)


def _health(gateway: Gateway) -> Health:
    """Whether it is ready, its database included; without one, whether it lives."""
    path = "/health/readiness" if gateway.database else "/health/liveliness"
    program = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}{path}', timeout=5)"
    return Health(command=("python", "-c", program))


def _networks(spec: Spec, *, has_stores: bool) -> tuple[str, ...]:
    """Engines, stores and clients cannot see each other; the gateway sees them all."""
    return (
        ENGINE_NETWORK,
        *((DATA_NETWORK,) if has_stores else ()),
        *((CLIENT_NETWORK,) if spec.services else ()),
        *((OUTSIDE_NETWORK,) if spec.network.external else ()),
    )


def _reaches_host(spec: Spec) -> bool:
    """Whether anything that the gateway calls runs on this host; on Linux the name has to be made known."""
    urls = [endpoint.url for endpoint in spec.endpoints.values()]
    urls += [leads.url for leads in spec.gateway.pass_through.values()]
    return any(url and _HOST_GATEWAY.partition(":")[0] in url for url in urls)
