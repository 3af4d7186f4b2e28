"""Teams, keys and budgets at the gateway: what the spec declares, what the gateway has, and the requests between the two.

Only what is declared is compared and sent: spend, members and blocks stay as they are, and so does whatever the spec does
not name. A key is looked up by its SHA-256, so that its value stands in no URL; the value travels once, when it is made.

https://docs.litellm.ai/docs/proxy/virtual_keys
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from stackgen.access.declared import Entry, Kind, State, Wanted, closed, differences, failures, told, wanted
from stackgen.backing import litellm, postgres
from stackgen.errors import StackError
from stackgen.modalities import Reply
from stackgen.plan import Plan
from stackgen.plan.secrets import client_key
from stackgen.smoke import Request, Transport
from stackgen.sources import printable
from stackgen.vault import SecretValue, hidden, masker

__all__ = [
    "NOT_REHEARSED", "TIMEOUT_SECONDS", "Entry", "Kind", "State", "Wanted", "differences", "failures", "forget", "look", "settle",
    "told", "wanted",
]  # fmt: skip

NOT_REHEARSED = "not rehearsed against a real database"
TIMEOUT_SECONDS = 30.0

_BAD_REQUEST, _UNAUTHORIZED, _NOT_FOUND, _SERVER_ERROR = 400, 401, 404, 500
_WRAPPED = re.compile(r"""\{'(?:error|message)': (['"])(.*)\1\}""", re.DOTALL)


def look(plan: Plan, send: Transport, values: Mapping[str, SecretValue]) -> list[Entry]:
    """How everything that is declared stands at the gateway; nothing is changed.

    Args:
        plan: the stack.
        send: sends requests to the gateway.
        values: the stack's secrets by name.

    Raises:
        StackError: a value that is needed is not there.
    """
    return _Door(plan, send, values).look(wanted(plan))


def settle(plan: Plan, send: Transport, values: Mapping[str, SecretValue]) -> list[Entry]:
    """Make what is missing, change what differs, look again whether it is so; teams first, for keys belong to them.

    Args:
        plan: the stack.
        send: sends requests to the gateway.
        values: the stack's secrets by name.

    Raises:
        StackError: a value that is needed is not there. What the gateway refuses is an entry that failed.
    """
    door = _Door(plan, send, values)
    entries = door.look(wanted(plan))
    teams = door.settle([entry for entry in entries if entry.wanted.kind is Kind.TEAM])
    there = {entry.wanted.name for entry in teams if not entry.has_failed or entry.changes}
    keys = [entry for entry in entries if entry.wanted.kind is Kind.KEY]
    return [*teams, *door.settle([_without_team(entry, there) for entry in keys])]


def forget(
    plan: Plan, send: Transport, values: Mapping[str, SecretValue], digests: Mapping[str, str]
) -> dict[str, StackError]:
    """Let the gateway forget keys that were replaced, so that nobody gets in with them and their names are free.

    Args:
        plan: the stack.
        send: sends requests to the gateway.
        values: the stack's secrets by name.
        digests: SHA-256 of each key, by the name of its secret.

    Returns:
        Why one or another is still there, by the name of its secret.

    Raises:
        StackError: a value that is needed is not there.
    """
    return _Door(plan, send, values).forget(digests)


class _Door:
    """The gateway's API for teams and keys, asked with the master key."""

    def __init__(self, plan: Plan, send: Transport, values: Mapping[str, SecretValue]) -> None:
        names = [litellm.MASTER_KEY.name, *(client_key(name).name for name in plan.gateway.keys)]
        missing = [name for name in names if name not in values]
        if missing:
            message = f"{', '.join(missing)} not in .stackgen/secrets.env"
            raise StackError(message, hint=f"{plan.verb('up')} makes it")
        self._plan, self._send, self._values = plan, send, values
        digests = {name: SecretValue(self._digest(name)) for name in plan.gateway.keys}
        self._mask = masker({**values, **digests})

    def look(self, every: Sequence[Wanted]) -> list[Entry]:
        """One request each. Where the first gets no answer, nobody waits for the others."""
        asks = [self._question(entry) for entry in every]
        replies = self._send(asks[:1])
        replies = replies * len(asks) if replies and replies[0].error else [*replies, *self._send(asks[1:])]
        return [self._found(entry, reply) for entry, reply in zip(every, replies, strict=True)]

    def settle(self, entries: Sequence[Entry]) -> list[Entry]:
        """Act on what is missing or differs; what is asked for has to be there afterwards."""
        open_ones = [entry for entry in entries if entry.state in {State.MISSING, State.DIFFERENT}]
        replies = self._send([self._order(entry) for entry in open_ones])
        refused = [self._refused(entry, reply) for entry, reply in zip(open_ones, replies, strict=True)]
        taken = [entry for entry, failed in zip(open_ones, refused, strict=True) if failed is None]
        done = {failed.wanted.name: failed for failed in refused if failed}
        for entry, now in zip(taken, self.look([entry.wanted for entry in taken]), strict=True):
            done[entry.wanted.name] = _settled(entry, now, self._plan.verb("up"))
        return [done.get(entry.wanted.name, entry) for entry in entries]

    def forget(self, digests: Mapping[str, str]) -> dict[str, StackError]:
        """Ask for each, and delete those that are there."""
        hide = masker(hidden(digests))
        failures = {}
        for name, digest in digests.items():
            (reply,) = self._send([self._request("GET", f"/key/info?{urlencode({'key': digest})}", {})])
            if reply.refusal() is None:
                (reply,) = self._send([self._request("POST", "/key/delete", {"keys": [digest]})])
            if reply.status != _NOT_FOUND and (why := reply.refusal()):
                words = f"the gateway has not forgotten the old {name}: {printable(hide(self._mask(why)))}"
                failures[name] = StackError(words, hint=f"`{self._plan.verb('up')}` tries again")
        return failures

    def _question(self, entry: Wanted) -> Request:
        if entry.kind is Kind.TEAM:
            return self._request("GET", f"/team/info?{urlencode({'team_id': entry.name, 'key_limit': 1})}", {})
        return self._request("GET", f"/key/info?{urlencode({'key': self._digest(entry.name)})}", {})

    def _order(self, entry: Entry) -> Request:
        name, is_new = entry.wanted.name, entry.state is State.MISSING
        settings = entry.wanted.settings if is_new else entry.changes
        if entry.wanted.kind is Kind.TEAM:
            return self._request("POST", "/team/new" if is_new else "/team/update", {"team_id": name, **settings})
        if is_new:
            return self._request("POST", "/key/generate", {"key": self._value(name), **settings})
        return self._request("POST", "/key/update", {"key": self._digest(name), **settings})

    def _found(self, entry: Wanted, reply: Reply) -> Entry:
        section = "team_info" if entry.kind is Kind.TEAM else "info"
        data = reply.json()
        if reply.status == _NOT_FOUND and isinstance(data, dict) and "error" in data:
            return Entry(wanted=entry, state=State.MISSING)
        refused = self._refused(Entry(wanted=entry, state=State.SAME), reply)
        if refused:
            return refused
        found = data.get(section) if isinstance(data, dict) else None
        if not isinstance(found, dict):
            words = f"the gateway's answer is no JSON with `{section}`"
            return Entry(wanted=entry, state=State.FAILED, words=words, hint=self._logs())
        if found.get("status") == "deleted":
            return Entry(wanted=entry, state=State.MISSING)
        changes = differences(entry, found)
        state = State.DIFFERENT if changes else State.SAME
        words = self._mask(told(entry, found))
        return Entry(wanted=entry, state=state, changes=changes, words=words, closed=closed(found))

    def _refused(self, entry: Entry, reply: Reply) -> Entry | None:
        if reply.error:
            words = f"the gateway does not answer: {self._mask(reply.error)}"
            return replace(entry, state=State.UNANSWERED, words=words, hint=self._logs())
        refusal = replace(reply, body=self._mask(reply.body)).refusal()
        if refusal is None:
            return None
        words = printable(_WRAPPED.sub(r"\2", refusal))
        return replace(entry, state=State.FAILED, words=words, hint=self._hint(entry.wanted, reply))

    def _hint(self, entry: Wanted, reply: Reply) -> str:
        if reply.status == _UNAUTHORIZED:
            return f"the gateway runs with another {litellm.MASTER_KEY.name} than .stackgen/secrets.env has"
        if reply.status >= _SERVER_ERROR or reply.status == _NOT_FOUND:
            return self._logs()
        if reply.status == _BAD_REQUEST and entry.kind is Kind.KEY and "already exists" in reply.body:
            body = f'{{"key_aliases": ["{entry.name}"]}}'
            return f"the gateway has another key of that name, as after its value changed; POST /key/delete {body} deletes it"
        return f"look at `gateway.{entry.kind.value}s.{entry.name}` in {self._plan.spec_file}"

    def _logs(self) -> str:
        return self._plan.verb(f"logs {litellm.NAME} {postgres.NAME}")

    def _request(self, method: str, path: str, body: Mapping[str, Any]) -> Request:
        headers = {"Authorization": f"Bearer {self._values[litellm.MASTER_KEY.name].reveal()}"}
        return Request(url=f"{self._plan.gateway_url}{path}", method=method, headers=headers, body=body)

    def _value(self, name: str) -> str:
        return self._values[client_key(name).name].reveal()

    def _digest(self, name: str) -> str:
        return self._values[client_key(name).name].digest


def _without_team(entry: Entry, there: set[str]) -> Entry:
    """A key of a team that could not be made has to wait: the gateway would make it for no team."""
    team = entry.wanted.settings["team_id"]
    if team is None or team in there or entry.state not in {State.MISSING, State.DIFFERENT}:
        return entry
    return replace(entry, state=State.FAILED, words=f"its team {team} is not there", hint="mend the team first")


def _settled(before: Entry, now: Entry, again: str) -> Entry:
    """What became of an entry that the gateway took."""
    if now.state is State.SAME:
        state = State.CREATED if before.state is State.MISSING else State.UPDATED
        return replace(before, state=state, closed=now.closed)
    if now.has_failed:
        return now
    words = f"the gateway took it, and yet it is {now.state.value}"
    words += f": {now.words}" if now.words else ""
    return replace(now, state=State.FAILED, words=words, hint=f"its own defaults may do that; `{again}` tries again")
