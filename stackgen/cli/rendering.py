"""The verb that writes the files of stacks, and shows what it would write: render."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackgen import console
from stackgen.cli.app import app
from stackgen.cli.options import DEFAULT_FILE, Groups, OutFolder, before, named_specs
from stackgen.cli.silence import teller
from stackgen.errors import ExitCode, StackError

if TYPE_CHECKING:
    from stackgen.adoption import Edit
    from stackgen.files import Difference
    from stackgen.verbs import Adoption, Rendered, Stack

_FINISHED = "finished a write that was interrupted"
_CHOICE = "a choice is kept in .stackgen/, which is not committed: where it is not, name the groups with --group"
Specs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", help="Specs, or their folders.", show_default="stack.yaml", callback=named_specs),
]


@app.command(
    short_help="Write the files of the stack.",
    epilog="Examples: stackgen render campus/stack.yaml --out /srv/campus; stackgen render lab campus --diff; "
    "stackgen render --stdout --only litellm/config.yaml",
)
def render(
    specs: Specs = None,
    out: OutFolder = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; print the difference and exit with 1 where there is one.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print the difference, and say what was edited by hand.")
    ] = False,
    stdout: Annotated[bool, typer.Option("--stdout", help="Write nothing; print docker-compose.yml.")] = False,
    only: Annotated[
        str | None, typer.Option("--only", metavar="PATH", help="With --stdout: print this file instead.")
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Write nothing; print the lines of the spec that would make edits by hand stay."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were edited by hand.")] = False,
    group: Groups = None,
) -> None:
    """Write docker-compose.yml, the gateway's configuration, .env and RUNBOOK.md.

    Of several specs all are written, or none where one is refused. The groups that are active stay so for later verbs,
    until --group names others.
    """
    from stackgen import verbs

    specs = specs or [DEFAULT_FILE]
    _refuse_contradictions(
        specs, out, {"--check": check, "--diff": diff, "--stdout": stdout, "--adopt": adopt, "--force": force}, only
    )
    only_looks = stdout or adopt or check or diff
    with before("" if only_looks else "nothing was written"):
        stacks = verbs.open_stacks(specs, out, groups=group or ())
    _refuse_one_folder_for_two(stacks)
    if stdout:
        console.data(verbs.text_of_file(stacks[0], only))
    elif adopt:
        _adopt(stacks, specs, group or ())
    elif check or diff:
        _compare(stacks, gate=check)
    else:
        with before("nothing was written"):
            done = verbs.render_stacks(stacks, force=force)
        for stack, rendered in zip(stacks, done, strict=True):
            if len(stacks) > 1:
                console.say(f"{stack.plan.name}:")
            tell_rendered(rendered, stack)
            if rendered.rotated:
                names = ", ".join(rendered.rotated)
                console.say(f"containers that run have the old {names}; `stackgen up` replaces them")


def _refuse_contradictions(specs: Sequence[Path], out: Path | None, said: dict[str, bool], only: str | None) -> None:
    """Wrong usage: options that cannot mean anything together.

    Raises:
        typer.BadParameter: names them.
    """
    given = [option for option, value in said.items() if value]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} contradict each other; choose one")
    if only is not None and not said["--stdout"]:
        raise typer.BadParameter("it says which file --stdout prints; add --stdout", param_hint="--only")
    if len(specs) > 1 and out is not None:
        raise typer.BadParameter("several specs cannot have one folder; leave it out", param_hint="--out")
    if len(specs) > 1 and said["--stdout"]:
        raise typer.BadParameter("it prints the file of one spec; name one", param_hint="--stdout")


def _refuse_one_folder_for_two(stacks: Sequence[Stack]) -> None:
    """Wrong usage: two specs, or one twice, whose files would take each other's place.

    Raises:
        typer.BadParameter: names them.
    """
    folders: dict[str, str] = {}
    for stack in stacks:
        folder = os.path.realpath(stack.out)
        if folder in folders:
            message = f"`{folders[folder]}` and `{stack.plan.name}` would both be written into {stack.out}; name one"
            raise typer.BadParameter(message, param_hint="FILE")
        folders[folder] = stack.plan.name


def _compare(stacks: Sequence[Stack], *, gate: bool) -> None:
    """Print what would change; a gate ends with 1 where something would.

    Raises:
        typer.Exit: of a gate.
    """
    from stackgen import verbs

    found = [verbs.differences(stack) for stack in stacks]
    console.diff(difference.text for differences in found for difference in differences)
    for stack, differences in zip(stacks, found, strict=True):
        _tell_differences(stack, differences, several=len(stacks) > 1)
    if gate and (any(found) or any(verbs.is_interrupted(stack) for stack in stacks)):
        raise typer.Exit(ExitCode.PROBLEM)


def _tell_differences(stack: Stack, found: Sequence[Difference], *, several: bool) -> None:
    name = f"{stack.plan.name}: " if several else ""
    tell_interrupted(stack.out)
    if not found:
        console.say(f"{name}the rendered files are what the spec says")
        return
    many = "s" if len(found) > 1 else ""
    edited = [difference.path for difference in found if difference.by_hand]
    writes = "" if edited else f"; `stackgen render` writes {'them' if many else 'it'}"
    console.say(f"{name}{len(found)} file{many} would change{writes}")
    if edited:
        ways = "`stackgen render --adopt` shows what makes it permanent, `stackgen render --force` drops it"
        console.warn(f"{name}edited by hand: {', '.join(edited)}; {ways}")
    if stack.plan.groups:
        console.say(f"{name}active here: {', '.join(stack.plan.active_groups)}; {_CHOICE}")


def _adopt(stacks: Sequence[Stack], specs: Sequence[Path], groups: Sequence[str]) -> None:
    """Print what the specs must say; end with 1 where something cannot be said.

    Raises:
        typer.Exit: something cannot be said.
    """
    from stackgen import verbs
    from stackgen.verbs import adopting

    whole = True
    for file, stack in zip(specs, stacks, strict=True):
        tell: Callable[[Edit], None] = teller(lambda edit, _: f"trying what may stand for {edit.where} …")
        found = verbs.adopt(file, stack, groups=groups, tell=tell)
        mask = adopting.masked(stack)
        console.data(mask(adopting.lines(found, file)))
        _tell_adoption(found, mask)
        whole = whole and not found.unsaid
    if not whole:
        raise typer.Exit(ExitCode.PROBLEM)


def _tell_adoption(found: Adoption, mask: Callable[[str], str]) -> None:
    from stackgen.verbs import adopting

    out = found.stack.out
    if not found.edited:
        console.say(f"{out}: nothing was edited by hand")
        return
    for path in found.gone:
        console.say(f"{path} was deleted; `stackgen render` writes it again")
    for path in found.mixed:
        console.warn(f"{path}: the spec was changed too since it was written, and these lines would take that back")
    for rendered, source in found.copies:
        console.say(f"{rendered} is a copy: cp {out / rendered} {found.stack.folder / source}")
    for edit in found.follows:
        console.say(mask(f"follows: {edit.file}: {adopting.spelled(edit)}"))
    for place, reason in found.unsaid:
        console.warn(mask(f"{place}: {reason}"))
    if found.said:
        rest = f", but for {len(found.unsaid)} of them" if found.unsaid else ""
        console.say(f"tried: with these lines `stackgen render` writes what you edited{rest}", "ok")
    if not found.unsaid:
        last = "put them into the spec, then " if found.said else "the spec says all of it: "
        console.say(f"next: {last}`stackgen render --force` takes the place of the edited files (comments are lost)")


def tell_rendered(rendered: Rendered, stack: Stack) -> None:
    """Say what was written, generated, and is missing."""
    from stackgen import verbs

    written = rendered.written
    for line in _done(rendered, stack):
        console.say(line)
    for secret in rendered.missing:
        console.warn(
            f"{secret.name} has no value yet: `stackgen secrets set {secret.name}` before `stackgen up`; it {secret.purpose}"
        )
    for name in rendered.differing:
        console.warn(
            f"{name} has another value in your environment than in .stackgen/secrets.env, which counts; "
            f"`printenv {name} | stackgen secrets set {name}` takes the new one"
        )
    for complaint in rendered.weak:
        console.warn(f"{complaint.message}; {complaint.hint}")
    for warning in stack.plan.warnings:
        console.warn(warning)
    for line in verbs.group_lines(stack.plan):
        console.say(line)
    nothing = "nothing changed but .env" if written.env_changed else "nothing changed"
    what = f"{len(written.changed)} changed, {len(written.unchanged)} as before" if written.changed else nothing
    console.say(f"{stack.out}: {what}", "ok")


def _done(rendered: Rendered, stack: Stack) -> Iterator[str]:
    """What a render did, a line each."""
    if rendered.finished:
        yield f"{stack.out}: {_FINISHED}"
    yield from (f"wrote {path}" for path in rendered.written.changed)
    yield from (f"removed {path}" for path in rendered.written.removed)
    yield from (f"generated {name}" for name in rendered.generated)
    yield from (f"rotated {name}" for name in rendered.rotated)


def tell_interrupted(out: Path) -> None:
    """Say that files are of two sets, where a verb touches none."""
    from stackgen import files

    if files.is_interrupted(out):
        console.warn(f"{out}: a write was interrupted; the next `stackgen render` finishes it")


def tell_finished(stack: Stack) -> None:
    """Finish a write that was interrupted, so that a look at the files sees one set; say where that cannot be."""
    from stackgen import verbs

    try:
        if verbs.finish_interrupted(stack):
            console.say(f"{stack.out}: {_FINISHED}")
    except StackError as refusal:
        console.warn(f"{refusal.where}: {refusal.message}")
