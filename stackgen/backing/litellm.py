"""LiteLLM: the gateway, one OpenAI-compatible door before all engines.

https://docs.litellm.ai/docs/proxy
"""

from __future__ import annotations

from collections.abc import Iterable

from stackgen.backing import postgres, redis
from stackgen.parts import (
    DATA_NETWORK,
    ENGINE_NETWORK,
    Arg,
    ConfigFile,
    Dependency,
    Exposure,
    Health,
    Image,
    Metrics,
    Port,
    Route,
    Secret,
    Service,
)
from stackgen.spec import Gateway

NAME = "litellm"
PORT = 4000
DIALECT = "litellm"
MASTER_KEY = Secret(
    name="LITELLM_MASTER_KEY",
    purpose="the key that clients and admins show at the gateway",
    prefix="sk-",
    url_safe=True,
)
SALT_KEY = Secret(
    name="LITELLM_SALT_KEY",
    purpose="encrypts credentials in the database; never changes after the first start",
    prefix="sk-",
    guards_volume=postgres.DATA.name,
)
CONFIG = ConfigFile(dialect=DIALECT, path="litellm/config.yaml", target="/etc/litellm/config.yaml")

_LOOPBACK = ("127.0.0.1", "::1")


def service(image: Image, gateway: Gateway, routes: Iterable[Route]) -> Service:
    """The proxy. It waits for its stores alone: one dead engine must not keep the others from answering."""
    keys = {route.key.name: route.key for route in routes if route.key}
    needs: list[Dependency] = []
    variables = {
        "LITELLM_MASTER_KEY": Arg(value=MASTER_KEY),
        "LITELLM_MODE": Arg(value="PRODUCTION", why="reads no stray .env file"),
        "LITELLM_LOCAL_MODEL_COST_MAP": Arg(value="True", why="no download of a price list at every start"),
        "AIOHTTP_TTL_DNS_CACHE": Arg(value="1", why="seconds; an engine that was replaced has a new address at once"),
        **{name: Arg(value=keys[name], why="shown at the engine") for name in sorted(keys)},
    }
    if gateway.database:
        variables["DATABASE_URL"] = Arg(value=postgres.url(), path=("gateway", "database"))
        variables["LITELLM_SALT_KEY"] = Arg(value=SALT_KEY)
        needs.append(Dependency(service=postgres.NAME, why="it migrates its database at start"))
    if gateway.cache == "redis":
        variables["REDIS_PASSWORD"] = Arg(value=redis.PASSWORD, path=("gateway", "cache"))
        needs.append(Dependency(service=redis.NAME, why="it looks for its cache at start"))
    path = "/health/readiness" if gateway.database else "/health/liveliness"
    loopback = gateway.address in _LOOPBACK
    return Service(
        name=NAME,
        image=image,
        why="the one door that clients use",
        command=(Arg(value="--config"), Arg(value=CONFIG.target), Arg(value="--port"), Arg(value=str(PORT))),
        environment=variables,
        ports=(
            Port(
                container=PORT,
                exposure=Exposure.LOOPBACK if loopback else Exposure.ADDRESS,
                address=gateway.address,
                published=gateway.port,
                path=("gateway", "port"),
            ),
        ),
        config_files=(CONFIG,),
        health=Health(
            command=(
                "python",
                "-c",
                f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}{path}', timeout=5)",
            )
        ),
        start_budget_seconds=300,
        needs=tuple(needs),
        networks=(ENGINE_NETWORK, DATA_NETWORK) if needs else (ENGINE_NETWORK,),
        metrics=Metrics(path="/metrics", port=PORT),
    )
