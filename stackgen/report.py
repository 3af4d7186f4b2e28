"""What `check` found, as one object that is printed as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from stackgen import access, smoke

JSON_VERSION = 1


@dataclass(frozen=True)
class Finding:
    """Something that was looked at. Without complaints it holds; `skipped` says why nobody looked."""

    name: str
    complaints: tuple[str, ...] = ()
    skipped: str = ""
    hint: str = ""

    @property
    def state(self) -> str:
        """ok, failed or skipped."""
        if self.complaints:
            return "failed"
        return "skipped" if self.skipped else "ok"

    @property
    def words(self) -> str:
        """The complaints and the next step, or why it was skipped."""
        if not self.complaints:
            return self.skipped
        return "; ".join(self.complaints) + (f" -> {self.hint}" if self.hint else "")


@dataclass
class Report:
    """All findings of one `check`."""

    stack: str
    warnings: tuple[str, ...] = ()
    static: list[Finding] = field(default_factory=list)
    containers: list[Finding] = field(default_factory=list)
    results: list[smoke.Result] = field(default_factory=list)
    access: list[Finding] = field(default_factory=list)
    """Teams and keys at the gateway."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        findings = (*self.static, *self.containers, *self.access)
        return not any(finding.complaints for finding in findings) and all(result.ok for result in self.results)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Lines of a table: state, what, way, time, words."""
        for finding in self.static:
            yield finding.state, finding.name, "files", "", finding.words
        for finding in self.containers:
            yield finding.state, finding.name, "container", "", finding.words
        for result in self.results:
            words = f"{result.service}: {result.complaint}" if result.complaint else ""
            yield (
                "ok" if result.ok else "failed",
                f"{result.name}: {result.probe}",
                result.hop.value,
                f"{result.seconds:.2f} s",
                words,
            )
        for finding in self.access:
            yield finding.state, finding.name, "gateway", "", finding.words

    def sentences(self) -> Iterator[str]:
        """What to make of it."""
        yield from smoke.diagnosis(self.results)
        yield from (f"warning: {warning}" for warning in self.warnings)
        states = [row[0] for row in self.rows()]
        counts = ((states.count(state), state) for state in ("ok", "failed", "skipped"))
        yield f"{self.stack}: " + ", ".join(f"{count} {state}" for count, state in counts if count)

    def as_json(self) -> dict[str, Any]:
        """For CI; `version` grows when a key changes its meaning."""

        def finding(entry: Finding) -> dict[str, Any]:
            return {
                "name": entry.name,
                "state": entry.state,
                "complaints": list(entry.complaints),
                "skipped": entry.skipped or None,
            }

        return {
            "version": JSON_VERSION,
            "stack": self.stack,
            "ok": self.ok,
            "files": [finding(entry) for entry in self.static],
            "containers": [finding(entry) for entry in self.containers],
            "requests": [
                {
                    "name": result.name,
                    "probe": result.probe,
                    "hop": result.hop.value,
                    "service": result.service,
                    "ok": result.ok,
                    "seconds": result.seconds,
                    "complaint": result.complaint,
                }
                for result in self.results
            ],
            "access": [finding(entry) for entry in self.access],
            "diagnosis": list(smoke.diagnosis(self.results)),
            "warnings": list(self.warnings),
        }


def access_finding(entry: access.Entry) -> Finding:
    """What `check` says about a declared team or key beside what the gateway has."""
    name = entry.wanted.what
    if entry.state is access.State.UNANSWERED:
        return Finding(name, skipped=f"{entry.words}; {access.NOT_REHEARSED}")
    if entry.state is access.State.FAILED:
        return Finding(name, (f"{entry.words}; {access.NOT_REHEARSED}",), hint=entry.hint)
    if entry.state is not access.State.SAME:
        words = entry.words or "the gateway does not have it"
        return Finding(name, (f"{words}; {access.NOT_REHEARSED}",), hint="stackgen up")
    return Finding(name, (entry.closed,) if entry.closed else (), hint="mend it in the gateway's UI")


def access_skipped(wanted: Iterable[access.Wanted], reason: str) -> Iterator[Finding]:
    """Declared teams and keys that nobody could ask about."""
    for entry in wanted:
        yield Finding(entry.what, skipped=f"{reason}; {access.NOT_REHEARSED}")
