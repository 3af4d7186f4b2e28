"""Every refusal of a spec, word for word: what is written, where it is refused, why, and what to do.

The transcripts lie in refusals/: lines of YAML, then `> line:column message` and `> hint: …`, an empty line between cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SMALL, plan_of

from stackgen.errors import SpecError

FOLDER = Path(__file__).resolve().parent / "refusals"
CARDS = """\
version: 1
name: cards
profiles: [nvidia]
gpus:
  a0: {card: a100-80gb, index: 0}
  a1: {card: a100-80gb, index: 1}
  a2: {card: a100-80gb, index: 2}
models:
  chat:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
"""
"""The lines of a case go on with the model."""
SHARED = """\
version: 1
name: shared
profiles: [cpu]
secrets: {ONE: {required: false}, TWO: {required: false}}
services: {web: {compose: {image: "web:1"}, secret_environment: {ONE: ONE, TWO: TWO}}}
models:
  one: {source: "qwen3:1.7b", engine: ollama, modalities: [chat], %s}
  two: {source: "qwen2.5:1.5b", engine: ollama, modalities: [chat], %s}
"""
"""The first line of a case is said in one model, the second in the other, which shares its instance."""


def cases() -> Iterator[tuple[str, str, str]]:
    for file in sorted(FOLDER.glob("*.txt")):
        for case in file.read_text(encoding="utf-8").strip("\n").split("\n\n"):
            lines = case.split("\n")
            spec = "\n".join(line for line in lines if not line.startswith("> "))
            yield file.stem, spec, "\n".join(line for line in lines if line.startswith("> "))


def whole(topic: str, lines: str) -> str:
    match topic:
        case "models":
            return SMALL.replace("    modalities: [chat]\n", f"    modalities: [chat]\n{lines}\n")
        case "cards":
            return f"{CARDS}{lines}\n"
        case "instances":
            return SHARED % tuple(lines.split("\n"))
    return f"{SMALL}{lines}\n"


def transcript(error: SpecError) -> Iterator[str]:
    for problem in error.problems:
        yield f"> {problem.place.line}:{problem.place.column} {problem.message}"
        if problem.hint:
            yield from (f"> {line}" for line in f"hint: {problem.hint}".split("\n"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "good.txt").write_text("text")
    (tmp_path / "large.txt").write_text("x" * 300_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(("topic", "lines", "expected"), list(cases()), ids=lambda value: value.split("\n")[0][:60])
def test_a_mistake_is_refused_in_these_words(topic, lines, expected, folder):
    with pytest.raises(SpecError) as raised:
        plan_of(folder, whole(topic, lines))
    assert "\n".join(transcript(raised.value)) == expected


def test_many_mistakes_of_one_spec_are_all_told_once_in_the_order_of_their_lines(folder):
    with pytest.raises(SpecError) as raised:
        plan_of(folder, MANY)
    problems = raised.value.problems
    assert [(problem.place.line, problem.message) for problem in problems] == MANY_MESSAGES
    assert len({(problem.place, problem.message) for problem in problems}) == len(problems)


MANY = """\
version: 1
name: many
profiles: [cpu]
network: {subnet: 10.0.0.0/24, external: proxy}
secrets:
  UNKNOWN_TO_ALL: {}
  VLLM_API_KEY: {required: true}
storage:
  huggingface: {path: /data/hf, volume: hf-cache}
  nothing: {path: /data/x}
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    generation: {max_tokens: 4096}
    secret_environment: {A: NOT_DECLARED}
    mounts: {/a: missing.txt}
    publish: {port: 4000}
    overrides: {compose: {depends_on: [nobody], privilegd: true}}
    gateway: {litellm_params: {api_base: "http://x"}}
  embed:
    source: sentence-transformers/all-MiniLM-L6-v2
    engine: infinity
    modalities: [embedding]
    public_names: [chat]
    generation: {seed: 1}
endpoints:
  cloud: {provider: opnai, url: "http://localhost:1"}
  voices: {provider: hosted_vllm, modalities: [speech], url: "http://voices/v1"}
gateway:
  database: false
  cache_seconds: 60
  cooldown_seconds: 60
  aliases: {chat: cloud}
  fallbacks: {chat: [voices], cloud: [cloud]}
  default_fallbacks: [nobody]
  callbacks: [langfuse]
  environment: {LITELLM_MASTER_KEY: x}
  pass_through: {ocr: {path: /ocr, url: "http://127.0.0.1:1"}}
  teams: {people: {budget_days: 30}}
  keys: {notebook: {team: poeple}}
  raw:
    litellm_settings: {num_retires: 1}
    router_settings: {num_retries: many}
services:
  litellm: {compose: {image: "a:1"}}
  web: {compose: {image: "a:1", environment: {A: "${NOT_DECLARED}"}, ports: ["4000:80"]}}
overrides:
  vllm-chta: {compose: {}}
"""
MANY_MESSAGES = [
    (4, "a network has `subnet` or `external`, not both"),
    (6, "nothing in this stack uses the secret UNKNOWN_TO_ALL"),
    (7, "stackgen generates VLLM_API_KEY where it is missing"),
    (9, "`huggingface` has `path` and `volume`"),
    (10, "nothing in this stack keeps `nothing`"),
    (16, "an answer of 4096 tokens leaves nothing of a context of 4096 tokens"),
    (17, "the stack has no secret `NOT_DECLARED`"),
    (18, "`missing.txt` cannot be read: No such file or directory"),
    (19, "port 4000 on 127.0.0.1 is taken by litellm on 127.0.0.1"),
    (20, "the stack has no service `nobody`"),
    (20, "Compose knows no key `privilegd` of a service"),
    (21, "`api_base` is written by stackgen"),
    (26, "the public name `chat` is chat in `chat` and embedding here"),
    (27, "embedding generates no text"),
    (29, "the gateway has no provider `opnai`"),
    (29, "inside the gateway's container `localhost` is that container"),
    (30, "the gateway has no way to speech by the provider hosted_vllm"),
    (33, "`cache` is none, so this does nothing"),
    (35, "`chat` is a public name already"),
    (36, "`voices` does audio_speech, and `chat` does chat"),
    (36, "`cloud` falls back to itself"),
    (37, "there is no public name `nobody`"),
    (38, "the callback langfuse needs LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY"),
    (39, "LITELLM_MASTER_KEY is a secret of the stack"),
    (40, "inside the gateway's container `127.0.0.1` is that container"),
    (41, "teams are kept in the database"),
    (41, "there is no budget that could begin anew"),
    (42, "keys are kept in the database"),
    (42, "there is no team `poeple`"),
    (44, "litellm_settings of the pinned gateway knows no `num_retires`"),
    (45, "`num_retries` must be a whole number, not `many`"),
    (47, "the stack has a service litellm of its own"),
    (48, "the stack has no secret `NOT_DECLARED`"),
    (48, "port 4000 on 0.0.0.0 is taken by litellm on 127.0.0.1"),
    (50, "the stack renders no service `vllm-chta`"),
]
