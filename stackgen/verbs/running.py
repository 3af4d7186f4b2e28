"""What verbs do with a stack that runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from stackgen import access, runtime, smoke, sources, vault
from stackgen.backing import litellm
from stackgen.errors import StackError
from stackgen.parts import host_port
from stackgen.plan import Plan
from stackgen.plan.openings import EVERYWHERE
from stackgen.render.compose import SIMULATED_LABEL
from stackgen.report import SIMULATED
from stackgen.verbs.choice import group_lines
from stackgen.verbs.stack import Stack, simulation_home, stack_name

_TURN_SECONDS = 30.0
to_the_gateway = partial(smoke.from_this_host, timeout_seconds=access.TIMEOUT_SECONDS)


def settle_access(stack: Stack, values: Mapping[str, vault.SecretValue]) -> list[access.Entry]:
    """Make the declared teams and keys at the gateway; none where it has no database.

    Returns:
        How each stands now; those that failed are for `access.failures`.

    Raises:
        StackError: a value that is needed is not there.
    """
    return access.settle(stack.plan, to_the_gateway, values) if access.wanted(stack.plan) else []


def forget_replaced(stack: Stack, values: Mapping[str, vault.SecretValue]) -> list[StackError]:
    """Let the gateway forget keys of clients whose secrets have other values now; what it does not, stays to be done.

    Returns:
        Why it has not forgotten one or another.

    Raises:
        StackError: a value that is needed is not there.
    """
    forget = vault.intended(stack.home).forget
    if not forget:
        return []
    due = {name: known for name, known in forget.items() if name not in values or values[name].digest != known}
    failures = access.forget(stack.plan, to_the_gateway, values, due)
    with vault.locked(stack.home):
        left = vault.intended(stack.home)
        still = {name: known for name, known in left.forget.items() if name in failures or name not in forget}
        vault.intend(stack.home, vault.Rotation(left.new, still))
    return list(failures.values())


def reached(plan: Plan, states: Iterable[runtime.ContainerState]) -> Plan:
    """The plan with the gateway's port as it is, where Docker picked it and the gateway runs."""
    if plan.gateway.port:
        return plan
    port = gateway_port(states)
    return replace(plan, gateway=plan.gateway.model_copy(update={"port": port.published})) if port else plan


def gateway_port(states: Iterable[runtime.ContainerState]) -> runtime.HostPort | None:
    """Where Docker really publishes the gateway; None where it does not."""
    ports = (port for state in states if state.service == litellm.NAME for port in state.ports)
    return next((port for port in ports if port.container == litellm.PORT), None)


def refuse_what_is_real(name: str, docker: runtime.Docker) -> None:
    """A simulation is changed and taken down only where everything of its project says that it is one.

    Compose removes every container of a project that its file does not have, whoever made it.

    Raises:
        StackError: something of that project is not of a simulation.
    """
    real = docker.without_label(name, f"{SIMULATED_LABEL}=true")
    if real:
        raise StackError(
            f"not of a simulation: {', '.join(real)}",
            hint=f"another project has the name {name}; look with: docker compose -p {name} ps -a",
        )


def forget_simulation(file: Path, docker: runtime.Docker, say: Callable[[str], None]) -> None:
    """Remove rendered files and throw-away secrets of a simulation that is down, once no `up` is at work with them.

    Args:
        file: the spec.
        docker: the engine.
        say: told who is waited for.

    Raises:
        StackError: they cannot be removed, or somebody brought the simulation up again meanwhile.
    """
    folder, name = sources.load(file).folder, stack_name(file, simulate=True)
    home = simulation_home(folder)
    if not home.exists():
        return
    its_lock = runtime.lock.SIMULATION_FILE
    with runtime.lock.turn(vault.prepare(folder), timeout_seconds=_TURN_SECONDS, say=say, file=its_lock):
        if docker.containers(name):
            hint = "end that one, then: stackgen down --simulate --volumes"
            raise StackError(f"another `up` brought {name} up again meanwhile; its files stay", hint=hint)
        with vault.locked(home):
            _remove(home)


def _remove(home: Path) -> None:
    try:
        shutil.rmtree(home)
    except OSError as error:
        raise StackError(f"the files of the simulation cannot be removed: {error.strerror}", where=str(home)) from None


def leftovers(name: str, docker: runtime.Docker, *, volumes: bool) -> list[str]:
    """What is still there of a stack after `down`."""
    found = [f"container {state.service}" for state in docker.containers(name)]
    found += [f"network {network}" for network in docker.networks(name)]
    return found + [f"volume {volume}" for volume in docker.volumes(name)] if volumes else found


def still_awake(plan: Plan, docker: runtime.Docker) -> dict[str, str]:
    """Services that have a container though their group sleeps, each with its group's name."""
    asleep = {service.name: service.group.name for service in plan.services if service.group and service.is_asleep}
    there = {state.service for state in docker.containers(plan.name)}
    return {name: group for name, group in asleep.items() if name in there}


def final_lines(stack: Stack, seconds: float, states: Iterable[runtime.ContainerState]) -> list[str]:
    """What `up` says at its end: what is up, where it listens, what it serves, where its key is, what comes next.

    Args:
        stack: the stack.
        seconds: what it took.
        states: its containers, which know the ports that Docker gave them.
    """
    plan = stack.plan
    listening = {state.service: list(_listening(state)) for state in states}
    gateway = [f"http://{where}/v1" for inside, where in listening.pop(litellm.NAME, ()) if inside == litellm.PORT]
    others = [f"{service} {where}" for service, ports in sorted(listening.items()) for _, where in ports]
    secrets = stack.home / vault.FOLDER / vault.FILE
    shown = secrets.relative_to(Path.cwd()) if secrets.is_relative_to(Path.cwd()) else secrets
    lines = [f"{plan.name} is up after {seconds:.0f} s: {', '.join(gateway) or 'its gateway has no port on this host'}"]
    lines += [f"also listening: {', '.join(others)}"] if others else []
    lines += [f"models: {', '.join(_served(plan))}", f"key: {litellm.MASTER_KEY.name} in {shown}"]
    lines += group_lines(plan)
    if plan.warnings:
        many = len(plan.warnings) > 1
        teller = plan.verb("check") if plan.simulated else "stackgen plan"
        lines.append(f"{len(plan.warnings)} warning{'s' if many else ''}: `{teller}` tells {'them' if many else 'it'}")
    if plan.simulated:
        lines.append(SIMULATED)
    return [*lines, f"next: {plan.verb('check')}"]


def _served(plan: Plan) -> Iterator[str]:
    """Each public name with what can be asked of it."""
    modalities: dict[str, dict[str, None]] = {}
    for route in plan.routes:
        for name in route.public_names:
            modalities.setdefault(name, {})[route.modality] = None
    for name, found in modalities.items():
        yield f"{name} ({', '.join(found)})"


def _listening(state: runtime.ContainerState) -> Iterator[tuple[int, str]]:
    """Port inside, and address with port on this host, once where Docker listens on IPv4 and IPv6 alike."""
    told = set()
    for port in state.ports:
        address = "127.0.0.1" if port.address in EVERYWHERE else port.address
        where = host_port(address, port.published)
        if where not in told:
            told.add(where)
            yield port.container, where
