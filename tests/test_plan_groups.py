"""Groups of models that take turns: what a spec may say, who sleeps, and what the gateway knows of it."""

from __future__ import annotations

import pytest
from support import write_spec

from stackgen import plan as planning
from stackgen import sources
from stackgen.errors import SpecError
from stackgen.parts import Group, together
from stackgen.plan import Plan

BASE = """\
version: 1
name: alt
profiles: [cpu]
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
  big: {source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat]}
  embed: {source: sentence-transformers/all-MiniLM-L6-v2, engine: infinity, modalities: [embedding]}
"""
TURNS = """\
groups:
  day: {models: [chat]}
  night: {models: [big], exclusive: day}
"""
NIGHT = "night: {models: [big], exclusive: day}"
CLOUD = "{cloud: {provider: openai, modalities: [chat], url: 'http://cloud.example/v1'}}"


def planned(folder, text: str, *active: str) -> Plan:
    return planning.make(sources.load(write_spec(folder, text)), active=active)


def refused(folder, text: str, *active: str) -> list[tuple[int, str, str]]:
    """Line, message and hint of every problem."""
    with pytest.raises(SpecError) as caught:
        planned(folder, text, *active)
    return [(problem.place.line, problem.message, problem.hint) for problem in caught.value.problems]


def served(plan: Plan) -> set[str]:
    return {deployment.public_name for deployment in plan.deployments}


@pytest.mark.parametrize(
    ("active", "names", "sleepers"),
    [
        ((), {"chat", "embed"}, {"big": "night"}),
        (("day",), {"chat", "embed"}, {"big": "night"}),
        (("night",), {"big", "embed"}, {"chat": "day"}),
    ],
)
def test_the_gateway_knows_the_active_group_and_what_always_runs(tmp_path, active, names, sleepers):
    plan = planned(tmp_path, BASE + TURNS, *active)
    assert served(plan) == names
    assert plan.sleeping_names == sleepers
    assert {name for route in plan.routes for name in route.public_names} == names
    asleep = {service.name for service in plan.services if service.is_asleep}
    assert asleep == {f"vllm-{name}" for name in sleepers}
    assert {service.name for service in plan.services if service.dormant} == asleep


def test_one_word_for_all_and_the_name_of_the_first_mean_the_same(tmp_path):
    words = "groups: {day: {models: [chat], exclusive: shift}, night: {models: [big], exclusive: shift}}\n"
    assert [group.exclusion for group in planned(tmp_path, BASE + words).groups] == ["shift", "shift"]
    assert [group.exclusion for group in planned(tmp_path, BASE + TURNS).groups] == ["day", "day"]


def test_exclusions_are_chosen_apart(tmp_path):
    more = BASE.replace("models:\n", "models:\n  a: {source: Qwen/Qwen3-4B, engine: vllm, modalities: [chat]}\n"
                        "  b: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat]}\n")  # fmt: skip
    more += TURNS + "  left: {models: [a]}\n  right: {models: [b], exclusive: left}\n"
    assert planned(tmp_path, more).active_groups == ("day", "left")
    assert planned(tmp_path, more, "right").active_groups == ("day", "right")
    assert planned(tmp_path, more, "right", "night").active_groups == ("night", "right")


def test_who_can_be_active_at_once():
    def of(name, exclusion):
        return Group(name=name, exclusion=exclusion, models=(), active=False)

    day, night, left = of("day", "day"), of("night", "day"), of("left", "left")
    assert together(day, day)
    assert together(day, None)
    assert together(None, night)
    assert together(day, left)
    assert not together(day, night)


@pytest.mark.parametrize(
    ("groups", "line", "message", "hint"),
    [
        ("{day: {models: [chta]}, night: {models: [big], exclusive: day}}", 8,
         "there is no model `chta`", "did you mean `chat`?"),
        ("{day: {models: [chat]}, night: {models: [big, chat], exclusive: day}}", 8,
         "`chat` is in the group `day` too", "drop one; a model in no group always runs"),
        ("{day: {models: [chat, chat]}, night: {models: [big], exclusive: day}}", 8, "`chat` is here twice", "drop one"),
        ("{day: {models: [chat]}}", 8, "the group `day` is alone in its exclusion `day`: nothing takes turns with it",
         "add another group that excludes it; models that always run need no group"),
        (f"{{day: {{models: [chat, cloud]}}, {NIGHT}}}\nendpoints: {CLOUD}", 8,
         "`cloud` is an endpoint: stackgen neither starts nor stops it", "drop it; endpoints always answer"),
        (f"{{day: {{models: [chat, own]}}, {NIGHT}}}\nservices: {{own: {{compose: {{image: 'busybox:1.37.0'}}}}}}", 8,
         "`own` is a service of your own, and only models take turns", "drop it"),
    ],
)  # fmt: skip
def test_groups_of_what_cannot_take_turns_are_refused(tmp_path, groups, line, message, hint):
    assert refused(tmp_path, f"{BASE}groups: {groups}\n") == [(line, message, hint)]


def test_an_empty_group_is_refused_at_its_line(tmp_path):
    [(line, message, _)] = refused(tmp_path, BASE + TURNS.replace("[big]", "[]"))
    assert line == 10
    assert "at least 1" in message


@pytest.mark.parametrize(
    ("day", "night", "hints"),
    [
        ("", "", ["write `exclusive: night` to let it take turns with `night`",
                  "write `exclusive: day` to let it take turns with `day`"]),
        ("", ", exclusive: dya", ["write `exclusive: dya` to let it take turns with `night`",
                                  "write `exclusive: day` to let it take turns with `day`"]),
        (", exclusive: night", ", exclusive: day", ["drop `exclusive` in `day` or in `night`, not in both",
                                                     "drop `exclusive` in `night` or in `day`, not in both"]),
    ],
)  # fmt: skip
def test_groups_that_nothing_takes_turns_with_are_refused(tmp_path, day, night, hints):
    text = f"{BASE}groups:\n  day: {{models: [chat]{day}}}\n  night: {{models: [big]{night}}}\n"
    found = refused(tmp_path, text)
    assert [line for line, _, _ in found] == [9, 10]
    assert [hint for _, _, hint in found] == hints


def test_an_exclusion_of_a_group_that_has_another_one_is_named(tmp_path):
    more = (
        BASE
        + TURNS.replace("[chat]", "[chat]").replace("night:", "night:")
        + "  late: {models: [embed], exclusive: night}\n"
    )
    assert [hint for _, _, hint in refused(tmp_path, more)] == ["`exclusive: day` is the exclusion of `night`"]


@pytest.mark.parametrize(
    ("active", "message"),
    [
        (("nihgt",), "there is no group `nihgt` to be active"),
        (("day", "night"), "`day` and `night` are both to be active, and exclude each other"),
    ],
)
def test_choices_that_cannot_be_met_are_refused(tmp_path, active, message):
    [(line, found, hint)] = refused(tmp_path, BASE + TURNS, *active)
    assert (line, found) == (8, message)
    assert hint.endswith("stackgen render --group NAME")


def test_a_choice_without_groups_is_refused(tmp_path):
    [(_, message, hint)] = refused(tmp_path, BASE, "night")
    assert message == "there is no group `night` to be active"
    assert hint == "the spec has no groups at all: leave --group away"


def test_models_of_one_process_are_of_one_group(tmp_path):
    more = BASE + "  other: {source: BAAI/bge-small-en-v1.5, engine: infinity, modalities: [embedding]}\n"
    both = more + TURNS.replace("[chat]", "[chat, embed]")
    [(line, message, hint)] = refused(tmp_path, both)
    assert line == 8
    assert message == (
        "`other` is in no group, and `embed` is in the group `day`; they share the instance `infinity`, which has one life"
    )
    assert hint == "give them different `instance` names, or put both into one group"
    apart = both.replace(
        "engine: infinity, modalities: [embedding]}\n  other",
        "engine: infinity, instance: shift, modalities: [embedding]}\n  other",
    )
    plan = planned(tmp_path, apart, "night")
    assert {service.name: service.is_asleep for service in plan.services if service.name.startswith("infinity")} == {
        "infinity": False, "infinity-shift": True,
    }  # fmt: skip


def test_pull_jobs_sleep_with_their_server(tmp_path):
    text = BASE.replace("big: {source: Qwen/Qwen3-1.7B, engine: vllm", 'big: {source: "qwen3:1.7b", engine: ollama')
    plan = planned(tmp_path, text + TURNS)
    assert {service.name for service in plan.services if service.is_asleep} == {"ollama", "ollama-fetch"}


CARD = """\
version: 1
name: card
profiles: [nvidia]
gpus: {g0: {card: a100-80gb}}
models:
  chat: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat], context: 8192, options: {gpu_memory_utilization: 0.4}}
  side: {source: Qwen/Qwen3-4B, engine: vllm, modalities: [chat], context: 8192, options: {gpu_memory_utilization: 0.2}}
  big: {source: Qwen/Qwen3-14B, engine: vllm, modalities: [chat], context: 8192, options: {gpu_memory_utilization: 0.7}}
  embed: {source: BAAI/bge-m3, engine: infinity, modalities: [embedding]}
  core: {source: Qwen/Qwen3-1.7B, engine: vllm, modalities: [chat], context: 8192, options: {gpu_memory_utilization: 0.15}}
groups:
  day: {models: [chat, side]}
  night: {models: [big], exclusive: day}
"""


def test_the_start_order_never_reaches_across_groups(tmp_path):
    plan = planned(tmp_path, CARD)
    assert {one.name: one.after for one in plan.instances} == {
        "vllm-core": (),
        "infinity": ("vllm-core",),
        "vllm-chat": ("infinity",),
        "vllm-side": ("vllm-chat",),
        "vllm-big": ("infinity",),
    }
    groups = {service.name: service.group and service.group.name for service in plan.services}
    for service in plan.services:
        assert {groups[need.service] for need in service.needs} <= {None, groups[service.name]}


def test_a_card_is_promised_to_the_largest_group_and_to_what_always_runs(tmp_path):
    [card] = planned(tmp_path, CARD).cards
    taken = {use.instance: use.taken_gib for use in card.uses}
    always = taken["infinity"] + taken["vllm-core"]
    most = always + max(taken["vllm-chat"] + taken["vllm-side"], taken["vllm-big"])
    assert card.free_gib == pytest.approx(79.25 - most)


def test_a_group_that_does_not_fit_beside_what_always_runs_is_refused(tmp_path):
    [(_, message, hint)] = refused(tmp_path, CARD.replace("0.7}", "0.9}"))
    assert "vllm-big" in message
    assert "vllm-chat" not in message
    assert "`gpu_memory_utilization: 0.71` under `options` of `big`" in hint


NAMES = """\
gateway:
  database: false
  cache: none
  aliases: {bigger: big, smaller: chat}
  fallbacks: {big: [huge, third], third: [chat], chat: [huge]}
  context_window_fallbacks: {third: [big, chat]}
  default_fallbacks: [big, third]
"""
MORE = """\
  third: {source: Qwen/Qwen3-4B, engine: vllm, modalities: [chat]}
  huge: {source: Qwen/Qwen3-8B, engine: vllm, modalities: [chat]}
"""


def test_what_the_gateway_is_told_names_nobody_who_sleeps(tmp_path):
    text = BASE + MORE + TURNS.replace("[big]", "[big, huge]") + NAMES
    day, night = (planned(tmp_path, text, group).gateway for group in ("day", "night"))
    assert (day.aliases, night.aliases) == ({"smaller": "chat"}, {"bigger": "big"})
    assert (day.fallbacks, night.fallbacks) == ({"third": ("chat",)}, {"big": ("huge", "third")})
    assert (day.context_window_fallbacks, night.context_window_fallbacks) == ({"third": ("chat",)}, {"third": ("big",)})
    assert (day.default_fallbacks, night.default_fallbacks) == (("third",), ("big", "third"))


def test_groups_may_share_a_public_name_and_it_never_sleeps(tmp_path):
    text = BASE.replace("engine: vllm", "engine: vllm, public_names: [main]") + TURNS
    for group, service in (("day", "vllm-chat"), ("night", "vllm-big")):
        plan = planned(tmp_path, text, group)
        assert [entry.route.service for entry in plan.deployments if entry.public_name == "main"] == [service]
        assert plan.sleeping_names == {}
        assert plan.shared_names == frozenset()
    [(_, message, _)] = refused(tmp_path, text + "gateway: {cooldown_seconds: 5}\n")
    assert message == "no public name has two servers, so this does nothing"


def test_groups_may_share_a_port_of_the_host(tmp_path):
    text = BASE.replace("engine: vllm", "engine: vllm, publish: {port: 8001}")
    assert refused(tmp_path, text)
    assert planned(tmp_path, text + TURNS)
    [(_, message, _)] = refused(
        tmp_path, text + "groups: {day: {models: [chat, big]}, night: {models: [embed], exclusive: day}}\n"
    )
    assert "port 8001 on 127.0.0.1 is taken by vllm-big" in message


def test_a_semantic_cache_needs_its_model_always(tmp_path):
    cache = "gateway: {cache: semantic, semantic_cache: {embedding: embed}}\n"
    assert planned(tmp_path, BASE + TURNS + cache)
    [(line, message, hint)] = refused(tmp_path, BASE + TURNS.replace("[chat]", "[chat, embed]") + cache)
    assert line == 11
    assert message == "`embed` sleeps while `day` is not active, and the cache asks it always"
    assert hint == "take its model out of `day`: in no group it always runs"


def test_the_choice_changes_no_name_and_no_secret(tmp_path):
    day, night = (planned(tmp_path, BASE + TURNS, group) for group in ("day", "night"))
    assert [service.name for service in day.services] == [service.name for service in night.services]
    assert day.secrets == night.secrets
    assert day.storages == night.storages
    assert day.networks == night.networks


OWN = """\
services:
  own:
    compose: {image: "busybox:1.37.0", %s}
"""


@pytest.mark.parametrize(
    ("keys", "message", "hint"),
    [
        ("depends_on: [vllm-chat]", "own could not start while vllm-chat sleeps, which is in the group `day`",
         "write `required: false`, or take its models out of the group"),
        ("network_mode: service:vllm-big", "own could not start while vllm-big sleeps, which is in the group `night`",
         "drop the line, or take its models out of the group"),
        ("profiles: [night]", "own has the profile `night`, and a group of models has that name",
         "choose another name for one of them"),
    ],
)  # fmt: skip
def test_services_of_the_users_own_hang_on_nobody_who_may_sleep(tmp_path, keys, message, hint):
    assert (13, message, hint) in refused(tmp_path, BASE + TURNS + OWN % keys)


@pytest.mark.parametrize(
    "keys",
    [
        "depends_on: {vllm-chat: {condition: service_started, required: false}}",
        "depends_on: [infinity]",
        "profiles: [tools]",
    ],
)
def test_services_of_the_users_own_may_wait_for_whoever_is_there(tmp_path, keys):
    assert planned(tmp_path, BASE + TURNS + OWN % keys, "night")
