"""Services as a spec wants them: what it says about an engine's own service, and services of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from stackgen.errors import Problem
from stackgen.parts import (
    CLIENT_NETWORK,
    Arg,
    Bind,
    ConfigFile,
    Dependency,
    Exposure,
    Image,
    Instance,
    Limits,
    Port,
    Secret,
    ServedModel,
    Service,
)
from stackgen.plan import secrets
from stackgen.plan.raw import Reader, laid_over, spelled
from stackgen.records import dataclass
from stackgen.sources import Loaded, Path, describe, nearest, printable
from stackgen.spec import ExtraService, Spec

_LARGEST_FILE_BYTES = 256 * 1024
_START_SECONDS = 300
_PIDS = 4096


@dataclass(frozen=True)
class Shop:
    """What is needed to finish services: the spec, its secrets, and a place for problems."""

    loaded: Loaded
    spec: Spec
    secrets: Mapping[str, Secret]
    reader: Reader
    problems: list[Problem]

    def finished(self, service: Service, instance: Instance) -> Service:
        """An engine's own service with what its models say about it; jobs stay as they are."""
        service = replace(service, needs=(*service.needs, *_turns(instance, service)), group=instance.group)
        service = replace(service, dormant=service.is_asleep)
        if service.name != instance.name:
            return service
        variables = {**service.environment, **dict(_visible_cards(instance))}
        raw: dict[str, Any] = {}
        mounts: list[ConfigFile | Bind] = []
        taken = {mount.target: mount.storage.holds for mount in service.mounts}
        for served in instance.models:
            path = (*served.path, "secret_environment")
            variables |= secrets.environment(
                self.loaded, served.model.secret_environment, path, self.secrets, self.problems
            )
            raw |= self.reader.compose(served.model.overrides.compose, (*served.path, "overrides", "compose"))
            mounts += self._mounts(instance, served, taken)
        distinct = dict.fromkeys(mounts)
        build = next((served.model.build for served in instance.models if served.model.build), None)
        return replace(
            service,
            environment=variables,
            config_files=(*service.config_files, *(part for part in distinct if isinstance(part, ConfigFile))),
            binds=(*service.binds, *(part for part in distinct if isinstance(part, Bind))),
            ports=_published(service.ports, instance),
            build=build,
            raw=raw,
        )

    def extra(self) -> Iterator[Service]:
        """The services of the user's own."""
        for name, entry in self.spec.services.items():
            path = ("services", name)
            raw = self.reader.compose(entry.compose, (*path, "compose"))
            variables = secrets.environment(
                self.loaded, entry.secret_environment, (*path, "secret_environment"), self.secrets, self.problems
            )
            yield Service(
                name=name,
                image=self._image(name, entry, raw),
                why=f"declared under services.{name}",
                environment=variables,
                health=None,
                locked=False,
                limits=Limits(memory_gib=None, pids=_PIDS),
                start_budget_seconds=_START_SECONDS,
                networks=(CLIENT_NETWORK,),
                job=raw.get("restart") == "no" and "healthcheck" not in raw,
                dormant=bool(raw.get("profiles")),
                raw=raw,
            )

    def overridden(self, services: list[Service]) -> list[Service]:
        """The services with the raw keys of `overrides` laid over; names that no service has are problems."""
        names = {service.name for service in services}
        found = {}
        for name, entry in self.spec.overrides.items():
            path = ("overrides", name)
            if name in self.spec.services:
                place = self.loaded.place(path, of_key=True)
                hint = f"write the keys under `services: {name}: compose:`"
                self.problems.append(Problem(place, f"`{name}` is a service of your own", hint))
            elif name not in names:
                hint = nearest(name, names - set(self.spec.services))
                place = self.loaded.place(path, of_key=True)
                self.problems.append(Problem(place, f"the stack renders no service {describe(name)}", hint))
            found[name] = self.reader.compose(entry.compose, (*path, "compose"))
        return [
            replace(service, raw=laid_over(service.raw, found[service.name])) if service.name in found else service
            for service in services
        ]

    def placed(self, service: Service) -> Service:
        """The service with the right to write folders of the host that are another user's, where it keeps data in one."""
        paths = {name for name, place in self.spec.storage.items() if place.path}
        wanted = {mount.storage.name for mount in service.mounts if mount.storage.owner == 0} & paths
        if not wanted:
            return service
        return replace(service, capabilities=tuple(sorted({*service.capabilities, "DAC_OVERRIDE"})))

    def _image(self, name: str, entry: ExtraService, raw: Mapping[str, Any]) -> Image:
        if entry.compose.get("image") in (None, "") and "build" not in entry.compose:
            place = self.loaded.place(("services", name, "compose", "image"))
            self.problems.append(Problem(place, f"`{name}` has neither an image nor a build", "add `image:`"))
        origin = self.loaded.merged.origins.get(("services", name, "compose", "image"))
        shown = printable(spelled(raw["image"])) if "image" in raw else f"{self.spec.name}-{name}"
        return Image(family=name, reference=shown, version="", origin=origin)

    def _mounts(self, instance: Instance, served: ServedModel, taken: Mapping[str, str]) -> Iterator[ConfigFile | Bind]:
        """A file beside the spec becomes a rendered one, so that a change of it is noticed; a path of the host stays one."""
        for target, source in served.model.mounts.items():
            path = (*served.path, "mounts", target)
            if target in taken:
                message = f"{target} holds {taken[target]}"
                hint = "mount the file somewhere else; folders of caches are said under `storage`"
                self.problems.append(Problem(self.loaded.place(path, of_key=True), message, hint))
                continue
            if source.startswith("/"):
                yield Bind(source=source, target=target)
                continue
            text = self._read(self.loaded.folder / source, source, path)
            if text is not None:
                where = f"files/{instance.name}/{target.strip('/')}"
                yield ConfigFile(dialect="text", path=where, target=target, text=text)

    def _read(self, file: FilePath, source: str, path: Path) -> str | None:
        place = self.loaded.place(path)
        if ".." in FilePath(source).parts:
            hint = "put it beside the spec, or write its absolute path"
            self.problems.append(Problem(place, f"{describe(source)} leads out of the spec's folder", hint))
            return None
        hint = "a path without `/` before it is beside the spec; folders and other files need an absolute path"
        try:
            if file.exists() and not file.is_file():
                message = f"{describe(source)} is no file"
                self.problems.append(Problem(place, message, hint))
                return None
            data = file.read_bytes()
            if len(data) > _LARGEST_FILE_BYTES:
                message = f"{describe(source)} has {len(data)} bytes, and at most {_LARGEST_FILE_BYTES} are copied"
                self.problems.append(Problem(place, message, "write its absolute path; it is mounted then"))
                return None
            return data.decode("utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            self.problems.append(Problem(place, f"{describe(source)} cannot be read: {reason}", hint))
            return None


def _visible_cards(instance: Instance) -> Iterator[tuple[str, Arg]]:
    """AMD's cards are all handed to the container; the variable of ROCm says which of them count."""
    if instance.gpus and instance.gpus[0].card.vendor == "amd":
        devices = ",".join(gpu.device for gpu in instance.gpus)
        yield "ROCR_VISIBLE_DEVICES", Arg(value=devices, why="the cards it was given")


def _turns(instance: Instance, service: Service) -> Iterator[Dependency]:
    """The server's place in the start order of its cards; a neighbour that is dead does not keep it down."""
    if service.name == instance.name:
        why = f"both use {', '.join(gpu.id for gpu in instance.gpus)}; one at a time measures its memory"
        yield from (Dependency(service=name, why=why, required=False) for name in instance.after)


def _published(ports: tuple[Port, ...], instance: Instance) -> tuple[Port, ...]:
    for served in instance.models:
        wanted = served.model.publish
        if wanted and instance.replica == 0:
            port = replace(
                ports[0],
                exposure=Exposure.of(wanted.address),
                address=wanted.address,
                published=wanted.port,
                path=(*served.path, "publish", "port"),
            )
            return (port, *ports[1:])
    return ports
