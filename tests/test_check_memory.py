"""`check` beside engines that tell of their memory, and `check --record`; the engine of Docker is played."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import pytest
from engine_stand_in import Engine, container
from ruamel.yaml import YAML
from simulated import ask, stand_in
from start_logs import QWEN3_8B_ON_A100, REAL_0_32_METRICS
from support import plan_of, write_spec

from stackgen import runtime, verbs
from stackgen.modalities import Reply
from stackgen.report import Finding, Report, forms
from stackgen.verbs import memory

SPEC = """\
version: 1
name: big
profiles: [nvidia]
gpus: {a: {card: a100-40gb}}
gateway: {database: false, cache: none}
models:
  chat:
    source: Qwen/Qwen3-8B
    engine: vllm
    modalities: [chat]
    gpus: [a]
    context: 40960
    options: {gpu_memory_utilization: 0.9, max_num_batched_tokens: 2048}
"""
TODAY = date(2026, 11, 21)
BEFORE, STARTED = "2026-11-21T13:00:00.000000000Z", "2026-11-21T14:00:00.000000001Z"


@pytest.fixture
def stack(tmp_path):
    return verbs.open_stack(write_spec(tmp_path, SPEC))


def logged(text, at="2026-11-21T14:00:05.000000000Z"):
    return [f"{at} {line}\n".encode() for line in text.splitlines()]


def docker(text, **changed):
    return Engine([container("vllm-chat", started_at=STARTED, **changed)], {"id-vllm-chat": logged(text)})


def unasked(requests):
    return [Reply(error="not asked: litellm does not run")] * len(requests)


def looked(plan, engine, inside=unasked):
    report = Report(plan.name, simulated=plan.simulated)
    memory.add(report, plan, engine, engine.states, inside)
    return report


def test_the_log_of_the_engine_is_compared_with_the_plan(stack):
    report = looked(stack.plan, docker(QWEN3_8B_ON_A100))
    (line,) = report.lines()
    assert (line.section, line.state, line.what, line.hop, line.service) == (
        "memory", "ok", "vllm-chat: memory", "engine", "vllm-chat",
    )  # fmt: skip
    weights, cache, requests = line.words.split("; ")
    assert weights.startswith("weights 15.27 GiB, ")
    assert cache.startswith("cache 136,080 tokens, planned ")
    assert requests.startswith("requests of full length 3.32, planned ")
    assert report.ok


def test_what_was_logged_before_the_last_start_does_not_count(stack):
    engine = docker(QWEN3_8B_ON_A100)
    engine.logs["id-vllm-chat"][:0] = logged(QWEN3_8B_ON_A100.replace("15.2683", "99.0"), BEFORE)
    engine.logs["id-vllm-chat"] = [line for line in engine.logs["id-vllm-chat"] if b"15.2683" not in line]
    (found,) = looked(stack.plan, engine).measured
    assert (found.reading.weights_gib, found.reading.cache_tokens) == (None, 136_080)


def test_metrics_are_asked_for_inside_the_network(stack):
    asked = []

    def inside(requests):
        asked.extend(requests)
        return [Reply(status=200, body=REAL_0_32_METRICS)]

    (found,) = looked(stack.plan, docker("nothing"), inside).measured
    assert [(request.method, request.url) for request in asked] == [("GET", "http://vllm-chat:8000/metrics")]
    assert asked[0].timeout_seconds <= 10, "an engine that hangs was waited for already"
    assert (found.reading.cache_tokens, found.reading.requests) == (1_048_576, 4096.0)


def test_a_refusal_of_metrics_is_no_text_of_metrics(stack):
    report = looked(stack.plan, docker("nothing"), lambda _: [Reply(status=404, body=REAL_0_32_METRICS)])
    assert report.memory == [
        Finding("vllm-chat: memory", skipped="its log says nothing of memory", service="vllm-chat")
    ]


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (Engine(), "it does not run, or is not ready yet"),
        (docker(QWEN3_8B_ON_A100, health="starting"), "it does not run, or is not ready yet"),
        (
            Engine([container("vllm-chat")], unreadable=("id-vllm-chat",)),
            "Docker refuses: configured logging driver does not support reading",
        ),
    ],
    ids=["absent", "starting", "unreadable"],
)
def test_what_keeps_us_from_measuring_is_said(stack, engine, reason):
    (line,) = looked(stack.plan, engine).lines()
    assert (line.state, line.words) == ("skipped", reason)


def test_engines_that_nobody_has_read_are_left_out(tmp_path):
    text = SPEC.replace("Qwen/Qwen3-8B", "BAAI/bge-m3").replace("vllm", "infinity").replace("[chat]", "[embedding]")
    plan = plan_of(tmp_path, text[: text.index("    context")])
    engine = Engine([container(instance.name) for instance in plan.instances])
    asked = []
    assert looked(plan, engine, lambda requests: asked.extend(requests) or unasked(requests)).memory == []
    assert asked == []


def test_models_of_one_process_are_not_told_apart(tmp_path):
    text = SPEC[: SPEC.index("models:")] + (
        "models:\n  a: {source: 'llama3.2:3b', engine: ollama, modalities: [chat]}\n"
        "  b: {source: 'qwen2.5:1.5b', engine: ollama, modalities: [chat]}\n"
    )
    plan = plan_of(tmp_path, text)
    engine = Engine([container(instance.name) for instance in plan.instances])
    (line,) = looked(plan, engine).lines()
    assert line.words == "several models share its process, and its log does not tell them apart"


def test_a_plan_that_is_off_is_a_warning_with_what_to_do(stack):
    engine = docker(QWEN3_8B_ON_A100.replace("136,080", "90,000").replace("3.32x", "2.20x"))
    report = looked(stack.plan, engine)
    off, remedy = report.warnings
    assert off.startswith("the plan is off for vllm-chat: cache 90,000 tokens, planned ")
    assert remedy == "`stackgen check --record` keeps what was measured for the next plan"
    assert report.ok


@pytest.mark.parametrize(("concurrency", "words"), [("", []), ("    concurrency: 4\n", ["`concurrency` is 4"])])
def test_only_what_the_spec_itself_promises_is_held_against_the_cache(tmp_path, concurrency, words):
    plan = plan_of(tmp_path, SPEC.replace("    context: 40960\n", f"    context: 40960\n{concurrency}"))
    told = [warning for warning in looked(plan, docker(QWEN3_8B_ON_A100)).warnings if "concurrency" in warning]
    assert len(told) == len(words)
    assert all(word in warning for word, warning in zip(words, told, strict=True))


def test_a_cache_that_holds_no_whole_request_fails(stack):
    engine = docker(QWEN3_8B_ON_A100.replace("3.32x", "0.50x"))
    report = looked(stack.plan, engine)
    (finding,) = report.memory
    (complaint,) = finding.complaints
    assert complaint.startswith(
        "its cache holds 0.50 of a request of 40,960 tokens: none of full length can be answered (weights 15.27 GiB"
    )
    assert finding.hint == "lower `context` of `chat`, or give it more memory"
    assert not report.ok


def test_a_simulation_goes_the_same_way_and_has_nothing_to_compare_with(tmp_path):
    plan = verbs.open_stack(write_spec(tmp_path, SPEC), simulate=True).plan
    service = next(service for service in plan.services if service.name == "vllm-chat")
    door = stand_in("vllm", *(str(word.value) for word in service.command))
    engine = docker("\n".join(door.log))
    (line,) = looked(plan, engine, lambda _: [Reply(status=200, body=ask(door, "GET /metrics").text)]).lines()
    assert line.words == (
        "weights 15.27 GiB; cache 655,360 tokens; requests of full length 16.00; the plan has no figures"
    )


def test_every_form_shows_what_was_measured(stack):
    report = looked(stack.plan, docker(QWEN3_8B_ON_A100))
    (entry,) = json.loads(forms.as_json(report))["memory"]
    assert (entry["state"], entry["hop"], entry["service"]) == ("ok", "engine", "vllm-chat")
    assert entry["note"] == report.memory[0].note
    weights, tokens, requests = entry["figures"]
    assert (weights["quantity"], weights["measured"]) == ("weights_gib", 15.2683)
    assert (tokens["quantity"], tokens["measured"]) == ("cache_tokens", 136_080)
    assert requests["off_percent"] == round((requests["planned"] / 3.32 - 1) * 100, 1)
    case = ET.fromstring(forms.as_junit(report)).find("testsuite[@name='memory']/testcase")
    assert (case.get("name"), case.get("classname")) == ("vllm-chat: memory", "engine.vllm-chat")
    assert case.find("system-out").text == entry["note"]
    assert entry["note"] in forms.as_text(report)


def recorded(stack, engine, **more):
    report = looked(stack.plan, engine)
    for name, value in more.items():
        setattr(report, name, value)
    return verbs.record_measured(stack, report, TODAY)


def test_record_writes_beside_the_spec_and_says_what(stack):
    assert recorded(stack, docker(QWEN3_8B_ON_A100)) == ["wrote profiles/facts/measured.yaml: 1 new"]
    file = stack.folder / "profiles" / "facts" / "measured.yaml"
    (row,) = YAML(typ="safe", pure=True).load(file)["measured"]
    share = 0.9 * stack.plan.cards[0].gpu.card.visible_gib
    assert row == {
        "engine": "vllm", "version": stack.plan.instances[0].image.version, "model": "Qwen/Qwen3-8B", "card": "a100-40gb",
        "tensor_parallel": 1, "context": 40_960, "concurrency": 16, "batched_tokens": 2048, "weights_gib": 15.2683,
        "overhead_gib": round(share - 15.2683 - 18.69, 4), "cache_gib": 18.69, "cache_tokens": 136_080, "on": "2026-11-21",
        "source": "told by vllm-chat when it started",
    }  # fmt: skip


def test_the_next_plan_rests_on_what_was_recorded(stack):
    before = stack.plan.memory["vllm-chat"]
    recorded(stack, docker(QWEN3_8B_ON_A100))
    again = verbs.open_stack(stack.folder)
    after = again.plan.memory["vllm-chat"]
    assert after.need.why == f"{before.need.why}; weights and overhead measured on 2026-11-21"
    assert (after.need.weights_gib, after.need.estimates) == (15.2683, ())
    (figure,) = [
        figure
        for found in looked(again.plan, docker(QWEN3_8B_ON_A100)).measured
        for figure in found.figures
        if figure.quantity == "cache_tokens"
    ]
    assert abs(figure.off_percent) < 0.1
    assert again.plan.services == stack.plan.services, "a measurement of the same setting asks for no other one"


def test_record_again_replaces_and_leaves_nothing_aside(stack):
    recorded(stack, docker(QWEN3_8B_ON_A100))
    again = QWEN3_8B_ON_A100.replace("15.2683", "15.5")
    assert recorded(stack, docker(again)) == ["wrote profiles/facts/measured.yaml: 1 replaced"]
    folder = stack.folder / "profiles" / "facts"
    assert [path.name for path in folder.iterdir()] == ["measured.yaml"]
    assert "weights_gib: 15.5\n" in (folder / "measured.yaml").read_text()


def test_a_container_that_is_not_as_the_spec_says_measures_something_else(stack):
    unfit = [Finding("vllm-chat", ("has other settings than the spec says",), service="vllm-chat")]
    assert recorded(stack, docker(QWEN3_8B_ON_A100), containers=unfit) == [
        "not recorded: vllm-chat, its container is not as the spec says",
        "nothing was recorded: profiles/facts/measured.yaml is as it was",
    ]
    assert not (stack.folder / "profiles").exists()


def test_without_weights_nothing_is_recorded(stack):
    told = recorded(stack, docker("GPU KV cache size: 136,080 tokens"))
    assert told[0] == "not recorded: vllm-chat, its engine told nothing of weights"


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--simulate", "stand-ins measure nothing"),
        ("--static", "no engine is asked with --static"),
    ],
)
def test_record_without_engines_is_refused(tmp_path, run, flag, words):
    code, out, err = run("check", "--record", flag, spec=SPEC)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: --record: {words}; leave one of them away\n")
    assert not (tmp_path / "profiles").exists()


def test_check_with_record_compares_then_keeps(tmp_path, run, monkeypatch):
    monkeypatch.setattr(runtime, "connect", lambda: docker(QWEN3_8B_ON_A100))
    monkeypatch.setattr(runtime.compose, "config_hashes", lambda *_: {})
    assert run("render", spec=SPEC)[0] == 0
    image = verbs.open_stack(tmp_path).plan.instances[0].image.reference
    networks = ("big_engines",)
    monkeypatch.setattr(runtime, "connect", lambda: docker(QWEN3_8B_ON_A100, image=image, networks=networks))
    code, out, err = run("check", "--record", "--format", "json", spec=None)
    report = json.loads(out)
    assert (code, report["ok"]) == (1, False), "the gateway does not run"
    assert [entry["name"] for entry in report["memory"]] == ["vllm-chat: memory"]
    assert err.splitlines()[-1] == "wrote profiles/facts/measured.yaml: 1 new"
    assert f'"{datetime.now(UTC):%Y-%m-%d}"' in (tmp_path / "profiles" / "facts" / "measured.yaml").read_text()
