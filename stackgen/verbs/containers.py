"""What `check` looks at in containers: state, image, file, restarts, networks, ports, and proofs from inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from stackgen import runtime, vault
from stackgen.errors import StackError
from stackgen.modalities.probe import shortened
from stackgen.parts import OUTSIDE_NETWORK, Exposure, Proof, Service
from stackgen.plan import Plan
from stackgen.plan.openings import EVERYWHERE, published
from stackgen.records import dataclass
from stackgen.report import Finding
from stackgen.runtime import ContainerState, HostPort
from stackgen.verbs.drift import NO_CONTAINER, NOT_IN_SPEC, ONE_MORE, Measure, asleep, differences, other_settings

RECENT = timedelta(hours=1)
"""How long a restart counts as a complaint; after it, it is a warning."""
_PROOF_SECONDS = 30.0
"""A store that hangs takes connections and never answers."""


@dataclass(frozen=True, kw_only=True)
class _Published:
    """A host port that the spec wants; `number` 0 is any, `container` 0 is not said."""

    address: str
    number: int
    container: int = 0

    def fits(self, port: HostPort) -> bool:
        """Whether this is it. Docker listens on both kinds of addresses where all are meant."""
        same_address = port.address == self.address or {port.address, self.address} <= EVERYWHERE
        return same_address and self.number in {0, port.published} and self.container in {0, port.container}


def findings(
    plan: Plan, measure: Measure, states: Sequence[ContainerState], now: datetime | None = None
) -> Iterator[Finding]:
    """Whether every service of the plan runs as the spec says, and whether there are containers beyond them."""
    first: dict[str, ContainerState] = {}
    for state in states:
        first.setdefault(state.service, state)
    for service in plan.services:
        yield _finding(plan, service, first.get(service.name), measure, now or datetime.now(UTC))
    for state in states:
        if state.service not in plan.service_names:
            yield Finding(state.service, (NOT_IN_SPEC,), hint=plan.verb("up"), service=state.service)
        elif state is not first[state.service]:
            yield Finding(state.service, (ONE_MORE,), hint=plan.verb("up"), service=state.service)


def warnings(states: Sequence[ContainerState], now: datetime | None = None) -> Iterator[str]:
    """Restarts that are long ago: worth knowing, and no reason to call a stack broken."""
    for state in states:
        if state.restarts and state.is_ready and not _is_recent(state, now or datetime.now(UTC)):
            yield f"{state.service} {_restarted(state)}"


def proofs(
    plan: Plan, docker: runtime.Docker, states: Sequence[ContainerState], values: Mapping[str, str]
) -> Iterator[Finding]:
    """What only a command inside a container can tell, such as whether the password is the right one."""
    running = {state.service: state for state in states if state.status == "running"}
    mask = vault.masker(vault.hidden(values))
    for service in plan.services:
        if service.proof and service.name in running:
            complaint, hint = _disproof(docker, running[service.name].id, service.proof, values)
            complaints = (shortened(mask(complaint)),) if complaint else ()
            name = f"{service.name}: {service.proof.name}"
            yield Finding(name, complaints, hint=plan.told(hint), service=service.name)


def _disproof(docker: runtime.Docker, container: str, proof: Proof, values: Mapping[str, str]) -> tuple[str, str]:
    """What a proof has against a container, and what to do; empty where it holds."""
    environment = {name: values.get(secret.name, "") for name, secret in proof.environment.items()}
    try:
        code, output, errors = docker.execute(
            container, proof.command, b"", environment, timeout_seconds=_PROOF_SECONDS
        )
    except StackError as error:
        return f"{proof.name} cannot be tried: {error.message}", ""
    said = (errors + output).decode(errors="replace")
    if code and any(text in said for text in proof.refusals):
        return proof.complaint, proof.hint
    return (f"{proof.name} fails with exit code {code}: {said}" if code else ""), ""


def _finding(plan: Plan, service: Service, state: ContainerState | None, measure: Measure, now: datetime) -> Finding:
    name = service.name
    if service.is_asleep and state:
        return Finding(name, (f"it has a container, and {asleep(service)}",), hint=plan.verb("up"), service=name)
    if state is None and service.dormant:
        return Finding(name, skipped=asleep(service) or "it is started by its name alone", service=name)
    if state is None:
        return Finding(name, (NO_CONTAINER,), hint=plan.verb("up"), service=name)
    if service.may_end and state.is_done:
        return Finding(name, service=name)
    if service.job and state.status == "running":
        return Finding(name, skipped="it is still at work", service=name)
    return _container_finding(plan, service, state, measure, now)


def _container_finding(plan: Plan, service: Service, state: ContainerState, measure: Measure, now: datetime) -> Finding:
    """Whether a container works, and is the one that the spec wants; of one that does not run, Docker tells no ports."""
    name = service.name
    if state.status != "running":
        paused = state.status == "paused"
        hint = f"docker compose -p {plan.name} unpause {name}" if paused else _logs(plan, name)
        return Finding(name, (_state_words(state),), hint=hint, service=name)
    others = (
        *differences(service, state, measure),
        *_network_complaints(plan, service, state),
        *_port_complaints(service, state),
    ) or tuple(other_settings(state, measure))
    if not state.is_ready:
        return Finding(
            name, (_state_words(state), *others), hint=plan.verb("up") if others else _logs(plan, name), service=name
        )
    if others:
        return Finding(name, others, hint=plan.verb("up"), service=name)
    if state.restarts and _is_recent(state, now):
        return Finding(name, (f"it {_restarted(state)}",), hint=_logs(plan, name), service=name)
    return Finding(name, service=name)


def _state_words(state: ContainerState) -> str:
    health = f", {state.health}" if state.health else ""
    code = f" (exit code {state.exit_code})" if state.is_dead else ""
    memory = "; it was killed for lack of memory" if state.out_of_memory else ""
    return f"{state.status}{health}{code}{memory}"


def _logs(plan: Plan, service: str) -> str:
    return plan.verb(f"logs {service}")


def _network_complaints(plan: Plan, service: Service, state: ContainerState) -> Iterator[str]:
    """Raw keys may say anything about networks, so a service that has such is taken as it is."""
    if "networks" in service.raw or "network_mode" in service.raw:
        return
    wanted = {_network(plan, network) for network in service.networks}
    there = set(state.networks)
    yield from (f"it is not in the network {name}" for name in sorted(wanted - there))
    yield from (f"it is in the network {name}, where the spec does not put it" for name in sorted(there - wanted))


def _network(plan: Plan, name: str) -> str:
    """How Docker calls a network of the plan."""
    if name == OUTSIDE_NETWORK and plan.network.external:
        return plan.network.external
    return f"{plan.name}_{name}"


def _port_complaints(service: Service, state: ContainerState) -> Iterator[str]:
    """Ports of the host that lead in and should not, or should and do not."""
    if "network_mode" in service.raw:
        return
    wanted, is_whole = _wanted_ports(service)
    for port in state.ports if is_whole else ():
        if not any(entry.fits(port) for entry in wanted):
            yield f"it publishes port {port.container} on {port.address}:{port.published}, which the spec does not say"
    for entry in wanted:
        if not any(entry.fits(port) for port in state.ports):
            yield f"it does not publish {entry.address}:{entry.number or 'any port'}, as the spec says"


def _wanted_ports(service: Service) -> tuple[list[_Published], bool]:
    """The ports, and whether they are all: of raw ones, ranges and random ports are not read."""
    if "ports" in service.raw:
        found = [_Published(address=address, number=number) for _, address, number in published(service.raw)]
        return found, len(found) == len(service.raw["ports"] or ())
    ports = (port for port in service.ports if port.exposure is not Exposure.INTERNAL)
    return [_Published(address=port.address, number=port.published, container=port.container) for port in ports], True


def _is_recent(state: ContainerState, now: datetime) -> bool:
    return state.started is not None and now - state.started < RECENT


def _restarted(state: ContainerState) -> str:
    count = "once" if state.restarts == 1 else f"{state.restarts} times"
    return f"restarted {count}, the last time at {state.started_at[:19]}"
