"""Answers about a path: of the merged spec, of what the planner decided, of a service, of a rendered file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from stackgen.errors import StackError
from stackgen.explain.answers import Answer, Beaten, Part
from stackgen.explain.decided import decision, sums
from stackgen.explain.keys import key_at, names_at
from stackgen.explain.reasons import GATEWAY_FILE
from stackgen.explain.rendered import Entry, Index, dotted, index
from stackgen.facts.explaining import unsaid_key
from stackgen.masking import Mask
from stackgen.parts import Service
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render import COMPOSE_FILE, File
from stackgen.sources import Layer, Loaded, Origin, Path, describe, nearest, value_at

_SERVICES = "services"
_KINDS = {Layer.DEFAULT: "profile", Layer.PROFILE: "profile", Layer.SPEC: "spec"}


@dataclass(frozen=True)
class Asked:
    """A stack that can be asked about. Without a plan only what spec and profiles say is known."""

    loaded: Loaded
    plan: Plan | None
    files: tuple[File, ...]
    spec_folder: str
    """As seen from the rendered files."""
    mask: Mask

    @cached_property
    def index(self) -> Index:
        """Every entry of the rendered files; none without a plan."""
        if self.plan is None:
            return Index({}, self.mask)
        return index(self.plan, self.loaded.merged, self.files, self.spec_folder, self.mask)

    def about(self, path: Path) -> Answer:
        """The answer about a path, whose parts are text.

        Raises:
            StackError: there is no such path.
        """
        found, typed = resolved(self.loaded.merged.data, path)
        if found and typed in self.loaded.merged.origins:
            return self._said(typed)
        if path == (_SERVICES,):  # those of the stack are asked for, where the spec says none of its own
            answer = self._rendered(path) or self._unsaid(path)
        else:
            answer = self._decided(path) or self._unsaid(path) or self._rendered(path)
        if answer is None:
            raise self._unknown(path)
        return answer

    def _said(self, path: Path) -> Answer:
        merged = self.loaded.merged
        value = value_at(merged.data, path)
        origin = merged.origins[path]
        key = key_at(merged.data, path[:-1] if isinstance(path[-1], int) else path)
        is_map = isinstance(value, dict) and bool(value)
        return Answer(
            path=dotted(path),
            kind=_KINDS[origin.layer],
            value=self.mask.of_spec(value, path),
            said_by=self.loaded.shown(origin),
            meaning=key.meaning if key else "",
            beats=tuple(self._beats(path)),
            sums=tuple(sums(self.plan, path)) if self.plan else (),
            becomes=() if is_map and len(path) < 3 else tuple(self._becomes(path, value)),  # noqa: PLR2004 - an entry
            parts=tuple(self._parts(value, path)) if is_map else (),
        )

    def _becomes(self, path: Path, value: Any) -> list[Entry]:
        """Lines of the rendered files; of an item of a list those of the list that say it."""
        found = self.index.behind(path)
        if found or not isinstance(path[-1], int):
            return found
        return [entry for entry in self.index.behind(path[:-1]) if entry.value == value]

    def _beats(self, path: Path) -> Iterator[Beaten]:
        """What a value took the place of, and what would count if nobody said it."""
        merged = self.loaded.merged
        for said in reversed(merged.beaten.get(path, [])):
            yield Beaten(where=self.loaded.shown(said.origin), value=self.mask.of_spec(said.value, path))
        key = key_at(merged.data, path)
        left_out = unsaid_key(path)
        if key and key.default is not None:
            yield Beaten(where="left out", value=key.default)
        elif key and left_out and not key.required:
            yield Beaten(where=f"left out: {left_out}", value=None)

    def _parts(self, value: Any, path: Path) -> Iterator[Part]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from self._parts(inner, (*path, key))
            return
        origin = self.loaded.merged.origins.get(path)
        shown = self.mask.of_spec(value, path)
        yield Part(path=dotted(path), value=shown, said_by=self.loaded.shown(origin) if origin else "")

    def _decided(self, path: Path) -> Answer | None:
        found = decision(self.plan, self.loaded, path) if self.plan else None
        if found is None or self.plan is None:
            return None
        key = key_at(self.loaded.merged.data, path)
        return Answer(
            path=dotted(path),
            kind="planner",
            value=self.mask.of_spec(found.value, path),
            said_by=found.said_by if ":" in found.said_by or not key else f"{found.said_by} (nobody wrote it)",
            why=found.why,
            meaning=key.meaning if key else "",
            beats=tuple(self._beaten_pins(path)),
            sums=tuple(sums(self.plan, path)),
            becomes=tuple(self.index.behind(path)),
        )

    def _beaten_pins(self, path: Path) -> Iterator[Beaten]:
        """Images that earlier profiles pin for the same family."""
        family = path[1] if path[0] == "images" else None
        for profile, document in reversed(self.loaded.profiles):
            pin = profile.images.get(str(family))
            place = document.place(("images", str(family)), of_key=True)
            origin = Origin(Layer.PROFILE, place)
            if pin and pin.reference not in self._running:
                yield Beaten(where=self.loaded.shown(origin), value=pin.reference)

    @cached_property
    def _running(self) -> frozenset[str]:
        """Images of the services."""
        return frozenset(service.image.reference for service in self.plan.services) if self.plan else frozenset()

    def _unsaid(self, path: Path) -> Answer | None:
        key = key_at(self.loaded.merged.data, path)
        if key is None or not self._has_entry(path):
            return None
        return Answer(
            path=dotted(path),
            kind="default" if key.default is not None else "unsaid",
            value=key.default,
            has_value=key.default is not None,
            said_by="nobody: this counts where it is left out" if key.default is not None else "nobody",
            why=unsaid_key(path),
            meaning=key.meaning,
            becomes=tuple(self.index.behind(path)),
        )

    def _has_entry(self, path: Path) -> bool:
        """Whether what stands around a path is there, as far as it is an entry of a map by id."""
        depth = 3 if path[0] == "gateway" else 2
        found, _ = resolved(self.loaded.merged.data, path[: min(depth, len(path)) - (path[0] == "gateway")])
        return found or len(path) <= depth - 1

    def _rendered(self, path: Path) -> Answer | None:
        """A service, or any key of a rendered file by its path there."""
        for file in (COMPOSE_FILE, GATEWAY_FILE):
            document = self.index.documents.get(file)
            found, typed = resolved(document.data, path) if document else (False, path)
            if found and path:
                return self.rendered(file, typed)
        return None

    def rendered(self, file: str, path: Path) -> Answer:
        """The answer about a path of a rendered file that is there; of a service what it is made of."""
        service = self._service(path) if file == COMPOSE_FILE else None
        if service:
            return self._of_service(service, path)
        if file == COMPOSE_FILE and path == (_SERVICES,) and self.plan:
            parts = (
                Part(path=dotted((*path, one.name)), value=one.image.reference, said_by=self.mask.text(one.why))
                for one in self.plan.services
            )
            return Answer(path=_SERVICES, kind="rendered", has_value=False, parts=tuple(parts))
        return of_entries(dotted(path), self.index.at(file, path))

    def _service(self, path: Path) -> Service | None:
        if self.plan is None or path[0] != "services" or len(path) != 2:  # noqa: PLR2004 - services and its name
            return None
        return self.plan.services_by_name.get(str(path[1]))

    def _of_service(self, service: Service, path: Path) -> Answer:
        instances = [one for one in self.plan.instances if one.name == service.name] if self.plan else []
        models = [dotted(served.path) for one in instances for served in one.models]
        entries = self.index.at(COMPOSE_FILE, path)
        notes = [f"it serves {', '.join(models)}"] if models else []
        notes += [f"it waits for {', '.join(service.waits_for)}"] if service.waits_for else []
        notes += [f"it reads {', '.join(file.path for file in service.config_files)}"] if service.config_files else []
        if entries:
            notes.append(f"it stands in {COMPOSE_FILE} from line {entries[0].line} to {entries[-1].line}")
        parts = (
            Part(path=dotted(entry.path[2:]), value=_told(entry), said_by=self.behind(entry))
            for entry in entries
            if (entry.reason.said or entry.why) and _is_telling(entry)
        )
        return Answer(
            path=dotted(path),
            kind="service",
            has_value=False,
            why=self.mask.text(service.why),
            notes=tuple(self.mask.text(note) for note in notes),
            parts=tuple(parts),
        )

    def behind(self, entry: Entry) -> str:
        """Who is behind an entry of a rendered file, in a few words."""
        for said in entry.reason.said:
            origin = self.loaded.merged.origins.get(said)
            if origin:
                return f"{dotted(said)}, {self.loaded.shown(origin)}"
        return dotted(entry.reason.said[0]) if entry.reason.said else entry.why

    def _unknown(self, path: Path) -> StackError:
        """The error about a path that leads nowhere, with the nearest one."""
        for end in range(len(path)):
            _, typed = resolved(self.loaded.merged.data, path[:end])
            inside = value_at(self.loaded.merged.data, typed)
            known = {*(inside if isinstance(inside, dict) else ()), *names_at(self.loaded.merged.data, typed)}
            if end == 0:
                known |= {
                    "images",
                    "services",
                    *(str(key) for doc in self.index.documents.values() for key in doc.data),
                }
            if path[0] == "services" and end == 1 and self.plan:
                known |= self.plan.service_names
            following, _ = resolved(self.loaded.merged.data, path[: end + 1])
            if not following and str(path[end]) not in known:
                where = f" in {dotted(typed)}" if typed else ""
                return StackError(f"there is no {describe(str(path[end]))}{where}", hint=nearest(str(path[end]), known))
        return StackError(f"there is no {describe(dotted(path))}", hint="stackgen config shows every path")


def _told(entry: Entry) -> Any:
    """A value of a service; a word of its command with the flag before it."""
    return entry.shown.partition(": ")[2] if entry.path[2] == "command" else entry.value


def _is_telling(entry: Entry) -> bool:
    """Whether an entry tells something of its own: not the flag before a value, nor what goes with a volume or a card."""
    if entry.path[2] == "volumes":
        return entry.path[-1] == "source"
    return not entry.reason.inherited and (entry.path[2] != "deploy" or "device_ids" in entry.path)


def of_entries(path: str, entries: list[Entry]) -> Answer:
    """The answer about a key of a rendered file."""
    first = entries[0]
    alone = len(entries) == 1
    return Answer(
        path=path,
        kind="rendered",
        value=first.value if alone else None,
        has_value=alone,
        said_by="" if any(entry.reason.said for entry in entries) else "stackgen itself",
        why=first.why if len({entry.why for entry in entries}) == 1 else "",
        meaning=first.rule,
        parts=() if alone else tuple(Part(path=dotted(one.path), value=one.value, said_by="") for one in entries),
        becomes=(),
    )


def resolved(data: Any, path: Path) -> tuple[bool, Path]:
    """Whether something stands at a path of plain data, and the path with numbers where it leads into lists."""
    typed: list[str | int] = []
    for part in path:
        if isinstance(data, dict) and part in data:
            typed.append(part)
            data = data[part]
        elif isinstance(data, list) and str(part).isdecimal() and int(part) < len(data):
            typed.append(int(part))
            data = data[int(part)]
        else:
            return False, path
    return True, tuple(typed)
