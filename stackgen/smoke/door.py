"""What doors must refuse, and what the gateway says about itself: its entries, its cache, its database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stackgen.backing import litellm, postgres, redis
from stackgen.modalities import MODALITIES, Reply
from stackgen.parts import Route
from stackgen.plan import Deployment, Plan
from stackgen.records import dataclass
from stackgen.render.litellm import document
from stackgen.render.yaml import Note
from stackgen.smoke.asks import Ask
from stackgen.smoke.caller import NOT_ASKED
from stackgen.smoke.result import Hop, Result
from stackgen.smoke.transport import File, Request
from stackgen.smoke.visit import bearer, cause_of, straight
from stackgen.sources import printable

_WITHOUT, _WRONG, _UNKNOWN = "refuses without key", "refuses a wrong key", "refuses an unknown model"
_ANSWERED = {
    _WITHOUT: "answered without a key",
    _WRONG: "answered to a wrong key",
    _UNKNOWN: "answered for a model that does not exist",
}
_NO_DATABASE = "Not connected"
_NOBODY = "stackgen-no-such-model"
_WRONG_KEY = "sk-stackgen-wrong-key"
_OK, _CLIENT_ERRORS, _SERVER_ERRORS = 200, 400, 500
_NO_KEY_AT_AN_ENGINE = frozenset({401, 403})
_ANY_CLIENT_ERROR = frozenset(range(_CLIENT_ERRORS, _SERVER_ERRORS)) - _NO_KEY_AT_AN_ENGINE


@dataclass(frozen=True, kw_only=True)
class Knock:
    """One request to a door, and the results that its reply gives."""

    hop: Hop
    request: Request
    results: Callable[[Reply], Sequence[Result]]
    repeated: bool = False
    """Whether a bad reply is asked for once more: the gateway mends a broken connection to a store when it next needs it."""


def knocks(plan: Plan, asks: Sequence[Ask], keys: Mapping[str, str]) -> Iterator[Knock]:
    """Every request to a door: once for the gateway, once for each engine that is asked and that stackgen runs."""
    yield from _gateway_refusals(plan, asks[0].route, keys)
    yield from _information(plan, asks, keys)
    engines = {ask.service: ask.route for ask in reversed(asks) if ask.also_straight and ask.route.port}
    for service in dict.fromkeys(ask.service for ask in asks if ask.service in engines):
        yield from _engine_refusals(engines[service], keys)


def _gateway_refusals(plan: Plan, route: Route, keys: Mapping[str, str]) -> Iterator[Knock]:
    url = f"{plan.gateway_url}{MODALITIES[route.modality].path}"
    body, upload = body_of(route)
    named = Request(url=url, headers={}, body={"model": route.public_names[0], **body}, upload=upload)
    wrong_key = frozenset({400, 401})  # 400: it has no database to look keys up in
    yield refusal(Hop.GATEWAY, litellm.NAME, _WITHOUT, named, frozenset({401}))
    yield refusal(Hop.GATEWAY, litellm.NAME, _WRONG, replace(named, headers=bearer(_WRONG_KEY)), wrong_key)
    master = bearer(keys[litellm.MASTER_KEY.name])
    stranger = replace(named, headers=master, body={**named.body, "model": _NOBODY})
    if not upload and (plan.gateway.default_fallbacks or plan.gateway.fallbacks):
        stranger = replace(stranger, body={**stranger.body, "disable_fallbacks": True})
    yield refusal(Hop.GATEWAY, litellm.NAME, _UNKNOWN, stranger)


def _engine_refusals(route: Route, keys: Mapping[str, str]) -> Iterator[Knock]:
    body, upload = body_of(route)
    right = straight(route, keys, {"model": route.served_name, **body}, upload)
    if route.key:
        for probe, headers in ((_WITHOUT, {}), (_WRONG, bearer(_WRONG_KEY))):
            request = replace(right, headers=headers)
            yield refusal(Hop.ENGINE, route.service, probe, request, _NO_KEY_AT_AN_ENGINE)
    if not route.quirks.any_name:
        request = replace(right, body={**right.body, "model": _NOBODY})
        yield refusal(Hop.ENGINE, route.service, _UNKNOWN, request)


def body_of(route: Route) -> tuple[Mapping[str, Any], File | None]:
    """What the first probe of a model sends."""
    probe = MODALITIES[route.modality].probes[0]
    return probe.body(route.quirks), File.of(probe.upload)


def refusal(
    hop: Hop, service: str, probe: str, request: Request, statuses: frozenset[int] = _ANY_CLIENT_ERROR
) -> Knock:
    """A request that must be refused with one of these statuses. Where nobody answers, models tell it already."""

    def results(reply: Reply) -> list[Result]:
        if reply.status in statuses:
            complaint = None
        elif reply.status == _OK:
            complaint = _ANSWERED.get(probe, "answered all the same")
        else:
            wanted = "HTTP 4xx" if len(statuses) > 2 else f"HTTP {' or '.join(map(str, sorted(statuses)))}"  # noqa: PLR2004 - more would not be read
            complaint = reply.error or f"expected {wanted}, got {reply.refusal()}"
        result = _result(hop, service, probe, reply, complaint)
        if result.skipped:
            return [result]
        return [replace(result, complaint=None, skipped=reply.error) if hop is Hop.ENGINE and reply.error else result]

    return Knock(hop=hop, request=request, results=results)


def _information(plan: Plan, asks: Sequence[Ask], keys: Mapping[str, str]) -> Iterator[Knock]:
    """What the gateway knows: it may run with another file than the one on disk."""
    master = bearer(keys[litellm.MASTER_KEY.name])

    def get(path: str, results: Callable[[Reply], Sequence[Result]]) -> Knock:
        request = Request(url=f"{plan.gateway_url}{path}", headers=master, body={}, method="GET")
        return Knock(hop=Hop.GATEWAY, request=request, results=results, repeated=True)

    yield get("/v1/model/info", lambda reply: list(_entry_results(plan, {ask.route.model for ask in asks}, reply)))
    if plan.gateway.cache in litellm.REDIS_CACHES:
        yield get("/cache/ping", lambda reply: [_cache(reply)])
    if plan.gateway.database:
        yield get("/health/readiness", lambda reply: [_database(reply)])


def _cache(reply: Reply) -> Result:
    why = reply.error or f"HTTP {reply.status}"
    bad = None if reply.status == _OK else f"the gateway does not reach its cache: {why}"
    return _result(Hop.GATEWAY, redis.NAME, "cache of the gateway", reply, bad)


def _database(reply: Reply) -> Result:
    """One that is lost is a failure. An image without the database's client runs on without it, and says so with HTTP 200."""
    data = reply.json()
    told = data.get("db") if isinstance(data, dict) else None
    good = reply.status == _OK and told in {"connected", _NO_DATABASE}
    bad = (
        None if good else f"the gateway does not reach its database: {told or reply.refusal() or 'it does not say why'}"
    )
    result = _result(Hop.GATEWAY, postgres.NAME, "database of the gateway", reply, bad)
    skipped = "the gateway runs without a database, so it knows no teams and keys" if told == _NO_DATABASE else ""
    return result if result.complaint or result.skipped else replace(result, skipped=skipped)


def _entry_results(plan: Plan, models: set[str], reply: Reply) -> Iterator[Result]:
    """One for each entry that the gateway must have, and one for those that it should not have."""
    data = reply.json()
    entries = data.get("data") if isinstance(data, dict) else None
    if reply.refusal() or not isinstance(entries, list):
        lacking = reply.refusal() or "the gateway lists no entries"
        yield _result(Hop.GATEWAY, litellm.NAME, "entries", reply, lacking)
        return
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in filter(lambda entry: isinstance(entry, dict), entries):
        found.setdefault(str(_part(entry, "model_info").get("id")), []).append(entry)
    wanted = {note.value["model_info"]["id"]: note.value for note in document(plan)["model_list"]}
    for deployment in plan.deployments:
        if deployment.route.model in models:
            complaints = _entry_complaints(wanted[deployment.id], found.get(deployment.id, []))
            yield _entry_result(plan, deployment, reply, "; ".join(complaints) or None)
    for identifier in sorted(found.keys() - wanted.keys()):
        name = found[identifier][0].get("model_name")
        stranger = f"the gateway serves `{name}` (id {identifier}), which is not in the spec"
        yield _result(Hop.GATEWAY, litellm.NAME, "entries", reply, stranger)


def _entry_result(plan: Plan, deployment: Deployment, reply: Reply, complaint: str | None) -> Result:
    result = _result(Hop.GATEWAY, deployment.route.service, "entry", reply, complaint)
    name = deployment.public_name
    name = f"{name} ({deployment.id})" if name in plan.shared_names else name
    return replace(result, name=name, model=deployment.route.model)


def _entry_complaints(wanted: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where the gateway's entry leads elsewhere than the spec's; aliases are listed as entries with the same id."""
    if not entries:
        yield "the gateway has no such entry"
        return
    found = next((entry for entry in entries if entry.get("model_name") == wanted["model_name"]), entries[0])
    for section, key in (
        ("", "model_name"),
        ("litellm_params", "model"),
        ("litellm_params", "api_base"),
        ("model_info", "mode"),
    ):
        should = _plain(_part(wanted, section).get(key))
        there = _part(found, section).get(key)
        if should is not None and there != should:
            yield f"{key} is {there}, must be {should}"


def _part(entry: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = _plain(entry.get(section)) if section else entry
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Note) else value


def _result(hop: Hop, service: str, probe: str, reply: Reply, complaint: str | None) -> Result:
    name = "gateway" if service == litellm.NAME else service
    skipped = reply.error if reply.error.startswith(NOT_ASKED) else ""
    complaint = None if skipped else complaint
    return Result(
        name=name,
        model="",
        probe=probe,
        hop=hop,
        service=service,
        complaint=None if complaint is None else printable(complaint),
        seconds=reply.seconds,
        skipped=skipped,
        cause=cause_of(reply, complaint),
    )
