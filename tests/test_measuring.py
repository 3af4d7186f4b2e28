"""What engines told of their memory: compared with the plan, kept beside the spec, and used by the next plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from start_logs import HERMES_PARTLY_ON_AN_RTX_2060, QWEN3_8B_ON_A100, SMALL_QWEN_ON_16_GB
from support import plan_of

from stackgen import facts, measuring
from stackgen.errors import StackError
from stackgen.facts import Measured
from stackgen.measuring import Comparison
from stackgen.parts import Need
from stackgen.plan.measured import with_measured
from stackgen.plan.planned import Planned, planned

VLLM, OLLAMA = facts.memory_lines("vllm"), facts.memory_lines("ollama")

CARD = """\
version: 1
name: big
profiles: [nvidia, cpu]
gpus: {a: {card: a100-40gb}}
gateway: {database: false, cache: none}
models:
  chat:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
    gpus: [a]
    context: 40960
    concurrency: 3
    options: {gpu_memory_utilization: 0.9, max_num_batched_tokens: 2048}
"""


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, CARD)


@pytest.fixture
def chat(plan):
    (instance,) = plan.instances
    return instance


def compared(instance, log=QWEN3_8B_ON_A100, expected=None, **more):
    reading = measuring.read(VLLM, log, "", on_cards=True)
    return Comparison(instance=instance, reading=reading, planned=expected or Planned(), **more)


def test_the_plan_expects_what_its_share_leaves(plan, chat):
    expected = planned(plan, chat)
    need = plan.cards[0].uses[0].need
    assert expected.budget_gib == pytest.approx(0.9 * plan.cards[0].gpu.card.visible_gib)
    assert expected.cache_gib == pytest.approx(expected.budget_gib - need.weights_gib - need.overhead_gib)
    assert expected.requests == pytest.approx(expected.cache_gib / need.cache_gib, rel=1e-3)
    assert expected.cache_tokens == int(expected.requests * 40_960)
    assert (expected.weights_gib, expected.overhead_gib) == (need.weights_gib, need.overhead_gib)


def test_the_card_with_the_least_room_counts(tmp_path):
    text = CARD.replace(
        "gpus: {a: {card: a100-40gb}}", "gpus: {a: {card: h200, index: 0}, b: {card: a100-40gb, index: 1}}"
    )
    plan = plan_of(tmp_path, text.replace("gpus: [a]", "gpus: [a, b]"))
    by_name = {card.gpu.id: card.gpu.card.visible_gib for card in plan.cards}
    assert planned(plan, plan.instances[0]).budget_gib == pytest.approx(0.9 * by_name["b"])


def test_where_the_plan_has_no_figure_only_what_was_measured_is_said(tmp_path):
    plan = plan_of(
        tmp_path,
        CARD.replace("gpus: {a: {card: a100-40gb}}\n", "")
        .replace("    gpus: [a]\n", "")
        .replace("[nvidia, cpu]", "[cpu]"),
    )
    (instance,) = plan.instances
    assert planned(plan, instance) == Planned()
    comparison = compared(instance)
    words = "weights 15.27 GiB; cache 136,080 tokens; requests of full length 3.32; the plan has no figures"
    assert (comparison.note, comparison.complaint, list(comparison.warnings)) == (words, "", [])


def test_each_figure_says_by_how_much_the_plan_was_off(chat):
    expected = Planned(weights_gib=15.27, cache_gib=19.0, cache_tokens=142_884, requests=3.1, overhead_gib=1.5)
    assert compared(chat, expected=expected).note == (
        "weights 15.27 GiB, as planned; cache 136,080 tokens, planned 142,884 tokens, 5.0 % too much; "
        "requests of full length 3.32, planned 3.10, 6.6 % too little"
    )
    assert list(compared(chat, expected=expected).warnings) == []


def test_what_is_off_by_more_than_the_tolerance_is_a_warning_and_no_failure(chat):
    comparison = compared(chat, expected=Planned(weights_gib=16.5, cache_tokens=136_080, requests=3.32))
    assert list(comparison.warnings) == [
        "the plan is off for vllm-chat: weights 15.27 GiB, planned 16.50 GiB, 8.1 % too much"
    ]
    assert comparison.complaint == ""


def test_what_two_digits_cannot_show_is_no_difference(chat):
    comparison = compared(chat, "Model loading took 0.4 GiB memory and 1.0 seconds\n", Planned(weights_gib=0.45))
    assert "12.5 % too much" in comparison.note
    assert list(comparison.warnings) == []


def test_a_cache_that_holds_less_than_one_request_is_a_failure(chat):
    log = "INFO [executor_base.py:113] Maximum concurrency for 131072 tokens per request: 0.29x\n"
    words = "its cache holds 0.29 of a request of 131,072 tokens: none of full length can be answered"
    assert compared(chat, log).complaint == words


def test_a_cache_below_the_declared_concurrency_is_said(chat):
    log = QWEN3_8B_ON_A100.replace("3.32x", "2.10x")
    (words,) = compared(chat, log, wanted=3).warnings
    assert words.startswith(
        "the cache of vllm-chat holds 2.10 requests of 40,960 tokens and `concurrency` is 3: more of them have to wait"
    )


OLLAMA_CARD = CARD.replace("Qwen/Qwen3-8B", "llama3.2:3b").replace("engine: vllm", "engine: ollama").replace(
    "    options: {gpu_memory_utilization: 0.9, max_num_batched_tokens: 2048}\n", ""
)  # fmt: skip


def test_layers_that_are_not_on_the_card_are_told(tmp_path):
    (instance,) = plan_of(tmp_path, OLLAMA_CARD).instances
    reading = measuring.read(OLLAMA, HERMES_PARTLY_ON_AN_RTX_2060, "", on_cards=True)
    comparison = Comparison(
        instance=instance, reading=reading, planned=Planned(weights_gib=2.0, cache_gib=1.75), wanted=3
    )
    assert comparison.note == (
        "weights 2.00 GiB, planned 2.00 GiB, 0.1 % too little; cache 1.75 GiB, as planned; cache 32,768 tokens; "
        "requests of full length 1.00; 15 of 33 layers on the card"
    )
    held, slow = comparison.warnings
    assert held.startswith("the cache of ollama-a holds 1.00 requests of 32,768 tokens and `concurrency` is 3: ")
    assert slow == "ollama-a has 15 of 33 layers on the card: the processor works on the rest, which is slow"


def row(chat, log=QWEN3_8B_ON_A100, day="2026-11-21", expected=None):
    return measuring.row_of(compared(chat, log, expected), day)


def test_a_row_keeps_setting_and_sizes(plan, chat):
    assert row(chat, expected=planned(plan, chat)) == Measured(
        engine="vllm", version=chat.image.version, model="Qwen/Qwen3-8B", card="a100-40gb", tensor_parallel=1, context=40_960,
        concurrency=3, batched_tokens=2048, cache_dtype=None, weights_gib=15.2683,
        overhead_gib=pytest.approx(0.9 * plan.cards[0].gpu.card.visible_gib - 15.2683 - 18.69), cache_gib=18.69,
        cache_tokens=136_080, on="2026-11-21", source="told by vllm-chat when it started",
    )  # fmt: skip


def test_the_budget_that_the_engine_told_wins_over_the_planned_one(plan, chat):
    assert row(chat, SMALL_QWEN_ON_16_GB, expected=planned(plan, chat)).overhead_gib == 0.99


def test_a_cache_whose_size_was_told_leaves_no_overhead_to_reckon(plan, chat):
    told = "Model loading took 15.27 GiB memory and 1.0 seconds\nreserved 8.0 GiB memory for KV Cache as specified by\n"
    kept = row(chat, told, expected=planned(plan, chat))
    assert (kept.weights_gib, kept.overhead_gib, kept.cache_gib) == (15.27, None, 8.0)


def test_an_overhead_below_nothing_is_none(chat):
    confused = SMALL_QWEN_ON_16_GB.replace("13.33 GiB", "15.33 GiB")
    assert (row(chat, confused).weights_gib, row(chat, confused).overhead_gib) == (0.88, None)


def test_weights_that_round_to_nothing_are_none(chat):
    assert row(chat, "Model loading took 0.0 GiB memory and 1.0 seconds\n") is None


def test_an_image_without_a_version_cannot_be_kept(chat):
    assert measuring.why_not(replace(chat, image=replace(chat.image, version=""))) == "its image says no `version`"


def test_without_weights_there_is_nothing_to_keep(chat):
    assert row(chat, "GPU KV cache size: 136,080 tokens\n") is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "", ""),
        ("    gpus: [a]\n", "    gpus: []\n", "it runs on the processor"),
        ("gpus: [a]", "gpus: [a, b]", "its cards are of several kinds"),
    ],
)
def test_what_cannot_be_kept_says_why(tmp_path, old, new, reason):
    text = CARD.replace(
        "gpus: {a: {card: a100-40gb}}", "gpus: {a: {card: a100-40gb, index: 0}, b: {card: h200, index: 1}}"
    )
    (instance,) = plan_of(tmp_path, text.replace(old, new) if old else text).instances
    assert measuring.why_not(instance) == reason


def test_several_models_in_one_process_cannot_be_kept(tmp_path):
    text = OLLAMA_CARD + "  other: {source: 'qwen2.5:1.5b', engine: ollama, modalities: [chat], gpus: [a]}\n"
    (instance,) = plan_of(tmp_path, text).instances
    assert measuring.why_not(instance) == "several models share its process"


NEW_FILE = """\
# What engines told of their memory on this host: `stackgen check --record` writes it, and the plan reads it.
measured:
  - engine: "vllm"
    version: "{version}"
    model: "Qwen/Qwen3-8B"
    card: "a100-40gb"
    tensor_parallel: 1
    context: 40960
    concurrency: 3
    batched_tokens: 2048
    weights_gib: 15.2683
    cache_gib: 18.69
    cache_tokens: 136080
    on: "2026-11-21"
    source: "told by vllm-chat when it started"
"""


def test_a_new_file_holds_the_rows_alone(chat):
    update = measuring.updated(None, [row(chat)])
    assert (update.text, update.new, update.replaced) == (NEW_FILE.format(version=chat.image.version), 1, 0)


HAND_WRITTEN = """\
about: what we saw   # ours
measured:
  # the small one
  - {{engine: vllm, version: 0.30.0, model: Qwen/Qwen3-0.6B, card: a100-40gb, weights_gib: 1.1, on: 2026-10-01}}

  - engine: vllm # the large one
    version: {version}
    model: Qwen/Qwen3-8B
    card: a100-40gb
    concurrency: 3
    batched_tokens: 2048
    weights_gib: 15.9   # before the update
    overhead_gib: 1.7
    on: 2026-10-01
  # the last word
cards: {{}}
"""


REPLACED = """\
about: what we saw   # ours
measured:
  # the small one
  - {{engine: vllm, version: 0.30.0, model: Qwen/Qwen3-0.6B, card: a100-40gb, weights_gib: 1.1, on: 2026-10-01}}

  - engine: "vllm" # the large one
    version: "{version}"
    model: "Qwen/Qwen3-8B"
    card: "a100-40gb"
    concurrency: 3
    batched_tokens: 2048
    weights_gib: 15.2683 # before the update
    on: "2026-11-21"
    tensor_parallel: 1
    context: 40960
    cache_gib: 18.69
    cache_tokens: 136080
    source: "told by vllm-chat when it started"
  # the last word
cards: {{}}
"""


def test_a_row_of_the_same_setting_is_replaced_and_everything_else_stays(chat):
    version = chat.image.version
    update = measuring.updated(HAND_WRITTEN.format(version=version), [row(chat)])
    assert (update.new, update.replaced) == (0, 1)
    assert update.text == REPLACED.format(version=version)


def test_a_second_setting_is_a_row_of_its_own(chat):
    first = measuring.updated(None, [row(chat)])
    again = measuring.updated(first.text, [row(chat), replace(row(chat), tensor_parallel=2)])
    assert (again.new, again.replaced) == (1, 1)
    assert again.text.startswith(first.text)
    assert again.text.count("tensor_parallel: 2") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "it holds no list `measured`"),
        ("measured: {a: 1}\n", "it holds no list `measured`"),
        ("measured: [\n", "while parsing a flow node"),
    ],
)
def test_a_file_of_somebody_else_is_left_alone(chat, text, words):
    with pytest.raises(StackError) as caught:
        measuring.updated(text, [row(chat)])
    assert caught.value.message == f"what was measured cannot be kept: {words}"
    assert caught.value.where == "profiles/facts/measured.yaml"
    assert caught.value.hint == "mend it, or move it away: a new one is written"


def test_of_replicas_the_most_that_any_needed_is_kept(chat):
    one, other = row(chat), replace(row(chat), weights_gib=15.4, source="told by vllm-chat-2 when it started")
    (kept,) = measuring.one_of_each([one, other])
    assert (kept.weights_gib, kept.source) == (15.4, one.source)


NEED = Need(weights_gib=15.9, cache_gib=5.6, overhead_gib=1.2, why="one request", estimates=("weights by their bits",))


def measured_need(instance, *rows):
    return with_measured(NEED, instance, instance.gpus[0].card, 1, rows)


def test_what_was_measured_wins_over_the_estimate(plan, chat):
    kept = row(chat, expected=planned(plan, chat))
    need = measured_need(chat, kept)
    assert (need.weights_gib, need.overhead_gib, need.cache_gib) == (15.2683, kept.overhead_gib, 5.6)
    assert (need.why, need.estimates) == ("one request; weights and overhead measured on 2026-11-21", ())


def test_what_was_not_measured_stays_an_estimate(chat):
    need = measured_need(chat, row(chat))
    assert (need.weights_gib, need.overhead_gib) == (15.2683, 1.2)
    assert need.why == "one request; weights measured on 2026-11-21"


def test_the_last_measurement_counts(chat):
    older, newer = (
        replace(row(chat, day=day), weights_gib=size) for day, size in (("2026-10-01", 1.0), ("2026-11-21", 2.0))
    )
    assert measured_need(chat, newer, older).weights_gib == 2.0


def test_the_same_release_is_the_same_however_it_is_written(chat):
    spelled = replace(row(chat), version=f"{chat.image.version}", cache_dtype="auto")
    assert measured_need(chat, spelled).weights_gib == 15.2683


@pytest.mark.parametrize(
    "other",
    [
        {"engine": "ollama"}, {"version": "0.1.0"}, {"model": "Qwen/Qwen3-4B"}, {"card": "h200"}, {"tensor_parallel": 2},
        {"concurrency": 4}, {"batched_tokens": None}, {"cache_dtype": "fp8"}, {"weights_gib": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_measurement_of_another_setting_says_nothing(chat, other):
    assert measured_need(chat, replace(row(chat), **other)) == NEED


def test_another_context_is_the_same_setting(chat):
    assert measured_need(chat, replace(row(chat), context=8192)).weights_gib == 15.2683


def test_models_that_share_a_process_are_not_told_apart(chat):
    both = replace(chat, models=(chat.models[0], chat.models[0]))
    assert measured_need(both, row(chat)) == NEED
