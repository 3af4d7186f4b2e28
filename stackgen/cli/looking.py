"""Verbs that look at a running stack: status, logs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli import completion
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, AsJson, BesideSpec, OutFolder, Simulate, SpecFile
from stackgen.cli.rendering import tell_finished
from stackgen.documents import document
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.verbs import Logs

_AGO = re.compile(r"(\d+)([smhd])")
_SECONDS_OF = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@app.command(
    short_help="Show what is wanted beside what runs.",
    epilog="Examples: stackgen status campus/stack.yaml; stackgen status --json | jq .ok",
)
def status(
    file: SpecFile = DEFAULT_FILE,
    out: OutFolder = None,
    as_json: AsJson = False,
    simulate: Simulate = False,
) -> None:
    """Show each service beside its container, and why `stackgen up` would change it.

    The exit code is 0 whatever there is to see; scripts read `ok` of --json.
    """
    from stackgen import runtime, verbs

    sight = verbs.sight_of(file, out, simulate=simulate)
    if sight.stack:
        tell_finished(sight.stack)
    found = verbs.status_of(sight, runtime.connect())
    for warning in found.warnings:
        console.warn(warning)
    if as_json:
        console.data_json(document("status", found.as_json()))
        return
    console.table(list(found.rows()), state_column=1)
    facts = list(found.facts())
    if facts:
        console.data("\n" + "".join(f"{line}\n" for line in facts))
    for sentence in found.sentences():
        console.say(sentence)


@app.command(
    short_help="Show what the containers wrote.",
    epilog="Examples: stackgen logs; stackgen logs vllm-chat --follow; stackgen logs litellm --since 10m --raw > gateway.log",
)
def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE",
            help="Names as `stackgen status` shows them; all without.",
            autocompletion=completion.services,
        ),
    ] = None,
    file: BesideSpec = DEFAULT_FILE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    tail: Annotated[
        str, typer.Option("--tail", "-n", metavar="LINES", help="The last lines of each container, or `all`.")
    ] = "100",
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="Only what is newer: 90s, 10m, 2h, 3d, or a time in ISO form."),
    ] = "",
    raw: Annotated[bool, typer.Option("--raw", help="JSON as it is, and no name before a line.")] = False,
    simulate: Simulate = False,
) -> None:
    """Show what the containers of the stack wrote, in the order of time, also of those that ended.

    Secrets are taken out. The spec is an option here, for the arguments are services; it need not be sound.
    """
    from stackgen import runtime, verbs

    window = runtime.logs.Window(_lines(tail), _moment(since))
    sight = verbs.sight_of(file, simulate=simulate)
    found = verbs.Logs(sight, runtime.connect(), services or ())
    if sight.warning:
        console.warn(sight.warning)
    _tell_absent(found, sight.verb("up"), follow=follow)
    show = console.log_printer(() if raw else found.names)
    try:
        for line in found.lines(window, go_on=follow, raw=raw, refused=_tell_refused):
            show(line.service, line.text)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _tell_absent(found: Logs, start: str, *, follow: bool) -> None:
    """Say who has no container.

    Raises:
        StackError: nobody has one, and nobody waits for one.
    """
    names = ", ".join(found.absent)
    if found.is_empty and not follow:
        message = f"there is no container of {names}" if names else "there is no container"
        raise StackError(message, hint=start)
    if names:
        console.say(f"no container yet: {names}")


def _tell_refused(service: str, reason: str) -> None:
    console.warn(f"the log of {service} cannot be read: {reason}")


def _lines(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"`{text}` is neither a number nor `all`", param_hint="--tail")
    return int(text)


def _moment(text: str) -> datetime | None:
    """A time ago, or a time in ISO form, which is this machine's where it names no zone."""
    if not text:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _SECONDS_OF[ago[2]])
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        message = f"`{text}` is neither a time such as 2026-11-21T14:00 nor one ago such as 10m"
        raise typer.BadParameter(message, param_hint="--since") from None
