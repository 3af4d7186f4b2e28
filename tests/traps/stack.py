"""A rendered stack as data, whoever rendered it: what the checks of the trap map look at.

Compose has short and long spellings; both arrive here in one form. Nothing is judged.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from traps.parts import Health, Image, Mount, Published, Route, Sample, seconds

COMPOSE, GATEWAY = "docker-compose.yml", "config.yaml"


@dataclass(frozen=True)
class Service:
    """One service of the Compose file, with its short spellings made long."""

    name: str
    data: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name

    @cached_property
    def image(self) -> Image:
        return Image(str(self.data.get("image", "")))

    @property
    def role(self) -> str:
        """What the image is, whatever the service is called."""
        return self.image.role

    @property
    def is_job(self) -> bool:
        """Whether it runs once and ends."""
        return self.data.get("restart") in {"no", False}

    @cached_property
    def words(self) -> tuple[str, ...]:
        """What follows the image's entrypoint."""
        return _words(self.data.get("command"))

    @cached_property
    def entrypoint(self) -> tuple[str, ...]:
        return _words(self.data.get("entrypoint"))

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """The names of its flags, in order."""
        return tuple(word.split("=", 1)[0] for word in self.words if word.startswith("--"))

    def values(self, flag: str) -> list[str]:
        """What follows each `--flag`, or stands behind its `=`."""
        found = [word.split("=", 1)[1] for word in self.words if word.startswith(f"{flag}=")]
        return found + [after for word, after in pairwise(self.words) if word == flag]

    def value(self, flag: str) -> str | None:
        """The last one counts."""
        return next(reversed(self.values(flag)), None)

    @property
    def asks_for_password(self) -> bool:
        """Of Redis: by a word of its command, or by the configuration that its command writes."""
        return bool(self.value("--requirepass")) or any(
            " requirepass $" in f" {word}".replace("\n", " ") for word in self.words
        )

    @cached_property
    def environment(self) -> dict[str, str]:
        entries = self.data.get("environment") or {}
        if isinstance(entries, list):
            entries = dict([*str(entry).split("=", 1), ""][:2] for entry in entries)
        return {name: "" if value is None else str(value) for name, value in entries.items()}

    @cached_property
    def health(self) -> Health | None:
        entry = self.data.get("healthcheck")
        if not entry or entry.get("disable") or entry.get("test") in ("NONE", ["NONE"]):
            return None
        return Health(entry)

    @cached_property
    def dependencies(self) -> dict[str, dict[str, Any]]:
        """Whom it waits for; the short form says only `service_started`."""
        entries = self.data.get("depends_on") or {}
        return {name: {"condition": "service_started"} for name in entries} if isinstance(entries, list) else entries

    @cached_property
    def networks(self) -> tuple[str, ...]:
        return tuple(self.data.get("networks") or ("default",))

    @cached_property
    def ports(self) -> tuple[Published, ...]:
        return tuple(Published.read(entry) for entry in self.data.get("ports") or ())

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        return tuple(Mount.read(entry) for entry in self.data.get("volumes") or ())

    def keeps(self, folder: str) -> bool:
        """Whether what it writes into a folder outlives the container."""
        return any(f"{folder}/".startswith(f"{mount.target.rstrip('/')}/") for mount in self.mounts)

    @cached_property
    def device_requests(self) -> tuple[dict[str, Any], ...]:
        """Cards by `deploy` or by `gpus`."""
        resources = (self.data.get("deploy") or {}).get("resources") or {}
        requests = list((resources.get("reservations") or {}).get("devices") or ())
        gpus = self.data.get("gpus") or ()
        requests += [{"count": "all", "capabilities": ["gpu"]}] if gpus == "all" else gpus
        return tuple(requests)

    @property
    def wants_card(self) -> bool:
        return bool(self.device_requests) or self.data.get("runtime") == "nvidia"

    @cached_property
    def cards(self) -> tuple[str, ...]:
        """Cards that it names; none where it takes a number of cards, or all."""
        return tuple(str(card) for request in self.device_requests for card in request.get("device_ids") or ())

    def limit(self, short: str, long: str) -> Any:
        """A limit in either of Compose's two places."""
        resources = (self.data.get("deploy") or {}).get("resources") or {}
        return self.data.get(short) or (resources.get("limits") or {}).get(long)

    @property
    def stop_seconds(self) -> float:
        """Docker waits ten seconds unless it is told otherwise."""
        return seconds(self.data.get("stop_grace_period", "10s"))


@dataclass(frozen=True)
class Stack:
    """The Compose file, the gateway's file, and texts beside them by name (RUNBOOK.md, .env.example, shell steps)."""

    compose: Mapping[str, Any]
    gateway: Mapping[str, Any]
    files: Mapping[str, str]

    def __str__(self) -> str:
        return "the stack"

    @cached_property
    def services(self) -> tuple[Service, ...]:
        return tuple(Service(name, data or {}) for name, data in (self.compose.get("services") or {}).items())

    def named(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    @property
    def servers(self) -> tuple[Service, ...]:
        """Services that stay."""
        return tuple(service for service in self.services if not service.is_job)

    def serving(self, *roles: str) -> tuple[Service, ...]:
        """Servers by what their image is."""
        return tuple(service for service in self.servers if service.role in roles)

    def jobs_of(self, server: Service) -> tuple[Service, ...]:
        """Jobs that wait for a server, or name its address."""
        address = f"//{server.name}:"
        return tuple(
            job
            for job in self.services
            if job.is_job and (server.name in job.dependencies or any(address in word for word in job.words))
        )

    def waits_for(self, service: Service, other: Service) -> bool:
        """Whether a service starts only after another one is healthy, directly or through others."""
        for name, dependency in service.dependencies.items():
            between = self.named(name)
            if dependency.get("condition") != "service_healthy" or between is None:
                continue
            if name == other.name or self.waits_for(between, other):
                return True
        return False

    def settings(self, section: str) -> Mapping[str, Any]:
        """A section of the gateway's file."""
        return self.gateway.get(section) or {}

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        return tuple(Route(entry) for entry in self.gateway.get("model_list") or ())

    def routes_to(self, *roles: str) -> tuple[Route, ...]:
        """Routes that end at a service of this stack."""
        hosts = {service.name for service in self.serving(*roles)}
        return tuple(route for route in self.routes if route.host in hosts)

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Requests that the texts beside the stack tell people to send."""
        return tuple(sample for name, text in self.files.items() for sample in _samples(name, text))

    @cached_property
    def base_urls(self) -> tuple[tuple[str, str], ...]:
        """Addresses that clients are given, each with the place that gives it."""
        found = [(name, url) for name, text in self.files.items() for url in _BASE_URL.findall(text)]
        for service in self.services:
            urls = service.environment.get("OPENAI_API_BASE_URLS", service.environment.get("OPENAI_API_BASE_URL", ""))
            found += [(service.name, url) for url in filter(None, urls.split(";"))]
        return tuple(found)


_BASE_URL = re.compile(r"base_url\s*=\s*[\"']([^\"']+)")


def read(folder: Path) -> Stack:
    """A rendered folder."""
    texts = {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}
    gateway = next((name for name in texts if Path(name).name == GATEWAY), "")
    compose, routes = yaml.safe_load(texts.pop(COMPOSE)), yaml.safe_load(texts.pop(gateway, "{}"))
    return Stack(compose, routes, texts)


def _words(command: Any) -> tuple[str, ...]:
    return tuple(shlex.split(command)) if isinstance(command, str) else tuple(str(word) for word in command or ())


def _samples(name: str, text: str) -> Iterator[Sample]:
    for line in text.replace("\\\n", " ").splitlines():
        if not line.lstrip().startswith("curl "):
            continue
        words = shlex.split(line)
        url = next((word for word in words if word.startswith(("http://", "https://"))), "")
        given = dict(pairwise(words))
        data = given.get("-d") or given.get("--data") or given.get("--json") or ""
        body = json.loads(data) if data.startswith("{") else {}
        forms = [after for word, after in pairwise(words) if word in {"-F", "--form"}]
        yield Sample(name, urlsplit(url).path, body | dict(form.split("=", 1) for form in forms))
