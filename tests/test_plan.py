"""Decisions of the planner: names, order, memory, what it says."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import EXAMPLES, SMALL, plan_of

from stackgen import facts, sources
from stackgen import plan as planning
from stackgen.errors import SpecError

ENTRIES = {
    "chat": "{source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}",
    "code": "{source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat]}",
    "embed": "{source: BAAI/bge-small-en-v1.5, engine: infinity, modalities: [embedding]}",
    "rank": "{source: BAAI/bge-reranker-v2-m3, engine: infinity, modalities: [rerank]}",
    "own": "{source: BAAI/bge-small-en-v1.5, engine: infinity, modalities: [embedding], instance: own}",
    "card": "{source: BAAI/bge-small-en-v1.5, engine: infinity, modalities: [embedding], gpus: [a1]}",
}


def spec(order):
    cards = "gpus: {a0: {card: l4, index: 0}, a1: {card: l4, index: 1}}"
    placed = {key: entry if "gpus" in entry else entry.replace("}", ", gpus: []}") for key, entry in ENTRIES.items()}
    models = "".join(f"  {key}: {placed[key]}\n" for key in order)
    return f"version: 1\nname: names\nprofiles: [cpu, nvidia]\n{cards}\nmodels:\n{models}"


def names(plan):
    """Per model: its service, and the volumes of that service."""
    volumes = {service.name: sorted(mount.storage.name for mount in service.mounts) for service in plan.services}
    return {route.model: (route.service, volumes[route.service]) for route in plan.routes}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(list(ENTRIES)), kept=st.sets(st.sampled_from(list(ENTRIES)), min_size=1))
def test_adding_removing_or_moving_models_renames_nothing(tmp_path, order, kept):
    everything = names(plan_of(tmp_path, spec(list(ENTRIES))))
    some = names(plan_of(tmp_path, spec([key for key in order if key in kept])))
    assert some == {key: everything[key] for key in kept}


def test_the_names_are_those_of_the_design(tmp_path):
    assert {key: service for key, (service, _) in names(plan_of(tmp_path, spec(list(ENTRIES)))).items()} == {
        "chat": "vllm-chat",
        "code": "vllm-code",
        "embed": "infinity",
        "rank": "infinity",
        "own": "infinity-own",
        "card": "infinity-a1",
    }


def test_moving_models_does_not_change_what_runs(tmp_path):
    """Only comments may change: Compose recreates nothing."""
    from stackgen.render import files  # noqa: PLC0415

    def data(order):
        import yaml  # noqa: PLC0415

        texts = {file.path: file.text for file in files(plan_of(tmp_path, spec(order)))}
        return yaml.safe_load(texts["docker-compose.yml"]), texts["litellm/config.yaml"]

    assert data(list(ENTRIES)) == data(list(reversed(ENTRIES)))


def test_the_gateway_waits_for_its_stores_alone(tmp_path):
    plan = plan_of(tmp_path, SMALL + "gateway: {cache: redis}\n")
    needs = {service.name: [need.service for need in service.needs] for service in plan.services}
    assert needs == {"infinity": [], "litellm": ["postgres", "redis"], "postgres": [], "redis": [], "vllm-chat": []}


def test_instances_on_one_card_start_one_after_another():
    plan = planning.make(sources.load(EXAMPLES / "article-core" / "stack.yaml"))
    needs = {service.name: [need.service for need in service.needs] for service in plan.services}
    assert (needs["vllm-chat"], needs["infinity"]) == ([], ["vllm-chat"])


def test_without_database_and_cache_there_are_no_stores(tmp_path):
    plan = plan_of(tmp_path, SMALL + "gateway: {database: false}\n")
    assert sorted(plan.service_names) == ["infinity", "litellm", "vllm-chat"]
    assert plan.networks == ("engines",)
    assert "LITELLM_SALT_KEY" not in [secret.name for secret in plan.secrets]


def test_a_gateway_on_all_interfaces_is_named(tmp_path):
    plan = plan_of(tmp_path, SMALL + "gateway: {address: 0.0.0.0}\n")
    assert [warning for warning in plan.warnings if "0.0.0.0" in warning]
    assert plan.gateway_url == "http://127.0.0.1:4000"


def test_unknown_models_and_releases_are_said_to_be_unproven(tmp_path):
    house = """\
about: "newer"
accelerator: nvidia
images:
  vllm: {repository: vllm/vllm-openai, tag: v9.0.0, version: "9.0.0", evidence: "hope"}
"""
    text = """\
version: 1
name: unknown
profiles: [nvidia, house]
gpus: {a0: {card: l4}}
models:
  chat: {source: nobody/knows, engine: vllm, modalities: [chat], extra_args: [--future-flag]}
"""
    assert list(plan_of(tmp_path, text, house=house).warnings) == [
        "flags of vllm 9.0.0 are not proven: tables reach from 0.8.5.post1 to 0.33.0",
        "memory on a0 is not proven: the catalogue lacks a model of vllm-chat",
        f"the numbers of nobody/knows are not known: {facts.how_to_declare('nobody/knows', 'llm')}",
    ]


def test_several_cards_share_a_model(tmp_path):
    text = """\
version: 1
name: two
profiles: [nvidia]
gpus: {a0: {card: a10, uuid: GPU-11111111-aaaa}, a1: {card: a10, uuid: GPU-22222222-bbbb}}
models:
  chat: {source: mistralai/Mistral-7B-Instruct-v0.3, engine: vllm, modalities: [chat], gpus: [a0, a1]}
"""
    (service,) = [service for service in plan_of(tmp_path, text).services if service.name == "vllm-chat"]
    words = [arg.value for arg in service.command]
    assert words[words.index("--tensor-parallel-size") + 1] == "2"
    assert [gpu.device for gpu in service.gpus] == ["GPU-11111111-aaaa", "GPU-22222222-bbbb"]
    assert service.shared_memory_gib == 10


@pytest.mark.parametrize("name", ["quickstart", "article-core"])
def test_the_plan_as_json_says_what_the_text_says(name):
    plan = planning.make(sources.load(EXAMPLES / name / "stack.yaml"))
    data = json.loads(json.dumps(planning.as_json(plan)))
    for service in data["services"]:
        assert service["image"] in planning.as_text(plan)
    assert [card["free_gib"] for card in data["cards"]] == [round(card.free_gib, 2) for card in plan.cards]


def test_a_required_secret_and_one_from_the_environment(tmp_path):
    plan = plan_of(tmp_path, SMALL + "secrets: {HF_TOKEN: {required: true, source: environment}}\n")
    (token,) = [secret for secret in plan.secrets if secret.name == "HF_TOKEN"]
    assert (token.kind.value, token.from_environment) == ("required", True)


def test_planning_what_has_problems_raises_all_of_them(tmp_path):
    with pytest.raises(SpecError) as raised:
        plan_of(tmp_path, SMALL.replace("vllm", "vlm").replace("infinity", "infinit"))
    assert len(raised.value.problems) == 2
