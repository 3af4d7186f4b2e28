"""What a spec must say so that edits by hand of rendered files stay: each proposal is tried before it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stackgen import adoption, files, render, sources, vault
from stackgen.adoption import Edit, Ground, Proposal, Text
from stackgen.errors import SpecError, StackError
from stackgen.facts.adoption import why_unsayable
from stackgen.masking import Mask
from stackgen.plan import Plan
from stackgen.records import dataclass
from stackgen.render.yaml import Note, comment, dump
from stackgen.sources import Change
from stackgen.sources.changes import LeftOut, changed
from stackgen.sources.document import value_of
from stackgen.spec import Spec
from stackgen.verbs.stack import Stack, open_stack

_UNSAYABLE = "stackgen writes it, and no key of the spec leaves it out or says it in another way"
_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Said:
    """An edit that a spec can say, and how."""

    edit: Edit
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What became of the edits by hand in one output folder."""

    stack: Stack
    edited: tuple[str, ...]
    said: tuple[Said, ...] = ()
    unsaid: tuple[tuple[str, str], ...] = ()
    """What cannot be said in the spec, each with the reason."""
    copies: tuple[tuple[str, str], ...] = ()
    """Edited files whose text is that of a file beside the spec: the rendered one, and that."""
    follows: tuple[Edit, ...] = ()
    """What else is rendered in another way with the new lines."""
    mixed: tuple[str, ...] = ()
    """Edited files that the spec alone would change by now too."""
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Trial:
    """The spec with what was proposed so far: its plan, what it says, what would be rendered."""

    plan: Plan
    data: Mapping[str, Any]
    rendered: Mapping[str, Mapping[str, Any]]

    def left(self, edited: Mapping[str, Text]) -> dict[_Key, Edit]:
        """What is still different in the edited files."""
        found = [
            edit
            for name, text in edited.items()
            for edit in adoption.edits(self.rendered[name], adoption.aligned(text, self.rendered[name]))
        ]
        return {edit.key: edit for edit in found}


def adopt(file: Path, stack: Stack, *, groups: Sequence[str] = (), tell: Callable[[Edit], None]) -> Adoption:
    """Find for each edit by hand what the spec must say instead. Nothing is written.

    Args:
        file: the spec, or its folder.
        stack: the stack as it was opened.
        groups: names of groups that are to be active, as it was opened with.
        tell: hears which edit is worked on.

    Raises:
        SpecError: an edited file is no YAML.
    """
    engines = frozenset(instance.name for instance in stack.plan.instances)
    edited, gone, texts, manifest = files.steadily(stack.out, lambda: _edited(stack, engines))
    search = _Search(file, stack, groups, texts, engines)
    search.run(tell)
    wanted = {each.path: each.text for each in stack.files()}
    others = [path for path in edited if path not in (*gone, *texts)]
    copies = dict(_copies(stack, others))
    return Adoption(
        stack=stack,
        edited=tuple(edited),
        said=tuple(search.said),
        unsaid=(*search.reasons(), *((path, why_unsayable(path, "")) for path in others if path not in copies)),
        copies=tuple(copies.items()),
        follows=tuple(search.follows()),
        mixed=tuple(path for path in texts if files.digest(wanted.get(path, "")) != manifest[path]),
        gone=gone,
    )


def lines(found: Adoption, file: Path) -> str:
    """YAML to be merged into the spec, each line with the edit that it stands for; empty where there is nothing to say.

    Args:
        found: what can be said.
        file: the spec, or its folder.
    """
    origins = sources.load(file).document
    tree: dict[str, Any] = {}
    dropped = []
    for said in found.said:
        for change in said.changes:
            if isinstance(change.value, LeftOut):
                dropped.append(f"take out {'.'.join(change.path)} ({origins.place(change.path, of_key=True)})")
            else:
                _merge(tree, change, f"{said.edit.where}, {_label(said.edit)}")
    if not tree and not dropped:
        return ""
    header = [f"{origins.file}: merge these lines with what is there; a list stands for the whole list", *dropped]
    ordered = {key: tree[key] for key in Spec.model_fields if key in tree}
    return dump(ordered, header) if tree else "".join(f"{comment(line)}\n" for line in header)


def _merge(tree: dict[str, Any], change: Change, note: str) -> None:
    for key in change.path[:-1]:
        below = tree.setdefault(key, {})
        tree = below.value if isinstance(below, Note) else below
    last, there = change.path[-1], tree.get(change.path[-1])
    there = there.value if isinstance(there, Note) else there
    if isinstance(there, dict) and isinstance(change.value, dict):
        for key, value in change.value.items():
            _merge(there, Change((key,), value), note)
    else:
        tree[last] = _noted(change.value, note)


def _noted(value: Any, note: str) -> Any:
    """The comment at the innermost map of one key, where it is said what is meant."""
    if isinstance(value, dict) and len(value) == 1:
        return {key: _noted(inner, note) for key, inner in value.items()}
    return Note(dict(value) if isinstance(value, dict) else value, note)


def masked(stack: Stack) -> Callable[[str], str]:
    """Takes secrets out of a text: kept ones, and those that somebody wrote into an edited file."""
    mask = Mask(known=stack.values().values())
    for path in adoption.FILES:
        text = files.text_of(stack.out / path)
        if text is not None:
            mask.rendered(value_of(text, path))
    return mask.text


def _edited(
    stack: Stack, engines: frozenset[str]
) -> tuple[list[str], tuple[str, ...], dict[str, Text], dict[str, str]]:
    """Edited files, those of them that are gone, what the others hold, and what stackgen wrote of all."""
    edited = [*files.hand_edits(stack.out), *_edited_env(stack)]
    gone = tuple(path for path in edited if files.text_of(stack.out / path) is None)
    texts = {
        path: adoption.text_of(stack.out / path, path, engines)
        for path in adoption.FILES
        if path in edited and path not in gone
    }
    return edited, gone, texts, files.read_manifest(stack.out)


def _edited_env(stack: Stack) -> list[str]:
    """`.env`, which no manifest knows, where somebody edited it."""
    text = files.text_of(stack.out / render.ENV_FILE)
    known = vault.rendered_env_digests(stack.home, stack.out)
    return [render.ENV_FILE] if text is not None and known and files.digest(text) not in known else []


def _copies(stack: Stack, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Texts that were copied from beside the spec: the place to edit them is there."""
    for instance in stack.plan.instances:
        for served in instance.models:
            for target, source in served.model.mounts.items():
                path = f"files/{instance.name}/{target.strip('/')}"
                if path in paths and not source.startswith("/"):
                    yield path, source


class _Search:
    """Takes one edit after the other, and of its proposals the best that renders what was written by hand there."""

    def __init__(
        self, file: Path, stack: Stack, groups: Sequence[str], edited: Mapping[str, Text], engines: frozenset[str]
    ) -> None:
        self._file = file
        self._stack = stack
        self._groups = groups
        self._edited = edited
        self._engines = engines
        self._before = self._now = self._trial(())
        self._wanted = self._before.left(edited)
        self._refused: dict[_Key, str] = {}
        self.said: list[Said] = []

    def run(self, tell: Callable[[Edit], None]) -> None:
        """Settle each edit."""
        for key, edit in self._wanted.items():
            if key in self._now.left(self._edited):  # else another one has settled it
                tell(edit)
                self._take(edit)

    def reasons(self) -> Iterator[tuple[str, str]]:
        """What cannot be said, and why."""
        left = self._now.left(self._edited)
        for key, edit in self._wanted.items():
            if key in left:
                yield f"{edit.where}: {spelled(edit)}", self._refused.get(key, "another edit takes it back")

    def follows(self) -> Iterator[Edit]:
        """What is rendered in another way where nobody edited: it is planned anew, or added to what was written."""
        for key, edit in self._now.left(self._edited).items():
            if key not in self._wanted:
                yield replace(edit, old=edit.new, new=edit.old)
        for name, rendered in self._now.rendered.items():
            if name not in self._edited:
                text = Text(name, rendered, sources.Document(name, {}))
                yield from adoption.edits(self._before.rendered.get(name, {}), text)

    def _take(self, edit: Edit) -> None:
        """Take the best proposal: one that changes nothing else; then one after which something is planned anew."""
        ground = Ground(self._now.plan, self._now.data, self._edited)
        left, reason = set(self._now.left(self._edited)), ""
        second: tuple[Proposal, _Trial] | None = None
        for proposal in adoption.proposals(ground, edit):
            if proposal.last_resort and (second or reason):
                break
            try:
                trial = self._trial((*self._changes(), *proposal.changes))
            except StackError as refusal:
                reason = reason or _first_message(refusal)
                continue
            after = set(trial.left(self._edited))
            takes_others = proposal.last_resort and left - after != {edit.key}
            if edit.key in after or after & set(self._wanted) - left or takes_others:
                continue
            if after <= left:
                second = (proposal, trial)
                break
            second = second or (proposal, trial)
        if second:
            self.said.append(Said(edit, second[0].changes))
            self._now = second[1]
        else:
            self._refused[edit.key] = adoption.why_not(ground, edit) or reason or _UNSAYABLE

    def _changes(self) -> tuple[Change, ...]:
        return tuple(change for said in self.said for change in said.changes)

    def _trial(self, changes: Sequence[Change]) -> _Trial:
        """Plan and render the spec with changes, in memory.

        Raises:
            StackError: such a spec is refused.
        """
        stack = self._stack
        if changes:
            stack = open_stack(self._file, stack.out, changes=changes, groups=self._groups, suggest=False)
        texts = {each.path: each.text for each in stack.files() if each.path in adoption.FILES}
        rendered = {
            name: adoption.comparable(name, value_of(text, name), self._engines) for name, text in texts.items()
        }
        document = sources.document.read(self._stack.folder / stack.plan.spec_file, stack.plan.spec_file)[0]
        return _Trial(stack.plan, changed(document, changes).data, rendered)


def _first_message(refusal: StackError) -> str:
    first = refusal.problems[0] if isinstance(refusal, SpecError) else refusal
    return f"{first.message}; {first.hint}" if first.hint else first.message


def spelled(edit: Edit) -> str:
    """An edit in words; a secret that stands in clear is not shown."""
    name = _label(edit)
    if adoption.is_secret(edit):
        return f"{name} (its value is not shown)"
    return f"{name}: {adoption.shown(edit.old)} → {adoption.shown(edit.new)}"


def _label(edit: Edit) -> str:
    """What an edit is about: a flag of a service, a key."""
    if len(edit.path) > 3 and edit.path[2] == "command":  # noqa: PLR2004 - services, name, command, flag
        flag, number = adoption.flag_of(edit.path[3])
        return f"{edit.path[1]} {flag or 'command'}{f' (number {number + 1})' if number else ''}"
    return ".".join(part for part in edit.path if part not in {"services", "model_list"})
