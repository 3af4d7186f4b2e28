"""RUNBOOK.md: how to use and operate this stack, with and without stackgen."""

from __future__ import annotations

import json
import shlex
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stackgen.backing import litellm
from stackgen.modalities import MODALITIES
from stackgen.parts import Route
from stackgen.plan import Plan
from stackgen.resources import shipped


def runbook(plan: Plan) -> str:
    """The text of RUNBOOK.md."""
    return (
        _environment()
        .get_template("RUNBOOK.md")
        .render(
            plan=plan,
            master_key=litellm.MASTER_KEY.name,
            gateway_service=litellm.NAME,
            requests=[_request(plan, route, name) for route in plan.routes for name in route.public_names],
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(shipped("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, and every free text goes through `code`
    )
    environment.filters["code"] = code
    return environment


def code(text: str) -> str:
    """Text as inline code of Markdown, whatever backquotes and pipes it holds."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    fence = "`" * (longest + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}".replace("|", "\\|")


def _request(plan: Plan, route: Route, name: str) -> dict[str, Any]:
    modality = MODALITIES[route.modality]
    body = json.dumps({"model": name, **modality.probes[0].body}, ensure_ascii=False)
    return {
        "name": name,
        "modality": route.modality,
        "service": route.service,
        "command": " \\\n  ".join(
            (
                f"curl -fsS {plan.gateway_url}{modality.path}",
                f'-H "Authorization: Bearer ${litellm.MASTER_KEY.name}"',
                "-H 'Content-Type: application/json'",
                f"-d {shlex.quote(body)}",
            )
        ),
    }
