"""What the verbs do, without printing: each joins the rooms below (plan, render, files, vault, runtime, smoke).

A name is fetched from its file when it is asked for: `render` must not pay for what talks to containers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackgen.verbs.adopting import Adoption, adopt
    from stackgen.verbs.asked_files import Opened
    from stackgen.verbs.beginning import Proposed, Wishes, proposal_lines, propose
    from stackgen.verbs.checking import add_live, static_report
    from stackgen.verbs.choice import group_lines
    from stackgen.verbs.explaining import (
        answer,
        folder_beside,
        masked_failure,
        named_profiles,
        open_asked,
        profile,
        profiles,
    )
    from stackgen.verbs.facts import (
        Kept,
        data_of_facts,
        facts_beside,
        folder_of,
        hub_token,
        keep_facts,
        lines_of_fact,
        rows_of_facts,
    )
    from stackgen.verbs.finding import FoundDocker, Ground, ground, known_cards, room_warnings
    from stackgen.verbs.first_files import keep_spec, require_room
    from stackgen.verbs.logs import Logs
    from stackgen.verbs.looking import Status, status_of
    from stackgen.verbs.memory import record_measured
    from stackgen.verbs.rendering import (
        Rendered,
        differences,
        finish_interrupted,
        is_interrupted,
        open_stacks,
        render_stack,
        render_stacks,
        text_of_file,
    )
    from stackgen.verbs.rotation import begin_rotation, consequences, refuse_rotation
    from stackgen.verbs.running import (
        final_lines,
        forget_replaced,
        forget_simulation,
        leftovers,
        reached,
        refuse_what_is_real,
        settle_access,
        still_awake,
    )
    from stackgen.verbs.secrets import Secrets, keep_secret, readers, secret_named, secrets_of
    from stackgen.verbs.sight import Sight, sight_of
    from stackgen.verbs.solving import Solved, solve
    from stackgen.verbs.stack import Stack, open_stack, stack_name

FILES = {
    "adopting": ("Adoption", "adopt"),
    "asked_files": ("Opened",),
    "beginning": ("Proposed", "Wishes", "proposal_lines", "propose"),
    "checking": ("add_live", "static_report"),
    "explaining": (
        "answer", "folder_beside", "masked_failure", "named_profiles", "open_asked", "profile", "profiles",
    ),
    "choice": ("group_lines",),
    "facts": (
        "Kept", "data_of_facts", "facts_beside", "folder_of", "hub_token", "keep_facts", "lines_of_fact", "rows_of_facts",
    ),
    "finding": ("FoundDocker", "Ground", "ground", "known_cards", "room_warnings"),
    "first_files": ("keep_spec", "require_room"),
    "logs": ("Logs",),
    "looking": ("Status", "status_of"),
    "memory": ("record_measured",),
    "rendering": (
        "Rendered", "differences", "finish_interrupted", "is_interrupted", "open_stacks", "render_stack",
        "render_stacks", "text_of_file",
    ),
    "rotation": ("begin_rotation", "consequences", "refuse_rotation"),
    "running": (
        "final_lines", "forget_replaced", "forget_simulation", "leftovers", "reached", "refuse_what_is_real",
        "settle_access", "still_awake",
    ),
    "secrets": ("Secrets", "keep_secret", "readers", "secret_named", "secrets_of"),
    "sight": ("Sight", "sight_of"),
    "solving": ("Solved", "solve"),
    "stack": ("Stack", "open_stack", "stack_name"),
}  # fmt: skip
"""The file of each name, for what runs; the imports above say the same to the type checker, and a test compares them."""

__all__ = [
    "Adoption", "FoundDocker", "Ground", "Kept", "Logs", "Opened", "Proposed", "Rendered", "Secrets", "Sight", "Solved", "Stack",
    "Status", "Wishes", "add_live", "adopt", "answer", "begin_rotation", "consequences", "data_of_facts", "differences",
    "facts_beside", "final_lines", "finish_interrupted", "folder_beside", "folder_of", "forget_replaced",
    "forget_simulation", "ground", "group_lines", "hub_token", "is_interrupted", "keep_facts", "keep_secret",
    "keep_spec", "known_cards", "leftovers", "lines_of_fact", "masked_failure", "named_profiles", "open_asked", "open_stack",
    "open_stacks", "profile", "profiles", "proposal_lines", "propose", "reached", "readers", "record_measured",
    "refuse_rotation", "refuse_what_is_real", "render_stack", "render_stacks", "require_room", "room_warnings",
    "rows_of_facts", "secret_named", "secrets_of", "settle_access", "sight_of", "solve", "stack_name", "static_report",
    "status_of", "still_awake", "text_of_file",
]  # fmt: skip

if not TYPE_CHECKING:  # a type checker that saw it would take any name for one of ours

    def __getattr__(name):  # noqa: ANN001, ANN202 - no checker reads it
        for file, names in FILES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(f"{__name__}.{file}"), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
