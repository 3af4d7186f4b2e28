"""What `check` found, as one object that is printed as a table, as JSON or as JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field

from stackgen import access, smoke
from stackgen.measuring import Comparison
from stackgen.records import dataclass

SIMULATED = "simulated: stand-ins answered, no engine was tested"


@dataclass(frozen=True)
class Finding:
    """Something that was looked at. Without complaints it holds; `skipped` says why nobody looked."""

    name: str
    complaints: tuple[str, ...] = ()
    skipped: str = ""
    hint: str = ""
    service: str = ""
    """The service that it is about; empty for the stack as a whole."""
    note: str = ""
    """What was seen, also where it holds."""

    @property
    def state(self) -> str:
        """ok, failed or skipped."""
        if self.complaints:
            return "failed"
        return "skipped" if self.skipped else "ok"

    @property
    def words(self) -> str:
        """The complaints and the next step, or why it was skipped, or what was seen."""
        if not self.complaints:
            return self.skipped or self.note
        return "; ".join(self.complaints) + (f" -> {self.hint}" if self.hint else "")


@dataclass(frozen=True)
class Line:
    """One finding or result, as every form shows it."""

    section: str
    """files, containers, memory, requests or access."""
    state: str
    what: str
    hop: str
    service: str
    words: str
    seconds: float | None = None
    first_seconds: float | None = None

    @property
    def time(self) -> str:
        """How long it took; of a stream also when its first piece came."""
        if self.seconds is None or self.state == "skipped":
            return ""
        first = f" (first {self.first_seconds:.2f} s)" if self.first_seconds is not None else ""
        return f"{self.seconds:.2f} s{first}"


@dataclass
class Report:
    """All findings of one `check`."""

    stack: str
    warnings: tuple[str, ...] = ()
    static: list[Finding] = field(default_factory=list)
    containers: list[Finding] = field(default_factory=list)
    memory: list[Finding] = field(default_factory=list)
    """What engines told of their memory, beside the plan."""
    measured: list[Comparison] = field(default_factory=list)
    """The same as figures, of engines that told some."""
    results: list[smoke.Result] = field(default_factory=list)
    access: list[Finding] = field(default_factory=list)
    """Teams and keys at the gateway."""
    diagnosis: tuple[str, ...] = ()
    """What to make of failed requests."""
    simulated: bool = False
    """Whether stand-ins answered in place of engines."""
    seconds: float = 0.0
    """How long the requests took, all together."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and something was proven of each model that was to be asked."""
        return not any(line.state == "failed" for line in self.lines())

    @property
    def unproven(self) -> tuple[str, ...]:
        """Ids of models of which not one request was sent, so that nothing is known of them."""
        asked = [result for result in self.results if result.modality]
        answered = {result.model for result in asked if result.state != "skipped"}
        return tuple(dict.fromkeys(result.model for result in asked if result.model not in answered))

    @property
    def tokens(self) -> int:
        """What the servers say that they read and wrote."""
        return sum(result.tokens for result in self.results)

    def lines(self) -> Iterator[Line]:
        """Everything that was looked at, in order."""
        for section, hop, findings in (
            ("files", "files", self.static),
            ("containers", "container", self.containers),
            ("memory", "engine", self.memory),
        ):
            yield from (_line(section, hop, finding) for finding in findings)
        for result in self.results:
            words = f"{result.service}: {result.complaint}" if result.complaint else result.skipped
            what = f"{result.name}: {result.probe}"
            times = result.seconds, result.first_seconds
            yield Line("requests", result.state, what, result.hop.value, result.service, words, *times)
        yield from (self._unproven_line(model) for model in self.unproven)
        yield from (_line("access", "gateway", finding) for finding in self.access)

    def _unproven_line(self, model: str) -> Line:
        """A model that nobody asked anything is no green one."""
        first = next(result for result in self.results if result.modality and result.model == model)
        words = f"nothing is proven of it: {first.skipped}"
        return Line("requests", "failed", f"{model}: any answer", first.hop.value, first.service, words)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Lines of a table: state, what, hop, time, words."""
        for line in self.lines():
            yield line.state, line.what, line.hop, line.time, line.words

    def sentences(self) -> Iterator[str]:
        """What to make of it."""
        yield from self.diagnosis
        yield from (f"warning: {warning}" for warning in self.warnings)
        states = [line.state for line in self.lines()]
        counts = ((states.count(state), state) for state in ("ok", "failed", "skipped"))
        spent = f"; {self.seconds:.1f} s, {self.tokens} tokens" if self.results else ""
        yield f"{self.stack}: " + ", ".join(f"{count} {state}" for count, state in counts if count) + spent


def access_finding(entry: access.Entry, mend: str) -> Finding:
    """What `check` says about a declared team or key beside what the gateway has; `mend` is the command that makes it so."""
    name = entry.wanted.what
    if entry.state is access.State.UNANSWERED:
        return Finding(name, skipped=f"{entry.words}; {access.NOT_REHEARSED}")
    if entry.state is access.State.FAILED:
        return Finding(name, (f"{entry.words}; {access.NOT_REHEARSED}",), hint=entry.hint)
    if entry.state is not access.State.SAME:
        words = entry.words or "the gateway does not have it"
        return Finding(name, (f"{words}; {access.NOT_REHEARSED}",), hint=mend)
    return Finding(name, (entry.closed,) if entry.closed else (), hint="mend it in the gateway's UI")


def access_skipped(wanted: Iterable[access.Wanted], reason: str) -> Iterator[Finding]:
    """Declared teams and keys that nobody could ask about."""
    for entry in wanted:
        yield Finding(entry.what, skipped=f"{reason}; {access.NOT_REHEARSED}")


def memory_finding(comparison: Comparison) -> Finding:
    """What `check` says about the memory of one instance: off by how much, and failed only where nobody can be answered."""
    instance, complaint = comparison.instance, comparison.complaint
    return Finding(
        memory_name(instance.name),
        (f"{complaint} ({comparison.note})",) if complaint else (),
        hint=f"lower `context` of `{instance.models[0].id}`, or give it more memory" if complaint else "",
        service=instance.name,
        note=comparison.note,
    )


def memory_name(instance: str) -> str:
    """How the line about the memory of an instance is called."""
    return f"{instance}: memory"


def _line(section: str, hop: str, finding: Finding) -> Line:
    return Line(section, finding.state, finding.name, hop, finding.service, finding.words)
