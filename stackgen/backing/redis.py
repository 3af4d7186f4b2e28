"""Redis: the gateway's cache of answers, nothing that must survive.

https://hub.docker.com/_/redis
"""

from __future__ import annotations

from stackgen import facts
from stackgen.parts import DATA_NETWORK, Arg, Health, Image, Limits, Port, Proof, Secret, Service

NAME = "redis"
PORT = 6379
PASSWORD = Secret(name="REDIS_PASSWORD", purpose="opens the cache")

_MEMORY = "256mb"


def service(image: Image) -> Service:
    """The server on the data network, in memory alone. Health: without -e, redis-cli exits 0 on a wrong password."""
    locks = facts.locks(NAME)
    settings = {
        "--save": Arg(value="", why="a cache is not worth snapshots"),
        "--appendonly": Arg(value="no"),
        "--maxmemory": Arg(value=_MEMORY),
        "--maxmemory-policy": Arg(value="allkeys-lru", why="old answers make room for new ones"),
        "--requirepass": Arg(value=PASSWORD, why="the image reads no password from its environment"),
    }
    return Service(
        name=NAME,
        image=image,
        why="the gateway caches answers here",
        command=(
            Arg(value="redis-server"),
            *(word for flag, value in settings.items() for word in (Arg(value=flag), value)),
        ),
        environment={"REDISCLI_AUTH": Arg(value=PASSWORD, why="for the health check")},
        ports=(Port(container=PORT),),
        scratch=locks.writable(),
        read_only=locks.read_only(),
        capabilities=locks.capabilities,
        limits=Limits(memory_gib=locks.memory_gib, pids=locks.pids, cpus=locks.cpus),
        health=Health(command=("redis-cli", "-e", "ping")),
        start_budget_seconds=60,
        networks=(DATA_NETWORK,),
        proof=Proof(
            name="login",
            command=("redis-cli", "-h", NAME, "-e", "ping"),
            environment={"REDISCLI_AUTH": PASSWORD},
            refusals=("WRONGPASS", "NOAUTH"),
            complaint="the password of the cache is not the one in .stackgen/secrets.env",
            hint="{up}",
        ),
    )
