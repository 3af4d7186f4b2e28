"""Where the gateway's routes end, and what it believes about the models there."""

from __future__ import annotations

from traps.check import about, servers

from stackgen import facts

_OPENAI_SHAPED = {"openai", "hosted_vllm"}
"""Providers that append /chat/completions and the like to the base as it is given."""
_PENALTIES = {"frequency_penalty", "presence_penalty", "repetition_penalty"}


def routes_to(*roles):
    return lambda stack: stack.routes_to(*roles)


def every_route(stack):
    return stack.routes


def names_of_one_deployment(stack):
    names = [route.name for route in stack.routes]
    return [route for route in stack.routes if names.count(route.name) == 1]


def chat_routes(stack):
    return [route for route in stack.routes_to("vllm", "ollama") if route.mode == "chat"]


def chat_routes_to_ollama(stack):
    return [route for route in stack.routes_to("ollama") if route.mode == "chat"]


def _wrong_base(route, wanted):
    if route.provider in _OPENAI_SHAPED and route.path != wanted:
        yield f"{route.provider} asks {route.path or '/'}, the engine answers below {wanted}"


@about(routes_to("vllm"))
def trap_1(stack, route):
    yield from _wrong_base(route, "/v1")
    if route.provider == "vllm":
        yield "the provider `vllm` loads a model inside the gateway"


@about(routes_to("speaches"))
def trap_2(stack, route):
    yield from _wrong_base(route, "/v1")


@about(routes_to("infinity"))
def trap_3(stack, route):
    server = stack.named(route.host)
    prefix = server.value("--url-prefix") or server.environment.get("INFINITY_URL_PREFIX", "")
    if route.path != prefix:
        yield f"asks {route.path or '/'}, Infinity answers below {prefix or '/'}"


@about(chat_routes_to_ollama)
def trap_4(stack, route):
    if route.provider == "ollama":
        yield "`ollama/` writes the prompt itself; chat, tools and images go to `ollama_chat/`"
    elif route.provider == "ollama_chat" and route.path:
        yield f"`ollama_chat/` appends /api/chat to {route.path}"
    yield from _wrong_base(route, "/v1")


@about(every_route)
def trap_5(stack, route):
    if not route.parameters.get("api_key"):
        yield "no api_key: a real key of the gateway's environment would be sent, or none at all"


@about(names_of_one_deployment)
def trap_6(stack, route):
    cools = stack.settings("router_settings").get("disable_cooldowns") is not True
    if cools and route.parameters.get("cooldown_time") != 0:
        yield "one error takes the only deployment out"


@about(chat_routes_to_ollama)
def trap_7(stack, route):
    given = stack.named(route.host).environment.get("OLLAMA_CONTEXT_LENGTH", "")
    if not given.isdigit():
        yield "its server has no OLLAMA_CONTEXT_LENGTH: the version or the card decides how much is cut off"
    if route.provider not in _OPENAI_SHAPED and not isinstance(route.parameters.get("num_ctx"), int):
        yield "no num_ctx"


def _served_context(stack, route):
    server = stack.named(route.host)
    if server.role == "vllm":
        given = server.value("--max-model-len")
    else:
        given = route.parameters.get("num_ctx") or server.environment.get("OLLAMA_CONTEXT_LENGTH")
    return int(given) if given else None


@about(chat_routes)
def trap_8(stack, route):
    longest, answer = (route.information.get(key) for key in ("max_input_tokens", "max_output_tokens"))
    served = _served_context(stack, route)
    if "max_tokens" in route.information:
        yield "model_info has max_tokens: a third figure, which readers take for the context or for the answer"
    if longest is None:
        yield "no max_input_tokens"
    elif served is not None and longest + (answer or 0) > served:
        yield f"promises {longest} + {answer or 0} tokens, the engine serves {served}"


@about(servers("vllm"))
def trap_9(stack, server):
    overrides = " ".join(server.values("--hf-overrides"))
    if "--rope-scaling" in server.flags or "rope" in overrides:
        yield "one factor stretches positions of every request, short ones too"
    source = server.value("--model") or (server.words[0] if server.words else "")
    known, context = facts.models().get(source), server.value("--max-model-len")
    if known is not None and context and int(context) > known.longest_context:
        yield f"serves {context} tokens, {source} learned {known.longest_context}"


@about(every_route)
def trap_79(stack, route):
    """What stands in litellm_params is a default, a caller's own word wins (measured on 1.106.2); it must agree with itself."""
    given, told = route.parameters.get("max_tokens"), route.information.get("max_output_tokens")
    if given != told and given is not None:
        yield f"answers end after {given} tokens, and model_info says {told}"
    for name in sorted(_PENALTIES & set(route.parameters)):
        if route.provider.startswith("ollama"):
            yield f"{name} is another setting for Ollama"
