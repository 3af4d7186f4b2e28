"""What the gateway says of names that sleep: the rendered litellm/asleep.py."""

from __future__ import annotations

from stackgen.plan import Plan
from stackgen.resources import shipped

_TABLE = "ASLEEP: dict[str, str] = {}\n"


def asleep_file(plan: Plan) -> str:
    """The text of asleep.py; names and sentences are ASCII literals of Python, whatever they hold."""
    rows = (f"    {name!a}: {_sentence(plan, name)!a},\n" for name in sorted(plan.sleeping_names))
    template = (shipped("templates") / "asleep.py").read_text(encoding="utf-8")
    before, _, behind = template.partition(_TABLE)
    return f"{before}ASLEEP: dict[str, str] = {{\n{''.join(rows)}}}\n{behind}"


def _sentence(plan: Plan, name: str) -> str:
    """Said to clients, who may be the ones to wake it."""
    groups = {group.name: group for group in plan.groups}
    sleeping = groups[plan.sleeping_names[name]]
    active = next(group.name for group in plan.groups if group.active and group.exclusion == sleeping.exclusion)
    switch = plan.verb(f"up --group {sleeping.name}")
    return f"`{name}` sleeps: the group `{sleeping.name}` takes turns with `{active}`, which is active; `{switch}` wakes it"
