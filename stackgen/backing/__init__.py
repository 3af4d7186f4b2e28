"""Services without models, one file each: the gateway and its stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from stackgen.backing import litellm, postgres, redis
from stackgen.parts import Image, Route, Service
from stackgen.spec import Gateway

NAMES = (litellm.NAME, postgres.NAME, redis.NAME)
SECRETS = (litellm.MASTER_KEY, litellm.SALT_KEY, postgres.PASSWORD, redis.PASSWORD)


def wanted(gateway: Gateway) -> tuple[str, ...]:
    """Names of the services that a gateway needs around it, itself included."""
    names = [litellm.NAME]
    if gateway.database:
        names.append(postgres.NAME)
    if gateway.cache == "redis":
        names.append(redis.NAME)
    return tuple(names)


def services(gateway: Gateway, routes: Iterable[Route], image: Callable[[str], Image]) -> tuple[Service, ...]:
    """The gateway and its stores; `image` gives the pinned image of a family."""
    build: dict[str, Callable[[Image], Service]] = {
        litellm.NAME: lambda found: litellm.service(found, gateway, routes),
        postgres.NAME: postgres.service,
        redis.NAME: redis.service,
    }
    return tuple(build[name](image(name)) for name in wanted(gateway))
