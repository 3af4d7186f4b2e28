"""What the verbs do, without printing: each joins the rooms below (plan, render, files, vault, runtime, smoke)."""

from __future__ import annotations

from stackgen.verbs.checking import add_live, static_report
from stackgen.verbs.facts import (
    Kept,
    facts_beside,
    folder_of,
    hub_token,
    keep_facts,
    lines_of_fact,
    rows_of_facts,
)
from stackgen.verbs.logs import Logs
from stackgen.verbs.looking import Status, status_of
from stackgen.verbs.memory import record_measured, require_engines
from stackgen.verbs.running import (
    final_lines,
    forget_simulation,
    group_lines,
    leftovers,
    reached,
    refuse_what_is_real,
    settle_access,
    still_awake,
)
from stackgen.verbs.sight import Sight, sight_of
from stackgen.verbs.solving import Solved, solve
from stackgen.verbs.stack import Rendered, Stack, differences, open_stack, render_stack, stack_name

__all__ = [
    "Kept",
    "Logs",
    "Rendered",
    "Sight",
    "Solved",
    "Stack",
    "Status",
    "add_live",
    "differences",
    "facts_beside",
    "final_lines",
    "folder_of",
    "forget_simulation",
    "group_lines",
    "hub_token",
    "keep_facts",
    "leftovers",
    "lines_of_fact",
    "open_stack",
    "reached",
    "record_measured",
    "refuse_what_is_real",
    "render_stack",
    "require_engines",
    "rows_of_facts",
    "settle_access",
    "sight_of",
    "solve",
    "stack_name",
    "static_report",
    "status_of",
    "still_awake",
]
