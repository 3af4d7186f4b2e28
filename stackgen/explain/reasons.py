"""Who is behind an entry of a rendered file: a path of the spec, or a rule of stackgen's with its why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from stackgen import facts
from stackgen.backing import litellm
from stackgen.facts.explaining import rendered_key
from stackgen.parts import Arg, Exposure, Instance, Secret, ServedModel, Service
from stackgen.plan import Deployment, Plan
from stackgen.records import dataclass
from stackgen.render import COMPOSE_FILE
from stackgen.sources import Path, value_at
from stackgen.sources.layers import Merged
from stackgen.spec import Generation, Limits

GATEWAY_FILE = litellm.CONFIG.path


@dataclass(frozen=True)
class Reason:
    """Who is behind an entry."""

    said: tuple[Path, ...] = ()
    """Paths of the spec, or of what the planner decides there."""
    why: str = ""
    inherited: bool = False
    """Whether it is a flag whose value, the next word, is what somebody said."""


@dataclass(frozen=True)
class Reasons:
    """Finds who is behind the entries of a stack's files."""

    plan: Plan
    merged: Merged

    def in_compose(self, path: Path) -> Reason:
        """Of docker-compose.yml."""
        if path[0] == "volumes" and len(path) > 1 and path[1] in self.plan.places:
            return Reason((("storage", path[1]),))
        if path[0] != "services" or len(path) < 3:  # noqa: PLR2004 - services, its name, a key
            return self._by_rule(COMPOSE_FILE, path)
        service = self.plan.services_by_name.get(str(path[1]))
        return self._in_service(service, path[2:]) if service else Reason()

    def in_gateway(self, path: Path) -> Reason:
        """Of litellm/config.yaml."""
        if path[0] == "model_list" and len(path) > 2:  # noqa: PLR2004 - model_list, a number, a key
            position = path[1]
            entries = self.plan.deployments
            if isinstance(position, int) and position < len(entries):
                return self._in_entry(entries[position], path)
        raw: Path = ("gateway", "raw", *path)
        if len(path) > 1 and value_at(self.plan.raw_gateway, path) is not None:
            return Reason((self._nearest(raw, len(raw) - len(path)),))
        if path[:2] == ("general_settings", "pass_through_endpoints") and len(path) > 2:  # noqa: PLR2004 - and a number
            identifier = list(self.plan.gateway.pass_through)[int(path[2])]
            return Reason((("gateway", "pass_through", identifier),))
        return self._by_rule(GATEWAY_FILE, path)

    def _in_service(self, service: Service, rest: Path) -> Reason:
        raw = self._raw(service, rest)
        if raw:
            return Reason((raw,))
        known: Mapping[str, Callable[[Service, Path], Reason | None]] = {
            "command": _of_command,
            "environment": _of_environment,
            "healthcheck": self._of_start,
            "image": self._of_image,
            "build": self._of_image,
            "pull_policy": self._of_image,
            "ports": _of_port,
            "depends_on": _of_dependency,
            "volumes": self._of_mount,
            "deploy": self._of_cards,
            "devices": self._of_cards,
            "profiles": _of_group,
        }
        find = known.get(str(rest[0]))
        found = find(service, rest) if find else None
        return found or self._by_rule(COMPOSE_FILE, ("services", service.name, *rest))

    def _of_start(self, service: Service, rest: Path) -> Reason | None:
        if rest[1:] != ("start_period",):
            return None
        if service.start_budget_path:
            return Reason((service.start_budget_path,))
        models = [(*served.path, "start_seconds") for served in self._models(service)]
        return Reason(tuple(models), service.start_budget_why)

    def _of_image(self, service: Service, _: Path) -> Reason:
        for served in self._models(service):
            for key in ("image", "build"):
                if (*served.path, key) in self.merged.origins:
                    return Reason(((*served.path, key),))
        return Reason((("images", service.image.family),))

    def _of_mount(self, service: Service, rest: Path) -> Reason | None:
        if len(rest) == 1:
            return None
        position = int(rest[1])
        if position < len(service.mounts):
            storage = service.mounts[position].storage
            return Reason((("storage", storage.name),), storage.holds)
        targets = [file.target for file in service.config_files] + [bind.target for bind in service.binds]
        target = targets[position - len(service.mounts)]
        paths = [(*served.path, "mounts", target) for served in self._models(service)]
        found = tuple(path for path in paths if path in self.merged.origins)
        return Reason(found, "" if found else "a rendered file that it reads")

    def _of_cards(self, service: Service, _: Path) -> Reason:
        return Reason(tuple((*served.path, "gpus") for served in self._models(service)), "it sees these cards alone")

    def _in_entry(self, entry: Deployment, path: Path) -> Reason:
        section = "models" if entry.route.port else "endpoints"
        above: Path = (section, entry.route.model)
        block, rest = str(path[2]), path[3:]
        raw = {"litellm_params": entry.raw_parameters, "model_info": entry.raw_information}.get(block, {})
        if rest and value_at(raw, rest) is not None:
            return Reason((self._nearest((*above, "gateway", block, *rest), len(above) + 2),))
        key = str(rest[0]) if rest else ""
        if block == "litellm_params" and key == "api_key" and entry.route.key:
            return Reason((("secrets", entry.route.key.name),), entry.route.key.purpose)
        setting = _setting(entry, key) if block == "litellm_params" else None
        if setting:
            return Reason((self._nearest((*above, *setting, *rest[1:]), len(above) + 1),))
        rule = rendered_key(GATEWAY_FILE, path)
        word = (rule.said_by if rule else "").removeprefix("{entry}.")
        return Reason(tuple(_of_entry(section, above, word)), "" if word else entry.why)

    def _by_rule(self, file: str, path: Path) -> Reason:
        """What the table of rules names, and the entry of it that is meant, as far as the spec has one."""
        rule = rendered_key(file, path)
        if rule is None or not rule.said_by or "{" in rule.said_by:
            return Reason()
        said: Path = tuple(rule.said_by.split("."))
        below = [part for part in path[2:] if part not in said]
        for rest in (below, below[1:]):  # lists of maps with one key each stand for a map
            if (*said, *rest) in self.merged.origins:
                return Reason(((*said, *rest),))
        return Reason((said,))

    def _raw(self, service: Service, rest: Path) -> Path | None:
        """Where the spec says a raw key of a service; None where it says none."""
        if value_at(service.raw, rest) is None:
            return None
        above: list[Path] = [("overrides", service.name, "compose"), ("services", service.name, "compose")]
        above += [(*served.path, "overrides", "compose") for served in self._models(service)]
        for start in above:
            found = self._nearest((*start, *rest), len(start))
            if len(found) > len(start):
                return self._item(found, rest)
        return None

    def _item(self, found: Path, rest: Path) -> Path:
        """The item of a list `NAME=value` that became an entry of a map."""
        items = value_at(self.merged.data, found)
        if isinstance(items, list) and isinstance(rest[-1], str):
            for position, item in enumerate(items):
                if str(item).partition("=")[0] == rest[-1]:
                    return (*found, position)
        return found

    def _nearest(self, path: Path, shortest: int) -> Path:
        """The path, or the nearest one around it that somebody said."""
        for end in range(len(path), shortest, -1):
            if path[:end] in self.merged.origins:
                return path[:end]
        return path[:shortest]

    @cached_property
    def _instances(self) -> Mapping[str, Instance]:
        return {instance.name: instance for instance in self.plan.instances}

    def _models(self, service: Service) -> tuple[ServedModel, ...]:
        instance = self._instances.get(service.name)
        return instance.models if instance else ()


def _of_command(service: Service, rest: Path) -> Reason | None:
    if len(rest) == 1:
        return None
    command, position = service.command, int(rest[1])
    arg = command[position]
    is_flag = isinstance(arg.value, str) and arg.value.startswith("-") and not arg.path and not arg.why
    if is_flag and position + 1 < len(command):
        following = _of_arg(command[position + 1])
        return Reason(following.said, following.why, inherited=True)
    return _of_arg(arg)


def _of_environment(service: Service, rest: Path) -> Reason | None:
    arg = service.environment.get(str(rest[1])) if len(rest) > 1 else None
    return _of_arg(arg) if arg else None


def _of_port(service: Service, rest: Path) -> Reason | None:
    published = [port for port in service.ports if port.exposure is not Exposure.INTERNAL]
    said = published[int(rest[1])].path if len(rest) > 1 else ()
    return Reason((said, (*said[:-1], "address"))) if said else None


def _of_dependency(service: Service, rest: Path) -> Reason | None:
    return next((Reason(why=need.why) for need in service.needs if need.service in rest[1:2]), None)


def _of_group(service: Service, _: Path) -> Reason | None:
    return Reason((("groups", service.group.name),)) if service.group else None


def _of_arg(arg: Arg) -> Reason:
    if arg.path:
        return Reason((arg.path,), arg.why)
    secret = arg.value if isinstance(arg.value, Secret) else None
    return Reason((("secrets", secret.name),), arg.why or secret.purpose) if secret else Reason((), arg.why)


def _setting(entry: Deployment, key: str) -> Path | None:
    """The group and the key of the spec that a parameter of the gateway stands for."""
    for name in Generation.model_fields:
        if facts.gateway_word(entry.route.provider, name) == key and key in entry.parameters:
            return ("generation", name)
    return ("limits", key) if key in Limits.model_fields else None


def _of_entry(section: str, above: Path, word: str) -> Iterator[Path]:
    """Paths of a model or an endpoint for a word that is a model's."""
    words: Mapping[str, Sequence[str]] = {"source": ("source",), "url": ()}
    if section == "endpoints":
        words = {"source": ("provider", "model"), "url": ("url",)}
    yield from ((*above, *name.split(".")) for name in words.get(word, (word,) if word else ()))
