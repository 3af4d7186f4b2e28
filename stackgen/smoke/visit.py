"""One request to a model on one way: what is sent, and what its reply is worth."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from stackgen import facts
from stackgen.backing import litellm
from stackgen.facts.requests import request_causes
from stackgen.modalities import MODALITIES, Asked, Reply
from stackgen.modalities.transcription import unique
from stackgen.parts import Quirks, Route
from stackgen.plan import Plan, service_url
from stackgen.records import dataclass
from stackgen.smoke.asks import Ask
from stackgen.smoke.result import Hop, Result
from stackgen.smoke.transport import File, Request

_FALLBACKS, _ANSWERED_BY = "x-litellm-attempted-fallbacks", "x-litellm-model-id"
_LETTERS_IN_A_TOKEN = 3
_TOKENS_OF_A_PICTURE = 256
FIRST, SECOND, LAST = range(3)
"""Waves: the first question to each model; everything else; what goes on from an answer."""


@dataclass
class Known:
    """Good replies so far, from which later requests go on."""

    replies: dict[tuple[Hop, str, str, str], Reply] = field(default_factory=dict)
    recordings: list[tuple[Hop, str, Quirks, Reply]] = field(default_factory=list)

    def keep(self, visit: Visit, reply: Reply) -> None:
        """Remember a good reply."""
        ask = visit.ask
        self.replies[visit.hop, ask.service, ask.model, ask.probe.name] = reply
        if reply.data:
            self.recordings.append((visit.hop, ask.route.modality, ask.route.quirks, reply))

    def before(self, visit: Visit) -> Reply | None:
        """The reply that a request goes on from."""
        return self.replies.get((visit.hop, visit.ask.service, visit.ask.model, visit.ask.probe.after))

    def recording(self, visit: Visit) -> tuple[Quirks, Reply] | None:
        """A recording from the same way, in a language that the model understands."""
        hears = visit.ask.route.quirks.hears
        for hop, modality, quirks, reply in self.recordings:
            if (hop, modality) == (visit.hop, visit.ask.probe.hears) and hears in ("", quirks.language):
                return quirks, reply
        return None


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One probe of one deployment, on one way."""

    ask: Ask
    hop: Hop
    wave: int

    @property
    def tokens(self) -> int:
        """The most that it may read and write, an estimate."""
        body = self.ask.probe.body(self.ask.route.quirks)
        return int(body.get("max_tokens", 0)) + _tokens(body)

    def request(self, plan: Plan, keys: Mapping[str, str], known: Known) -> Request:
        """What is sent."""
        ask, route = self.ask, self.ask.route
        body = ask.probe.body(route.quirks)
        before = known.before(self) if ask.probe.after else None
        if before:
            body = ask.probe.onward(body, before)
        upload, recording = File.of(ask.probe.upload), known.recording(self)
        if upload and recording:
            upload = replace(upload, **_file(recording[1]))
            body = {**body, "language": _short(recording[0].language)}
        if self.hop is Hop.ENGINE:
            return straight(route, keys, {"model": route.served_name, **body}, upload)
        url = f"{plan.gateway_url}{MODALITIES[route.modality].path}"
        body = {"model": ask.model, **body, **({} if upload else _own_answer(plan, ask))}
        return Request(url=url, headers=bearer(keys[litellm.MASTER_KEY.name]), body=body, upload=upload)

    def result(self, reply: Reply, known: Known, *, exact: bool) -> Result:
        """What the reply is worth; a good one is kept for those that go on from it."""
        recording = known.recording(self)
        said = facts.speech_text(recording[0].language) if recording else ""
        language = recording[0].language if recording else "en"
        asked = Asked(quirks=self.ask.route.quirks, said=said, language=language, exact=exact)
        complaint = self._complaint(reply, asked)
        if complaint is None:
            known.keep(self, reply)
        return replace(
            self.skipped(""),
            complaint=complaint,
            cause=cause_of(reply, complaint),
            seconds=reply.seconds,
            tokens=reply.tokens(),
            first_seconds=reply.first_seconds,
        )

    def skipped(self, reason: str) -> Result:
        """A request that was not sent."""
        ask = self.ask
        return Result(
            name=ask.name,
            model=ask.route.model,
            probe=ask.probe.name,
            hop=self.hop,
            service=ask.service,
            complaint=None,
            seconds=0.0,
            modality=ask.route.modality,
            skipped=reason,
        )

    def _complaint(self, reply: Reply, asked: Asked) -> str | None:
        """The probe's; an answer of another model that the gateway asked instead is never good."""
        complaint = self.ask.probe.judge(reply, asked)
        if self.hop is Hop.GATEWAY and self.ask.equals:
            helped = reply.headers.get(_ANSWERED_BY, "") not in {"", *self.ask.equals}
        else:
            helped = self.hop is Hop.GATEWAY and reply.headers.get(_FALLBACKS, "0") != "0"
        own = "answered by a fallback, not by this model"
        return "; ".join(filter(None, (complaint, own))) if helped else complaint


def straight(route: Route, keys: Mapping[str, str], body: Mapping[str, Any], upload: File | None = None) -> Request:
    """A request to the engine itself, with the key that it was given."""
    inside = route.port and route.probe_endpoint
    url = service_url(route.service, route.port, route.probe_endpoint) if inside else route.url
    headers = bearer(keys.get(route.key.name, "")) if route.key else {}
    return Request(url=url, headers=headers, body=body, upload=upload)


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def cause_of(reply: Reply, complaint: str | None) -> str:
    """The kind of a complaint; empty for a good reply, and for an answer that is not good."""
    if complaint is None:
        return ""
    refused = reply.refusal() is not None
    for entry in request_causes():
        told = any(text in complaint for text in entry.texts)
        if (told and (refused or not reply.error)) or (refused and reply.status in entry.statuses):
            return entry.cause
    return ""


def _own_answer(plan: Plan, ask: Ask) -> dict[str, Any]:
    """A cached answer, or one of a fallback, would prove nothing. Forms cannot say either.

    Among equals the next rank counts as a fallback too, so there the answer tells who gave it.
    """
    gateway = plan.gateway
    more: dict[str, Any] = {} if gateway.cache == "none" else {"cache": {"no-cache": True}}
    if not ask.equals and (gateway.default_fallbacks or gateway.fallbacks or gateway.context_window_fallbacks):
        more["disable_fallbacks"] = True
    return more


def _file(recording: Reply) -> dict[str, str]:
    """A recording as a client would send it: the gateway may name its kind wrongly, so its bytes are asked."""
    content = recording.content()
    if content.startswith(b"RIFF"):
        data = base64.b64encode(unique(content)).decode()
        return {"name": "speech.wav", "content_type": "audio/wav", "data": data}
    return {"name": "speech.mp3", "content_type": "audio/mpeg", "data": recording.data}


def _short(language: str) -> str:
    """`pt` for `pt-BR`: the code that transcription takes."""
    return language.replace("_", "-").partition("-")[0].lower()


def _tokens(value: Any) -> int:
    """About how many tokens a body has for its reader; a picture counts as one, not by its letters."""
    if isinstance(value, str):
        return _TOKENS_OF_A_PICTURE if value.startswith("data:") else len(value) // _LETTERS_IN_A_TOKEN + 1
    if isinstance(value, Mapping):
        return sum(map(_tokens, value.values()))
    return sum(map(_tokens, value)) if isinstance(value, list) else 0
