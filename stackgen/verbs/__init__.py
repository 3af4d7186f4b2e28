"""What the verbs do, without printing: each joins the rooms below (plan, render, files, vault, runtime, smoke)."""

from __future__ import annotations

from stackgen.verbs.checking import add_live, static_report
from stackgen.verbs.logs import Logs
from stackgen.verbs.looking import Status, status_of
from stackgen.verbs.running import (
    final_lines,
    forget_simulation,
    leftovers,
    reached,
    refuse_what_is_real,
    settle_access,
)
from stackgen.verbs.sight import Sight, sight_of
from stackgen.verbs.stack import Rendered, Stack, differences, open_stack, render_stack, stack_name

__all__ = [
    "Logs",
    "Rendered",
    "Sight",
    "Stack",
    "Status",
    "add_live",
    "differences",
    "final_lines",
    "forget_simulation",
    "leftovers",
    "open_stack",
    "reached",
    "refuse_what_is_real",
    "render_stack",
    "settle_access",
    "sight_of",
    "stack_name",
    "static_report",
    "status_of",
]
