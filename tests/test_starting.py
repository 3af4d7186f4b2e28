"""How long engines may take to start: what somebody wrote, else what their weights ask for."""

from __future__ import annotations

import pytest
import yaml
from support import plan_of

from stackgen import facts, render
from stackgen.engines import ENGINES
from stackgen.runtime import budgets_seconds

WEIGHTS = """\
models:
  house/Small-1B: {kind: llm, weights_gib: 2.5, layers: 16, hidden_size: 2048, intermediate_size: 8192,
    attention_heads: 32, kv_heads: 8, head_dim: 64, vocabulary_size: 128256, longest_context: 8192, source: ours}
  house/Larger: {kind: llm, weights_gib: 12.5, layers: 16, hidden_size: 2048, intermediate_size: 8192,
    attention_heads: 32, kv_heads: 8, head_dim: 64, vocabulary_size: 128256, longest_context: 8192, source: ours}
  /models/small: {kind: llm, weights_gib: 2.5, layers: 16, hidden_size: 2048, intermediate_size: 8192,
    attention_heads: 32, kv_heads: 8, head_dim: 64, vocabulary_size: 128256, longest_context: 8192, source: ours}
  house/encoder: {kind: embedding, weights_gib: 1, layers: 24, hidden_size: 256, longest_context: 512, source: ours}
  house/judge: {kind: reranker, weights_gib: 2, layers: 24, hidden_size: 256, longest_context: 512, source: ours}
"""
CHAT = """\
version: 1
name: small
profiles: [nvidia]
gpus: {a0: {card: a100-80gb, index: 0}}
models:
  chat: {source: %s, engine: vllm, modalities: [chat]%s}
"""
TWO = """\
version: 1
name: small
profiles: [nvidia]
gpus: {a0: {card: a100-80gb, index: 0}}
models:
  embed: {source: house/encoder, engine: infinity, modalities: [embedding]%s}
  again: {source: house/encoder, engine: infinity, modalities: [embedding]}
  rank: {source: %s, engine: infinity, modalities: [rerank]%s}
"""


def planned(folder, text):
    (folder / "profiles/facts").mkdir(parents=True, exist_ok=True)
    (folder / "profiles/facts/house.yaml").write_text(WEIGHTS)
    return plan_of(folder, text)


def start(folder, text):
    """Seconds that the only engine gets, and the start_period with its comment as it is rendered."""
    plan = planned(folder, text)
    (engine,) = plan.instances
    (service,) = (service for service in plan.services if service.name == engine.name)
    compose = next(file.text for file in render.files(plan) if file.path == "docker-compose.yml")
    assert yaml.safe_load(compose)["services"][engine.name]["healthcheck"]["start_period"] == (
        f"{service.start_budget_seconds}s"
    )
    assert budgets_seconds(plan)[engine.name] == service.start_budget_seconds
    own = compose[compose.index(f"\n  {engine.name}:") :]
    return service.start_budget_seconds, next(line for line in own.splitlines() if "start_period" in line).strip()


@pytest.mark.parametrize(
    ("source", "seconds", "why"),
    [
        ("house/Small-1B", 1200, "900 s for the engine, 2.5 GiB fetched at 10 MiB/s, 2.5 GiB read at 100 MiB/s"),
        ("house/Larger", 2340, "900 s for the engine, 12.5 GiB fetched at 10 MiB/s, 12.5 GiB read at 100 MiB/s"),
        ("/models/small", 960, "900 s for the engine, 2.5 GiB read at 100 MiB/s"),
        (
            "nobody/knows-it",
            7260,
            "900 s for the engine, 56.0 GiB fetched at 10 MiB/s, 56.0 GiB read at 100 MiB/s; 56 GiB taken for chat",
        ),
    ],
)
def test_an_engine_gets_the_time_that_its_weights_ask_for(tmp_path, source, seconds, why):
    assert start(tmp_path, CHAT % (source, "")) == (seconds, f'start_period: "{seconds}s"  # {why}')


def test_what_the_spec_says_counts(tmp_path):
    assert start(tmp_path, CHAT % ("house/Larger", ", start_seconds: 77")) == (
        77,
        'start_period: "77s"  # stack.yaml:6',
    )


def test_one_process_loads_all_its_models_each_source_once(tmp_path):
    seconds, line = start(tmp_path, TWO % ("", "house/judge", ""))
    assert (seconds, "6.0 GiB fetched at 10 MiB/s" in line) == (1320, True)


def test_the_longest_of_what_is_written_and_derived_counts_for_a_process(tmp_path):
    assert start(tmp_path, TWO % (", start_seconds: 30", "house/judge", ", start_seconds: 60"))[0] == 840
    assert start(tmp_path, TWO % (", start_seconds: 30", "house/judge", ", start_seconds: 4000"))[0] == 4000


def test_weights_that_nobody_knows_take_less_where_encoders_are_served(tmp_path):
    seconds, line = start(tmp_path, TWO % ("", "nobody/knows-it", ""))
    assert (seconds, line.endswith("; 16 GiB taken for rank")) == (2640, True)


def test_a_server_that_starts_empty_keeps_its_time(tmp_path):
    text = (CHAT % ("qwen3:1.7b", "")).replace("vllm", "ollama")
    plan = planned(tmp_path, text)
    assert {one.name: one.start_budget_seconds for one in plan.services if one.name == "ollama"} == {"ollama": 120}


@pytest.mark.parametrize("engine", sorted(name for name, engine in ENGINES.items() if not engine.fetches))
def test_no_engine_that_loads_its_weights_gets_less_than_ten_minutes(engine):
    assert facts.start_times(engine).seconds(0.0, 0.0) >= 600
