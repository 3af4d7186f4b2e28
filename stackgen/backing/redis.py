"""Redis: the gateway's cache of answers, nothing that must survive.

https://hub.docker.com/_/redis
"""

from __future__ import annotations

from stackgen import facts
from stackgen.parts import DATA_NETWORK, Arg, Health, Image, Limits, Port, Proof, Secret, Service

NAME = "redis"
PORT = 6379
PASSWORD = Secret(name="REDIS_PASSWORD", purpose="opens the cache", url_safe=True)

_MEMORY = "256mb"
_START = 'exec docker-entrypoint.sh redis-server - "$@" <<END\nrequirepass $REDISCLI_AUTH\nEND'
"""Neither Redis nor its image reads a password from the environment, and a word of the command shows in every list of
processes: so the shell writes it into the configuration that Redis reads from its input. Its other words stay words.
"""


def service(image: Image) -> Service:
    """The server on the data network, in memory alone. Health: without -e, redis-cli exits 0 on a wrong password."""
    locks = facts.locks(NAME)
    settings = {
        "--save": Arg(value="", why="a cache is not worth snapshots"),
        "--appendonly": Arg(value="no"),
        "--maxmemory": Arg(value=_MEMORY),
        "--maxmemory-policy": Arg(value="allkeys-lru", why="old answers make room for new ones"),
    }
    return Service(
        name=NAME,
        image=image,
        why="the gateway caches answers here",
        command=(
            *(Arg(value=word) for word in ("sh", "-c")),
            Arg(value=_START, why="its password is in no list of processes"),
            Arg(value=NAME),
            *(word for flag, value in settings.items() for word in (Arg(value=flag), value)),
        ),
        environment={"REDISCLI_AUTH": Arg(value=PASSWORD, why="for its server, and for the health check")},
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
