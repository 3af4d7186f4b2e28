"""Facts files beside a spec: what they say counts, what is wrong with them is told at its line, with the spec's own mistakes."""

from __future__ import annotations

import dataclasses
import textwrap

import pytest
import yaml
from support import SMALL, plan_of, write_spec

from stackgen import facts, sources
from stackgen.errors import SpecError
from stackgen.facts import Card, Measured, ModelFacts
from stackgen.plan import as_text, schema
from stackgen.sources.facts_files import card_of
from stackgen.spec.facts_file import CardEntry, FactsFile, MeasuredEntry, ModelEntry

HOUSE_CARD = """\
cards:
  house-card:
    name: House Card
    vendor: nvidia
    visible_gib: 30.5
    compute_capability: 8.6
    source: nvidia-smi on the machine
"""
HOUSE_MODEL = """\
about: What this house trained
models:
  house/Small-1B:
    kind: llm
    weights_gib: 2.5
    layers: 16
    hidden_size: 2048
    intermediate_size: 8192
    attention_heads: 32
    kv_heads: 8
    head_dim: 64
    vocabulary_size: 128256
    longest_context: 8192
    source: our config.json
"""
ON_THE_HOUSE_CARD = """\
version: 1
name: house
profiles: [nvidia]
gpus: {g0: {card: house-card}}
models:
  chat:
    source: house/Small-1B
    engine: vllm
    modalities: [chat]
    context: 4096
    gpus: [g0]
"""


def keep(folder, **files):
    """Facts files by name, beside the spec that is written next."""
    (folder / "profiles/facts").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / "profiles/facts" / f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")


def told(folder, spec=SMALL):
    """Every problem as a line: file:line:column message | hint."""
    with pytest.raises(SpecError) as raised:
        plan_of(folder, spec)
    return [f"{problem.place} {problem.message} | {problem.hint}" for problem in raised.value.problems]


def test_a_card_and_a_model_of_the_operator_are_planned_like_shipped_ones(tmp_path):
    keep(tmp_path, card=HOUSE_CARD, model=HOUSE_MODEL)
    plan = plan_of(tmp_path, ON_THE_HOUSE_CARD)
    (card,) = plan.cards
    assert card.gpu.card.visible_gib == 30.5
    (use,) = card.uses
    assert use.need.weights_gib == 2.5
    assert use.need.cache_gib == pytest.approx(2 * 16 * 8 * 64 * 2 * 4096 / 2**30)
    assert "not proven" not in as_text(plan)


def test_without_the_files_the_same_spec_names_what_to_do(tmp_path):
    keep(tmp_path, card=HOUSE_CARD)
    plan = plan_of(tmp_path, ON_THE_HOUSE_CARD)
    assert "memory on g0 is not proven: the catalogue lacks a model of vllm-chat" in plan.warnings
    (warning,) = [warning for warning in plan.warnings if "are not known" in warning]
    assert warning == (
        "the numbers of house/Small-1B are not known: run `stackgen facts add house/Small-1B`, or write into "
        "profiles/facts/house--Small-1B.yaml: "
        '`models: {"house/Small-1B": {kind: llm, source: …}}` with weights_gib, layers, hidden_size, intermediate_size, '
        "attention_heads, kv_heads, head_dim, vocabulary_size, longest_context"
    )


def test_an_operators_word_wins_over_the_shipped_one(tmp_path):
    keep(tmp_path, better=HOUSE_MODEL.replace("house/Small-1B", "Qwen/Qwen3-0.6B"))
    loaded = sources.load(write_spec(tmp_path, SMALL))
    assert loaded.catalogue.models["Qwen/Qwen3-0.6B"].weights_gib == 2.5
    assert loaded.catalogue.models["Qwen/Qwen3-1.7B"] == facts.models()["Qwen/Qwen3-1.7B"]
    assert str(loaded.facts.places["models", "Qwen/Qwen3-0.6B"]) == "profiles/facts/better.yaml:3:3"


def test_mistakes_of_all_files_and_of_the_spec_come_in_one_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep(
        tmp_path,
        a=HOUSE_CARD.replace("visible_gib: 30.5", "visible_gb: 30.5").replace("nvidia\n", "nvida\n"),
        b=HOUSE_MODEL.replace("layers: 16", "layers: sixteen").replace("    head_dim: 64\n", ""),
        c="models: [Qwen/Qwen3-8B]\n",
        d="measured:\n  - {engine: vllm, version: 0.32.0, on: 21.11.2026}\n",
        e="cards: {\n",
    )
    found = told(tmp_path, SMALL.replace("modalities: [chat]", "modalities: [chat]\n    contex: 1"))
    lacks = [line for line in found if "d.yaml:2:5" in line]
    assert len(lacks) == 3
    assert lacks[0] == "profiles/facts/d.yaml:2:5 `card` is missing | Kind of card."
    assert [line for line in found if line not in lacks] == [
        "profiles/facts/a.yaml:2:3 `visible_gib` is missing | Memory that CUDA reports, in GiB; less than the label says.",
        (
            "profiles/facts/a.yaml:4:13 `vendor` must be 'amd' or 'nvidia', not `nvida` | "
            "Its maker; decides which images run on it."
        ),
        "profiles/facts/a.yaml:5:5 unknown key `visible_gb` | did you mean `visible_gib`?",
        (
            "profiles/facts/b.yaml:3:3 `house/Small-1B` lacks `head_dim`: the memory of a model of kind llm rests on it | "
            "config.json of the model says it; `stackgen facts add house/Small-1B` reads it"
        ),
        "profiles/facts/b.yaml:6:13 `layers` must be a whole number, not `sixteen` | num_hidden_layers of config.json.",
        "profiles/facts/c.yaml:1:9 `models` must be a map, not a list | Models by source: hub id, tag or path.",
        "profiles/facts/d.yaml:2:41 `21.11.2026` is not a valid `on` | a day such as 2026-11-21",
        (
            "profiles/facts/e.yaml:2:1 this is not YAML: while parsing a flow node expected the node content, but found "
            "'<stream end>' | mend this line, or one above it"
        ),
        "stack.yaml:9:5 unknown key `contex` | did you mean `context`?",
    ]


def test_two_files_that_say_the_same_name_both_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep(tmp_path, one=HOUSE_MODEL + HOUSE_CARD, two=HOUSE_CARD + HOUSE_MODEL.replace("about", "# about"))
    assert told(tmp_path) == [
        "profiles/facts/two.yaml:2:3 the card `house-card` is in profiles/facts/one.yaml:16 too | keep one of the two",
        "profiles/facts/two.yaml:10:3 the model `house/Small-1B` is in profiles/facts/one.yaml:3 too | keep one of the two",
    ]


def test_a_file_that_would_not_be_read_is_no_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep(tmp_path)
    (tmp_path / "profiles/facts/card.yml").write_text(HOUSE_CARD)
    assert told(tmp_path) == [
        "profiles/facts/card.yml:1:1 facts files end in .yaml, and this one is not read | rename it to card.yaml"
    ]


def test_facts_that_are_no_folder_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/facts").write_text("cards: {}\n")
    assert told(tmp_path) == [
        "profiles/facts:1:1 the facts cannot be read: Not a directory | it is a folder of YAML files"
    ]


def test_what_was_measured_is_in_the_catalogue(tmp_path):
    row = {
        "engine": "vllm", "version": "0.32.0", "model": "Qwen/Qwen3-0.6B", "card": "l4", "context": 4096, "concurrency": 8,
        "weights_gib": 1.12, "overhead_gib": 0.9, "cache_gib": 18, "cache_tokens": 168_000, "on": "2026-11-21",
        "source": "stackgen check --record",
    }  # fmt: skip
    keep(tmp_path, measured=yaml.safe_dump({"measured": [row]}))
    loaded = sources.load(write_spec(tmp_path, SMALL))
    assert not loaded.problems
    assert loaded.catalogue.measured == (Measured(**row),)


@pytest.mark.parametrize(
    ("entry", "known", "named_otherwise"),
    [
        (CardEntry, Card, {"id"}),
        (ModelEntry, ModelFacts, {"evidence"}),
        (MeasuredEntry, Measured, set()),
    ],
)
def test_a_file_can_say_all_that_the_catalogue_holds(entry, known, named_otherwise):
    """`id` is the key of an entry; who says a model's numbers is `source` in a file, where `evidence` is the catalogue's."""
    assert set(entry.model_fields) == {field.name for field in dataclasses.fields(known)} - named_otherwise


def test_the_kinds_of_a_file_are_those_that_have_needs():
    (kind,) = [field for name, field in ModelEntry.model_fields.items() if name == "kind"]
    assert sorted(kind.annotation.__args__) == sorted(facts.kinds())
    assert {model.kind for model in facts.models().values()} <= set(facts.kinds())


def test_what_is_to_be_filled_in_is_a_facts_file_once_it_is(tmp_path):
    text = facts.to_fill_in("house/Small-1B", "llm", {"layers": 16, "kv_heads": 0})
    assert "    layers: 16\n" in text
    lines = [
        line.partition("#")[0] + " 8" if line.partition("#")[0].endswith(":  ") else line for line in text.split("\n")
    ]
    data = yaml.safe_load("\n".join(lines).replace("source: 8", "source: me").replace("source:   8", "source: me"))
    data["models"]["house/Small-1B"]["source"] = "me"
    (entry,) = FactsFile.model_validate(data).models.values()
    assert (entry.layers, entry.kv_heads) == (16, 8)
    assert not facts.lacking("llm", entry.model_dump())


def test_the_schema_of_facts_files_takes_what_the_reader_takes(tmp_path):
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    validator = Draft202012Validator(schema.of_facts())
    for text in (HOUSE_CARD, HOUSE_MODEL):
        assert not list(validator.iter_errors(yaml.safe_load(text)))
    assert list(validator.iter_errors(yaml.safe_load(HOUSE_CARD.replace("vendor: nvidia", "vendor: nvida"))))


def test_what_a_card_does_not_say_follows_from_its_compute_capability(tmp_path):
    keep(tmp_path, card=HOUSE_CARD)
    card = sources.load(write_spec(tmp_path, SMALL)).catalogue.cards["house-card"]
    assert (card.bf16, card.fp8, card.fp4, card.weight_only) == (True, False, False, "yes")
    keep(
        tmp_path,
        card=HOUSE_CARD.replace("compute_capability: 8.6", "compute_capability: 8.6\n    fp8: true\n    bf16: false"),
    )
    card = sources.load(tmp_path).catalogue.cards["house-card"]
    assert (card.bf16, card.fp8) == (False, True)


@pytest.mark.parametrize("identifier", [card.id for card in facts.cards().values() if card.compute_capability])
def test_the_shipped_cards_agree_with_what_follows(identifier):
    shipped = facts.cards()[identifier]
    entry = CardEntry(
        name="-", vendor="nvidia", visible_gib=1.0, compute_capability=shipped.compute_capability, source="-"
    )
    derived = card_of(identifier, entry)
    assert (derived.bf16, derived.fp8, derived.fp4) == (shipped.bf16, shipped.fp8, shipped.fp4)
    assert derived.weight_only == shipped.weight_only
