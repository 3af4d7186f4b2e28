"""What the real engines and their stand-ins are both asked."""

from __future__ import annotations

from typing import Any

from honesty import KEY, Ask

from stackgen.modalities import MODALITIES
from stackgen.parts import Quirks

_CHAT, _COMPLETION = "/v1/chat/completions", "/v1/completions"
_PROBES = {probe.name: probe.body for modality in MODALITIES.values() for probe in modality.probes}
_QUIRKS = Quirks()


def _bodies(path: str) -> list[Ask]:
    """Bodies that are wrong in ways that have nothing to do with the route."""
    raws = {"empty": b"", "half": b"{", "list": b"[]", "null": b"null", "text": b'"x"', "no fields": b"{}"}
    return [Ask(name=f"{path} with a body that is {what}", path=path, raw=raw) for what, raw in raws.items()]


def _routes(*routes: str, key: str | None = None, name: str = "without a key") -> list[Ask]:
    asks = []
    for route in routes:
        method, _, path = route.partition(" ")
        body = {} if method == "POST" else None
        asks.append(Ask(name=f"{route} {name}", method=method, path=path, body=body, key=key))
    return asks


def _chat(name: str, **fields: Any) -> Ask:
    """A conversation without thoughts, whose answer both cut at the same length."""
    plain = {
        "model": "chat",
        "messages": [{"role": "user", "content": "How is the weather in Paris?"}],
        "max_tokens": 3,
        "temperature": 0,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    return Ask(name=f"chat: {name}", path=_CHAT, body={**plain, **fields})


def _completion(name: str, **fields: Any) -> Ask:
    body = {"model": "chat", "prompt": "Hello there, you", "max_tokens": 3, "temperature": 0, **fields}
    return Ask(name=f"completion: {name}", path=_COMPLETION, body=body)


_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "pick",
            "parameters": {
                "type": "object",
                "properties": {"letter": {"enum": ["a", "b"]}},
                "required": ["letter"],
                "additionalProperties": False,
            },
        },
    }
]
_NAMED = {"type": "function", "function": {"name": "pick"}}
_LONG = "word " * 400
_USAGE = {"stream": True, "stream_options": {"include_usage": True}}

# Streams of several answers are not here: in which order vLLM brings their pieces is another one each time.
VLLM: tuple[Ask, ...] = (
    *_routes(
        "GET /health", "GET /metrics", "GET /version", "GET /load", "GET /ping", "POST /ping", "GET /kv_event_sources"
    ),
    *_routes("GET /docs", "HEAD /docs", "GET /redoc", "GET /v1/models", "POST /v1/chat/completions", "POST /v1/nope"),
    *_routes("POST /invocations", "POST /tokenize", "POST /inference/v1/generate", "OPTIONS /v1/models", "GET /v2/x"),
    *_routes("GET /v1/models", "POST /v1/chat/completions", "GET /v1/nope", key="sk-wrong", name="with a wrong key"),
    *_routes(
        "GET /v1/models", "GET /", "GET /v1", "GET /nope", "POST /nope", "GET /v1/nope", key=KEY, name="with the key"
    ),
    *_routes("POST /chat/completions", "POST /completions", "POST /v1/embeddings", key=KEY, name="with the key"),
    *_routes("POST /v1/rerank", "POST /rerank", "GET /server_info", "GET /is_sleeping", key=KEY, name="with the key"),
    *_routes(
        "POST /score",
        "POST /pooling",
        "POST /classify",
        "POST /v2/rerank",
        "POST /v1/score",
        key=KEY,
        name="with the key",
    ),
    *_routes("POST /v1/audio/transcriptions", "POST /v1/audio/speech", "POST /sleep", key=KEY, name="with the key"),
    *_routes(
        "POST /reset_prefix_cache", "GET /get_world_size", "POST /v1/v1/completions", key=KEY, name="with the key"
    ),
    *_routes(
        "GET /v1/chat/completions", "DELETE /v1/models", "HEAD /health", "POST /health", key=KEY, name="with the key"
    ),
    *_routes("POST /v1/chat/completions/", "GET /v1/models/", "GET /health/", key=KEY, name="with the key"),
    *_routes(
        "POST /v1/messages", "POST /v1/messages/count_tokens", "POST /v1/systemone", key=KEY, name="with no fields"
    ),
    *_routes(
        "POST /v1/responses", "POST /generative_scoring", "POST /scale_elastic_ep", key=KEY, name="with no fields"
    ),
    *_routes("POST /v1/chat/completions/batch", "POST /v1/chat/completions/render", key=KEY, name="with no fields"),
    *_routes("POST /is_scaling_elastic_ep", "POST /v1/responses/x/cancel", "GET /v1/responses/x", key=KEY, name=""),
    Ask(name="the key under another scheme", method="GET", path="/v1/models", key=None, authorization=f"Basic {KEY}"),
    Ask(name="the scheme in small letters", method="GET", path="/v1/models", key=None, authorization=f"bearer {KEY}"),
    *_bodies(_CHAT),
    *_bodies(_COMPLETION),
    *_bodies("/tokenize"),
    Ask(name="chat as plain text", path=_CHAT, raw=b'{"messages":[]}', content_type="text/plain"),
    Ask(name="chat without a content type", path=_CHAT, raw=b'{"messages":[]}', content_type=""),
    Ask(
        name="chat with a character set",
        path=_CHAT,
        raw=b'{"messages":[]}',
        content_type="application/json; charset=utf-8",
    ),
    _chat("whole"),
    _chat("the served name is empty", model=""),
    _chat("no model", model=None),
    _chat("unknown model", model="nope"),
    _chat("the source is no served name", model="/models/tiny-llama"),
    _chat("model is a number", model=5),
    _chat("unknown model and wrong length", model="nope", max_tokens=-1),
    _chat("no messages", messages=[]),
    _chat("messages are a text", messages="x"),
    _chat("a message without a role", messages=[{"content": "x"}]),
    _chat("a message without content", messages=[{"role": "user"}]),
    _chat("a role of one's own", messages=[{"role": "alien", "content": "x"}]),
    _chat("content is a number", messages=[{"role": "user", "content": 5}]),
    _chat("content in parts", messages=[{"role": "user", "content": [{"type": "text", "text": "hello"}]}]),
    _chat("a part of an unknown type", messages=[{"role": "user", "content": [{"type": "alien"}]}]),
    _chat("a picture for a model of text", **_PROBES["vision"](_QUIRKS)),
    _chat("no tokens", max_tokens=0),
    _chat("fewer tokens than none", max_tokens=-1),
    _chat("tokens are a text", max_tokens="x"),
    _chat("tokens are a number in a text", max_tokens="2"),
    _chat("tokens are half a number", max_tokens=2.5),
    _chat("more tokens than the model holds", max_tokens=1000),
    _chat("the newer name of the limit", max_completion_tokens=2),
    _chat("a prompt that is too long", messages=[{"role": "user", "content": _LONG}]),
    _chat("a prompt that is too long, no limit", messages=[{"role": "user", "content": _LONG}], max_tokens=None),
    _chat("two answers", n=2, temperature=1.0, ignore_eos=True),
    _chat("two answers at no temperature", n=2),
    _chat("no answers", n=0),
    _chat("a temperature below zero", temperature=-1),
    _chat("a temperature in words", temperature="hot"),
    _chat("top_p too large", top_p=3),
    _chat("stop is a number", stop=5),
    _chat("stop is a text", stop="never"),
    _chat("a field that nobody knows", unknown_field=1),
    _chat("a seed and a user", seed=1, user="x"),
    _chat("streamed", stream=True),
    _chat("streamed with usage", **_USAGE),
    _chat(
        "streamed with usage after each token",
        stream=True,
        stream_options={**_USAGE["stream_options"], "continuous_usage_stats": True},
    ),
    _chat("stream is a word", stream="x"),
    _chat("usage of a stream that is none", stream_options={"include_usage": True}),
    _chat("streamed by an unknown model", stream=True, model="nope"),
    _chat("streamed with a prompt that is too long", stream=True, messages=[{"role": "user", "content": _LONG}]),
    _chat("thoughts that are cut", chat_template_kwargs={}),
    _chat("thoughts that are cut, streamed", chat_template_kwargs={}, **_USAGE),
    _chat("tools, none to be called", tools=_TOOLS, tool_choice="none"),
    _chat("a tool must be called", tools=_TOOLS, tool_choice="required", max_tokens=150),
    _chat("this tool must be called", tools=_TOOLS, tool_choice=_NAMED, max_tokens=150),
    _chat("this tool must be called, streamed", tools=_TOOLS, tool_choice=_NAMED, max_tokens=150, **_USAGE),
    _chat(
        "an unknown tool must be called", tools=_TOOLS, tool_choice={"type": "function", "function": {"name": "nope"}}
    ),
    _chat("a choice without tools", tool_choice="auto"),
    _chat("a tool must be called and there is none", tool_choice="required"),
    _chat("a list of no tools", tools=[]),
    _chat("a choice that nobody knows", tools=_TOOLS, tool_choice="maybe"),
    _chat("tools are a text", tools="x"),
    _chat("a tool without a function", tools=[{}]),
    _chat("a form that nobody knows", response_format={"type": "xml"}),
    _chat("a schema that is missing", response_format={"type": "json_schema"}),
    _chat("a form of text", response_format={"type": "text"}),
    _chat("one of some words", structured_outputs={"choice": ["yes", "no"]}, max_tokens=20),
    _chat("a text of a pattern", structured_outputs={"regex": "[0-9]{3}"}, max_tokens=20),
    _chat("one of one word, streamed", structured_outputs={"choice": ["yes"]}, max_tokens=20, stream=True),
    _completion("whole"),
    _completion("two prompts", prompt=["a b", "c d"]),
    _completion("numbers of tokens", prompt=[1, 2, 3]),
    _completion("lists of numbers", prompt=[[1, 2], [3]]),
    _completion("no prompts", prompt=[]),
    _completion("an empty prompt", prompt=""),
    _completion("null for a prompt", prompt=None),
    _completion("a number for a prompt", prompt=5),
    _completion("with its prompt", echo=True),
    _completion("its prompt alone", echo=True, max_tokens=0),
    _completion("no tokens", max_tokens=0),
    _completion("more tokens than the model holds", max_tokens=1000),
    _completion("a prompt that is too long", prompt=_LONG),
    _completion("two answers", n=2, temperature=1.0, ignore_eos=True),
    _completion("unknown model", model="nope"),
    _completion("a text after it", suffix="x"),
    _completion("streamed", stream=True),
    _completion("streamed with usage", **_USAGE),
    Ask(name="tokens of a text", path="/tokenize", body={"model": "chat", "prompt": "Hello"}, key=None),
    Ask(
        name="tokens of a conversation",
        path="/tokenize",
        body={"messages": [{"role": "user", "content": "x"}]},
        key=None,
    ),
    Ask(name="tokens for an unknown model", path="/tokenize", body={"model": "nope", "prompt": "Hello"}, key=None),
    Ask(name="text of tokens", path="/detokenize", body={"model": "chat", "tokens": [1, 2, 3]}, key=None),
    Ask(
        name="work by Anthropic's form",
        path="/v1/messages",
        body={"model": "chat", "max_tokens": 3, "messages": [{"role": "user", "content": "hi"}]},
    ),
    Ask(
        name="work by the form of responses",
        path="/v1/responses",
        body={"model": "chat", "max_output_tokens": 20, "input": "hi"},
    ),
    Ask(
        name="tokens by Anthropic's form",
        path="/v1/messages/count_tokens",
        body={"model": "chat", "messages": [{"role": "user", "content": "hi"}]},
    ),
)


def _embedding(name: str, **fields: Any) -> Ask:
    return Ask(name=f"embedding: {name}", path="/embeddings", body={"model": "embed", "input": "Hello", **fields})


def _rerank(name: str, **fields: Any) -> Ask:
    body = {"model": "rank", **_PROBES["rerank"](_QUIRKS), **fields}
    return Ask(name=f"rerank: {name}", path="/rerank", body=body)


def _classify(name: str, **fields: Any) -> Ask:
    return Ask(name=f"classify: {name}", path="/classify", body={"model": "rank", "input": ["x"], **fields})


_WORK = ("/embeddings", "/rerank", "/classify", "/embeddings_image", "/embeddings_audio")

INFINITY: tuple[Ask, ...] = (
    *_routes("GET /health", "GET /metrics", "GET /docs", "HEAD /docs", "GET /redoc", "GET /", "GET /models"),
    *_routes(*(f"POST {path}" for path in _WORK), "GET /embeddings", "OPTIONS /embeddings", "POST /nope"),
    *_routes("GET /models", "POST /embeddings", "POST /nope", key="sk-wrong", name="with a wrong key"),
    *_routes("GET /models", "GET /nope", "GET /models/x", "GET /v1/models", key=KEY, name="with the key"),
    *_routes("POST /v1/embeddings", "POST /v1/rerank", "GET /embeddings", key=KEY, name="with the key"),
    *_routes("GET /v1/health", "GET /version", "POST /similarity", key=KEY, name="with the key"),
    *_routes("HEAD /health", "POST /health", "DELETE /models", key=KEY, name="with the key"),
    *_routes("POST /embeddings/", "GET /models/", key=KEY, name="with the key"),
    Ask(name="no JSON and no key", path="/embeddings", raw=b"{", key=None),
    Ask(name="no body and no key", path="/embeddings", raw=b"", key=None),
    Ask(name="the key under another scheme", method="GET", path="/models", key=None, authorization=f"Basic {KEY}"),
    Ask(name="the scheme in small letters", method="GET", path="/models", key=None, authorization=f"bearer {KEY}"),
    *(ask for path in _WORK for ask in _bodies(path)),
    Ask(name="embedding as plain text", path="/embeddings", raw=b'{"input":"x"}', content_type="text/plain"),
    _embedding("one text"),
    _embedding("as the probe asks", **_PROBES["embedding"](_QUIRKS)),
    _embedding("no texts", input=[]),
    _embedding("an empty text", input=""),
    _embedding("a number", input=5),
    _embedding("numbers", input=[1, 2]),
    _embedding("null", input=None),
    _embedding("too many texts", input=["x"] * 2049),
    _embedding("a long text", input="word " * 3000),
    _embedding("unknown model", model="nope"),
    _embedding("model is a number", model=5),
    _embedding("model is null", model=None),
    _embedding("a model that ranks", model="rank"),
    _embedding("packed", encoding_format="base64"),
    _embedding("packed in an unknown way", encoding_format="hex"),
    _embedding("fewer numbers", dimensions=8),
    _embedding("no numbers", dimensions=0),
    _embedding("fewer numbers than none", dimensions=-1),
    _embedding("more numbers than there are", dimensions=5000),
    _embedding("numbers in words", dimensions="x"),
    _embedding("a field that nobody knows", extra=1),
    _embedding("a user", user="u"),
    _embedding("a user that is a number", user=5),
    _embedding("text by name", modality="text"),
    _embedding("a picture that is none", modality="image"),
    _embedding("a sense that is none", modality="smell"),
    Ask(name="embedding without a model", path="/embeddings", body={"input": "x"}),
    _rerank("as the probe asks"),
    _rerank("the best one", top_n=1),
    _rerank("more than there are", top_n=99),
    _rerank("none", top_n=0),
    _rerank("fewer than none", top_n=-1),
    _rerank("some in words", top_n="x"),
    _rerank("with the documents", return_documents=True),
    _rerank("with the documents, maybe", return_documents="maybe"),
    _rerank("scores as they are", raw_scores=True),
    _rerank("unknown model", model="nope"),
    _rerank("a model that embeds", model="embed"),
    _rerank("model is null", model=None),
    _rerank("no documents", documents=[]),
    _rerank("documents are a text", documents="x"),
    _rerank("a document is a number", documents=[1]),
    _rerank("an empty document", documents=[""]),
    _rerank("too many documents", documents=["x"] * 2049),
    _rerank("an empty question", query=""),
    _rerank("the question is null", query=None),
    _rerank("a field that nobody knows", extra=1),
    _classify("a model that ranks"),
    _classify("a model that embeds", model="embed"),
    _classify("unknown model", model="nope"),
    _classify("one text", input="x"),
    Ask(
        name="a picture for a model of text",
        path="/embeddings_image",
        body={"model": "embed", "input": ["http://x/y.png"]},
    ),
    Ask(
        name="a sound for a model of text",
        path="/embeddings_audio",
        body={"model": "embed", "input": ["http://x/y.wav"]},
    ),
)
