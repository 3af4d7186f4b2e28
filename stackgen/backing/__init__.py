"""Services without models, one file each: the gateway and its stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from stackgen.backing import litellm, postgres, redis
from stackgen.parts import Arg, Image, Secret, Service
from stackgen.spec import Gateway, Spec

NAMES = (litellm.NAME, postgres.NAME, redis.NAME)
SECRETS = (litellm.MASTER_KEY, litellm.SALT_KEY, postgres.PASSWORD, redis.PASSWORD)


def wanted(gateway: Gateway) -> tuple[str, ...]:
    """Names of the services that a gateway needs around it, itself included."""
    names = [litellm.NAME]
    if gateway.database:
        names.append(postgres.NAME)
    if gateway.cache in litellm.REDIS_CACHES:
        names.append(redis.NAME)
    return tuple(names)


def services(
    spec: Spec, secrets: Iterable[Secret], variables: Mapping[str, Arg], image: Callable[[str], Image]
) -> tuple[Service, ...]:
    """The gateway and its stores.

    Args:
        spec: the stack.
        secrets: what the gateway's file refers to.
        variables: what the spec adds to the gateway's own.
        image: gives the pinned image of a family.
    """
    build: dict[str, Callable[[Image], Service]] = {
        litellm.NAME: lambda found: litellm.service(found, spec, secrets, variables),
        postgres.NAME: postgres.service,
        redis.NAME: redis.service,
    }
    return tuple(build[name](image(name)) for name in wanted(spec.gateway))
