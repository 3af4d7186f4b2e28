"""Models onto cards: who goes where, what each is given, what is refused, and whether what is suggested really helps."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import write_spec

from stackgen import facts, sources
from stackgen import plan as planning
from stackgen.errors import SpecError
from stackgen.plan.model import Verdict

HEAD = """\
version: 1
name: cards
profiles: [nvidia]
gpus:
%s
models:
%s
"""
CHAT = "  chat: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat]%s}"
EMBED = "  embed: {source: BAAI/bge-small-en-v1.5, engine: infinity, modalities: [embedding]%s}"
HEAR = "  hear: {source: Systran/faster-whisper-small, engine: speaches, modalities: [transcription]%s}"


def spec(cards, *models):
    listed = "\n".join(f"  a{position}: {{card: {card}, index: {position}}}" for position, card in enumerate(cards))
    return HEAD % (listed, "\n".join(models))


def plan_of(folder, text, *changes, suggest=True):
    file = write_spec(folder, text)
    return planning.make(sources.load(file, [sources.change_of(change) for change in changes]), suggest=suggest)


def refusals(folder, text, *changes):
    with pytest.raises(SpecError) as raised:
        plan_of(folder, text, *changes)
    return [(problem.place.line, problem.message, problem.hint) for problem in raised.value.problems]


def where(plan):
    return {instance.name: [gpu.id for gpu in instance.gpus] for instance in plan.instances}


def command(plan, name):
    service = next(service for service in plan.services if service.name == name)
    words = [str(arg.value) for arg in service.command]
    return {word: following for word, following in pairwise(words) if word.startswith("--")}


def test_alone_on_its_card_an_engine_gets_the_usual_share_and_no_size_of_its_cache(tmp_path):
    plan = plan_of(tmp_path, spec(["a100-80gb"], CHAT % ""))
    words = command(plan, "vllm-chat")
    assert float(words["--gpu-memory-utilization"]) == facts.margins().usual_share
    assert "--kv-cache-memory-bytes" not in words
    assert {"--max-model-len", "--max-num-seqs", "--max-num-batched-tokens"} <= set(words)


def test_beside_neighbours_it_gets_what_it_was_asked_to_serve_and_its_cache_by_size(tmp_path):
    plan = plan_of(tmp_path, spec(["a100-80gb"], CHAT % ", concurrency: 4", EMBED % ""))
    words, memory = command(plan, "vllm-chat"), plan.memory["vllm-chat"]
    assert float(words["--gpu-memory-utilization"]) < 0.5
    assert int(words["--kv-cache-memory-bytes"]) <= memory.cache_gib * 2**30
    assert int(words["--kv-cache-memory-bytes"]) > (memory.cache_gib - 0.01) * 2**30
    assert memory.held.requests >= memory.requests_wanted == 4
    assert memory.verdict is Verdict.FITS


def test_a_release_that_cannot_be_told_the_size_of_its_cache_is_not(tmp_path):
    old = ", image: {repository: vllm/vllm-openai, tag: v0.9.2, version: '0.9.2'}"
    words = command(plan_of(tmp_path, spec(["a100-80gb"], CHAT % old, EMBED % "")), "vllm-chat")
    assert "--kv-cache-memory-bytes" not in words
    assert "--gpu-memory-utilization" in words


def test_a_share_that_was_written_stays(tmp_path):
    plan = plan_of(tmp_path, spec(["a100-80gb"], CHAT % ", options: {gpu_memory_utilization: 0.61}", EMBED % ""))
    assert command(plan, "vllm-chat")["--gpu-memory-utilization"] == "0.61"
    assert plan.memory["vllm-chat"].share == 0.61


def test_a_size_of_the_cache_that_was_written_is_what_is_taken(tmp_path):
    """Whatever the share: a release that is told the size takes exactly that, so a larger one must fit too."""
    wish = ", concurrency: 4, options: {kv_cache_memory_bytes: %d}"
    plan = plan_of(tmp_path, spec(["rtx-4090"], CHAT.replace("8B", "4B") % wish % (4 * 2**30), EMBED % ""))
    memory = plan.memory["vllm-chat"]
    assert (memory.cache_gib, round(memory.held.requests, 1)) == (4.0, 3.6)
    assert memory.budget_gib >= memory.need.weights_gib + memory.need.overhead_gib + 4
    assert command(plan, "vllm-chat")["--gpu-memory-utilization"] == str(memory.share)
    ((_, message, _),) = refusals(tmp_path, spec(["rtx-4090"], CHAT % wish % (12 * 2**30)))
    assert re.search(r"cache +12\.00 GiB +written", message)
    ((_, message, hint),) = refusals(tmp_path, spec(["rtx-4090"], CHAT % wish % 2**29))
    assert message == "the cache of `chat` is to be 0.50 GiB, and one request takes 1.12 GiB"
    assert hint == f"write {8192 * 144 * 1024} bytes or more; left out, the planner works it out"


def test_where_not_all_requests_find_room_the_cache_is_what_is_left_and_that_is_called_tight(tmp_path):
    plan = plan_of(tmp_path, spec(["l4"], CHAT % ", context: 16384, concurrency: 32", HEAR % ""))
    memory, card = plan.memory["vllm-chat"], plan.cards[0]
    assert 1 <= memory.held.requests < 32
    assert memory.verdict is Verdict.TIGHT
    assert card.free_gib >= facts.margins().shared_reserve_gib
    assert card.free_gib < facts.margins().shared_reserve_gib + 0.01 * card.gpu.card.visible_gib + 1e-9


def test_the_planner_picks_cards_and_keeps_pins(tmp_path):
    models = [CHAT % ", gpus: [a1]", CHAT.replace("chat:", "other:") % "", EMBED % "", HEAR % ", gpus: [a2]"]
    plan = plan_of(tmp_path, spec(["l4", "l4", "l4"], *models))
    found = where(plan)
    assert found["vllm-chat"] == ["a1"]
    assert found["speaches-a2"] == ["a2"]
    assert found["vllm-other"] in (["a0"], ["a2"])
    assert all(card.free_gib >= 0 for card in plan.cards)


def test_few_cards_are_used(tmp_path):
    small = [CHAT.replace("chat:", f"m{n}:").replace("Qwen3-8B", "Qwen3-0.6B") % ", concurrency: 2" for n in range(3)]
    plan = plan_of(tmp_path, spec(["l4", "l4", "l4", "l4"], *small))
    assert len({card for cards in where(plan).values() for card in cards}) == 1


def test_a_model_that_one_card_cannot_hold_is_shared_by_as_few_as_can(tmp_path):
    plan = plan_of(tmp_path, spec(["l4"] * 4, CHAT.replace("Qwen3-8B", "Qwen3-14B") % ""))
    assert plan.instances[0].tensor_parallel == 2
    assert command(plan, "vllm-chat")["--tensor-parallel-size"] == "2"


def test_a_number_of_cards_is_kept(tmp_path):
    assert len(where(plan_of(tmp_path, spec(["l4"] * 4, CHAT % ", gpu_count: 4")))["vllm-chat"]) == 4
    assert len(where(plan_of(tmp_path, spec(["l4"] * 4, CHAT % ", tensor_parallel: 2")))["vllm-chat"]) == 2


def test_replicas_are_on_different_cards(tmp_path):
    found = where(plan_of(tmp_path, spec(["l4"] * 3, CHAT.replace("Qwen3-8B", "Qwen3-0.6B") % ", replicas: 3")))
    assert sorted(cards[0] for cards in found.values()) == ["a0", "a1", "a2"]


BARE = """\
about: "pins alone"
accelerator: nvidia
images:
  vllm: {repository: vllm/vllm-openai, tag: v0.32.0, version: "0.32.0", evidence: "a test"}
"""
"""A profile that says nothing of lengths and numbers."""


def bare(folder, cards, *models):
    write_spec(folder, "", bare=BARE)
    return plan_of(folder, spec(cards, *models).replace("[nvidia]", "[bare]"))


def test_what_nobody_says_is_planned_and_always_written(tmp_path):
    plan = bare(tmp_path, ["a100-80gb"], CHAT % "")
    words = command(plan, "vllm-chat")
    assert words["--max-model-len"] == "40960"
    assert words["--max-num-seqs"] == str(facts.margins().usual_requests)
    assert int(words["--max-num-batched-tokens"]) > 0
    (entry,) = plan.deployments
    assert entry.information["max_input_tokens"] == 40960


def test_a_length_that_nobody_says_is_the_longest_that_fits(tmp_path):
    plan = bare(tmp_path, ["l4"], CHAT % "")
    derived = int(command(plan, "vllm-chat")["--max-model-len"])
    assert derived % 1024 == 0
    assert derived < 40960
    assert plan.memory["vllm-chat"].held.requests >= 1
    assert plan.deployments[0].information["max_input_tokens"] == derived
    again = spec(["l4"], CHAT % f", context: {derived + 1024}").replace("[nvidia]", "[bare]")
    assert any("chat" in message for _, message, _ in refusals(tmp_path, again))


def test_two_that_fit_on_no_card_of_their_own_share_both(tmp_path):
    models = [CHAT % ", context: 40960", CHAT.replace("chat:", "long:").replace("8B", "4B") % ", context: 32768"]
    plan = plan_of(tmp_path, spec(["l4", "l4"], *models))
    assert max(instance.tensor_parallel for instance in plan.instances) == 2
    assert all(memory.held.requests >= 1 for memory in plan.memory.values())


MIG = """\
version: 1
name: slices
profiles: [nvidia]
gpus:
  one: {card: a100-80gb-mig-3g.40gb, uuid: MIG-1}
  two: {card: a100-80gb-mig-3g.40gb, uuid: MIG-2}
models:
%s
"""


def test_slices_are_cards_that_do_not_join(tmp_path):
    uuids = MIG.replace("MIG-1", "MIG-11111111").replace("MIG-2", "MIG-22222222")
    fits, large = CHAT % "", CHAT.replace("Qwen3-8B", "Qwen3-32B") % ""
    plan = plan_of(tmp_path, uuids % fits)
    assert [gpu.device for gpu in plan.instances[0].gpus] in (["MIG-11111111"], ["MIG-22222222"])
    ((_, message, _),) = refusals(tmp_path, uuids % large)
    assert message.startswith("no card is left for `chat`")


@pytest.mark.parametrize("device", ["index: 0", "uuid: GPU-11111111"])
def test_a_slice_is_known_by_its_own_uuid(tmp_path, device):
    text = MIG.replace("MIG-2", "MIG-22222222").replace("uuid: MIG-1", device) % (CHAT % "")
    ((line, message, hint),) = refusals(tmp_path, text)
    assert (line, message) == (5, "`one` is a MIG slice, and has no uuid of one")
    assert "nvidia-smi -L" in hint


def test_models_of_another_makers_image_stay_on_its_cards(tmp_path):
    text = spec(["l4", "mi300x"], CHAT % "", EMBED % "").replace("profiles: [nvidia]", "profiles: [nvidia, rocm]")
    assert {card for cards in where(plan_of(tmp_path, text)).values() for card in cards} == {"a0"}


def test_a_card_of_unknown_tenants_is_not_shared_out(tmp_path):
    stranger = EMBED.replace("BAAI/bge-small-en-v1.5", "nobody/knows") % ""
    ((line, message, hint),) = refusals(tmp_path, spec(["l4"], CHAT % "", stranger))
    assert line == 8
    assert message == "`a0` is to be shared out, and how much `embed` needs is not known"
    assert hint.startswith("`stackgen facts add nobody/knows` reads the numbers; or write `gpu_memory_utilization:`")
    tag = '  tag: {source: "house:7b", engine: ollama, modalities: [chat]}\n'
    ((_, _, hint),) = refusals(tmp_path, spec(["l4"], CHAT % "", stranger, tag))
    assert "`stackgen facts add nobody/knows`, `stackgen facts add FOLDER_OR_GGUF --as house:7b` reads" in hint
    written = CHAT % ", options: {gpu_memory_utilization: 0.85}"
    assert plan_of(tmp_path, spec(["l4"], written, stranger)).memory["infinity"].verdict is Verdict.UNKNOWN


def test_a_card_of_one_unknown_tenant_is_not_said_to_pass(tmp_path):
    plan = plan_of(tmp_path, spec(["l4"], CHAT.replace("Qwen/Qwen3-8B", "nobody/knows") % ""))
    assert plan.cards[0].verdict is Verdict.UNKNOWN
    ollama = '  tag: {source: "house:7b", engine: ollama, modalities: [chat]}\n'
    assert "card a0: L4, 22.03 GiB, ? left: UNKNOWN" in planning.as_text(plan_of(tmp_path, spec(["l4"], ollama)))


LONG = CHAT % ", context: 600000, gpus: [a0], extra_args: [--hf-overrides, '{}']"
TWICE = [
    CHAT % ", gpus: [a0], options: {gpu_memory_utilization: 0.7}",
    CHAT.replace("chat:", "other:").replace("8B", "4B") % ", gpus: [a0], options: {gpu_memory_utilization: 0.4}",
]
CROWDED = [CHAT % "", CHAT.replace("chat:", "big:").replace("8B", "14B") % "", EMBED % "", HEAR % ""]
CASES = {
    "too long": (["a100-80gb"] * 2, [LONG]),
    "too large": (["l4"] * 2, [CHAT.replace("8B", "32B") % ", gpus: [a0]"]),
    "promised twice": (["a100-80gb"] * 2, TWICE),
    "crowded": (["l4"] * 2, CROWDED),
    "heads": (["l4"] * 3, [CHAT % ", gpus: [a0, a1, a2]"]),
    "everything": (["l4"], [CHAT % ", concurrency: 64", EMBED % ", options: {batch_size: 512}"]),
}


def changes_of(line, ids):
    """What a suggested line says, as changes of the spec; the planner's own words are read, nothing is assumed."""
    for part in line.split(" together with "):
        what = re.match(r"(no )?`([a-z_]+)(?:: (\[.*?\]|[^`]+))?`(?: under `options`)?(?: of `([a-z0-9-]+)`)?", part)
        assert what, part
        without, key, value, model = what.groups()
        if key == "card":
            yield from (f"gpus.{identifier}.card={value}" for identifier in ids)
        else:
            below = "options." if "under `options`" in part else ""
            yield f"models.{model}.{below}{key}={'null' if without else value}"


@pytest.mark.parametrize("name", CASES)
def test_what_is_suggested_was_tried_and_fits(tmp_path, name):
    cards, models = CASES[name]
    text = spec(cards, *models)
    found = refusals(tmp_path, text)
    for _, message, hint in found:
        assert re.search(r"\d", message)
        lines = hint.split("\n  ")[1:] or [hint.partition(": ")[2]]
        assert lines
        for line in lines:
            left = []
            if line.startswith("a build in"):  # nobody knows its name
                continue
            try:
                plan_of(tmp_path, text, *changes_of(line, [f"a{n}" for n in range(len(cards))]))
            except SpecError as error:
                left = [problem.message for problem in error.problems]
            assert message not in left, line


def test_a_refusal_shows_the_numbers_and_adds_them_up(tmp_path):
    ((_, message, hint),) = refusals(tmp_path, spec(["a100-80gb"] * 2, *TWICE))
    numbers = dict(re.findall(r"^  (\S+) +(\d+\.\d\d) GiB", message, re.MULTILINE))
    assert set(numbers) == {"vllm-chat", "vllm-other", "a0", "reserve"}
    headline = re.match(r"`a0` has (\S+) GiB to give and (\S+) GiB are taken", message)
    assert float(headline[1]) == pytest.approx(float(numbers["a0"]) - float(numbers["reserve"]), abs=0.06)
    assert float(headline[2]) == pytest.approx(float(numbers["vllm-chat"]) + float(numbers["vllm-other"]), abs=0.06)
    assert "`gpu_memory_utilization: 0.58` under `options` of `chat`" in hint


def test_models_of_one_process_may_be_parted(tmp_path):
    entry = "{source: Qwen/Qwen3-%s-4B, engine: infinity, modalities: [%s], options: {batch_size: 1}%s}"
    embed = f"  embed: {entry % ('Embedding', 'embedding', '')}"
    ((_, message, hint),) = refusals(
        tmp_path, spec(["l4", "l4"], embed, f"  rank: {entry % ('Reranker', 'rerank', '')}")
    )
    assert message.startswith("no card is left for `embed`, `rank`")
    assert "`instance: embed` of `embed`: a process of its own" in hint
    own = embed.replace("options", "instance: embed, options")
    plan = plan_of(tmp_path, spec(["l4", "l4"], own, f"  rank: {entry % ('Reranker', 'rerank', '')}"))
    assert sorted(where(plan).values()) == [["a0"], ["a1"]]


def test_what_helps_only_together_is_said_together(tmp_path):
    models = [
        CHAT.replace("8B", "4B") % ", concurrency: 1",
        EMBED.replace("bge-small-en-v1.5", "bge-m3") % ", options: {batch_size: 16}",
    ]
    models.append(
        EMBED.replace("embed:", "more:").replace("bge-small-en-v1.5", "bge-m3")
        % ", instance: more, options: {batch_size: 16}"
    )
    hints = [hint for _, _, hint in refusals(tmp_path, spec(["l4"], *models))]
    assert any("together with" in hint for hint in hints), hints


SIZES = ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B", "Qwen/Qwen3-14B"]
model = st.tuples(
    st.sampled_from(SIZES),
    st.sampled_from([2048, 8192, 32768]),
    st.integers(1, 32),
    st.sampled_from([None, "a0", "a1"]),
    st.integers(1, 2),
)


def stack(cards, models):
    text = {"version": 1, "name": "many", "profiles": ["nvidia"], "gpus": {}, "models": {}}
    for position, card in enumerate(cards):
        text["gpus"][f"a{position}"] = {"card": card, "index": position}
    for position, (source, context, concurrency, pin, replicas) in enumerate(models):
        entry = {"source": source, "engine": "vllm", "modalities": ["chat"], "context": context}
        entry |= {"concurrency": concurrency}
        entry |= {"gpus": [pin]} if pin else {"replicas": replicas}
        text["models"][f"m{position}"] = entry
    return text


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["l4", "a100-80gb", "rtx-3090"]), min_size=2, max_size=4),
    st.lists(model, min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_no_plan_promises_more_than_a_card_has_and_the_order_of_a_spec_means_nothing(tmp_path, cards, models, chance):
    spec_ = stack(cards, models)
    turned = dict(spec_)
    entries = list(spec_["models"].items())
    chance.shuffle(entries)
    turned["models"] = dict(entries)
    try:
        plan = plan_of(tmp_path, json.dumps(spec_), suggest=False)
    except SpecError:
        with pytest.raises(SpecError):
            plan_of(tmp_path, json.dumps(turned), suggest=False)
        return
    assert planning.as_text(plan_of(tmp_path, json.dumps(turned), suggest=False)) == planning.as_text(plan)
    for card in plan.cards:
        reserve = facts.margins().shared_reserve_gib if len(card.uses) > 1 else 0
        assert card.free_gib >= reserve - 1e-6
    for name, memory in plan.memory.items():
        assert memory.held.requests >= 1, name
    for position, (_, _, _, pin, _) in enumerate(models):
        if pin:
            assert where(plan)[f"vllm-m{position}"] == [pin]
