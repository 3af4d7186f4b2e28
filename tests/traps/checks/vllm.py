"""vLLM's command line and folders, and how any engine's command is written."""

from __future__ import annotations

import json

from traps.check import about, servers
from traps.parts import gib

from stackgen import facts

_ROPE, _REQUEST_LOG, _SWAP = ("--rope-scaling", "--rope-theta"), ("--disable-log-requests",), ("--swap-space",)
_DEFAULTS = {
    "--kv-cache-dtype": "auto",
    "--dtype": "auto",
    "--load-format": "auto",
    "--tensor-parallel-size": "1",
    "--pipeline-parallel-size": "1",
}
"""What vLLM does without being told."""
_SERVE_ENTRYPOINT_SINCE = (0, 12)
"""From this release on it is certain that the image's entrypoint is `vllm serve`."""
_SHARED_MEMORY_GIB = 8

vllm = servers("vllm")


def with_reasoning(stack):
    return [server for server in stack.serving("vllm") if "--reasoning-parser" in server.flags]


def with_command(stack):
    return [service for service in stack.services if service.words]


def on_card(stack):
    return [server for server in stack.serving("vllm") if server.wants_card]


def source(server):
    """The weights that a vLLM serves: by flag in the old form, else the first word."""
    return server.value("--model") or next(iter(server.words), "")


def _gone(server, flags):
    removed = facts.flag_table("vllm", facts.flag_versions("vllm")[-1]).removed
    for flag in flags:
        if flag in server.flags:
            yield f"{flag} is gone in newer releases: {removed[flag]}"


@about(vllm)
def trap_10(stack, server):
    yield from _gone(server, _ROPE)


@about(vllm)
def trap_11(stack, server):
    version = ".".join(map(str, server.image.version))
    known, newest = facts.flag_table("vllm", version), facts.flag_table("vllm", facts.flag_versions("vllm")[-1])
    told_elsewhere = (*_ROPE, *_REQUEST_LOG, *_SWAP)
    yield from _gone(server, [flag for flag in newest.removed if flag not in told_elsewhere])
    for flag in server.flags:
        if known is not None and flag.split(".")[0] not in known.flags:
            yield f"{flag} is unknown to {version}"


@about(vllm)
def trap_12(stack, server):
    yield from _gone(server, _REQUEST_LOG)


@about(vllm)
def trap_13(stack, server):
    yield from _gone(server, _SWAP)


@about(with_reasoning)
def trap_14(stack, server):
    parser = server.value("--reasoning-parser")
    if "qwen3" in source(server).lower() and parser == "deepseek_r1":
        yield f"{parser} leaves content empty where Qwen3 does not think; its own parser is qwen3"


@about(vllm)
def trap_15(stack, server):
    if "--disable-log-stats" in server.flags:
        yield "--disable-log-stats empties /metrics"


@about(with_command)
def trap_16(stack, service):
    for key in ("command", "entrypoint"):
        if isinstance(service.data.get(key), str):
            yield f"{key} is one text, split by shell rules"
    for word in service.words:
        if word.startswith("{"):
            try:
                json.loads(word)
            except json.JSONDecodeError as error:
                yield f"{word} is no JSON: {error}"


@about(vllm)
def trap_17(stack, server):
    for flag, default in _DEFAULTS.items():
        if server.value(flag) == default:
            yield f"{flag} {default} is what happens without it"


@about(vllm)
def trap_18(stack, server):
    parallel = int(server.value("--tensor-parallel-size") or 1)
    shared, of_host = server.data.get("shm_size"), server.data.get("ipc") == "host"
    if parallel > 1 and not of_host and gib(shared or "64m") < _SHARED_MEMORY_GIB:
        yield f"{parallel} processes share {shared or '64m'} of /dev/shm"
    if parallel == 1 and server.wants_card and (shared or of_host):
        yield f"one process on one card, and {f'shm_size {shared}' if shared else 'ipc: host'}"


@about(vllm)
def trap_19(stack, server):
    folder = server.environment.get("VLLM_CACHE_ROOT", "/root/.cache/vllm")
    if not server.keeps(folder):
        yield f"{folder} is lost with the container, and compiled anew"


@about(vllm)
def trap_20(stack, server):
    if server.image.version < _SERVE_ENTRYPOINT_SINCE or server.entrypoint:
        return
    if "--model" in server.flags:
        yield "--model is the old form; the model is the first word after `vllm serve`"
    elif not server.words or server.words[0] in {"vllm", "serve"} or server.words[0].startswith("-"):
        yield f"the image says `vllm serve` already; the first word must be the model, not {(*server.words, '')[0]!r}"


@about(on_card)
def trap_80(stack, server):
    parallel, cards = int(server.value("--tensor-parallel-size") or 1), len(server.cards)
    if cards and parallel != cards:
        yield f"{parallel} processes on {cards} cards"
    weights = source(server).lower()
    if "fp8" in weights and server.value("--dtype") == "bfloat16":
        yield "--dtype bfloat16 for FP8 weights: the checkpoint says it better"


@about(vllm)
def trap_84(stack, server):
    if any("vllm.entrypoints" in word for word in (*server.entrypoint, *server.words)):
        yield "starts the server module by hand; the image starts `vllm serve`"
