"""The forms of a report: table, JSON, JUnit; each says where stand-ins answered."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest

from stackgen import __version__
from stackgen.report import SIMULATED, Finding, Report, forms
from stackgen.smoke import Hop, Result


def result(**more):
    given = {"name": "chat", "model": "chat", "probe": "chat", "hop": Hop.GATEWAY, "service": "vllm-chat"}
    return Result(**(given | {"complaint": None, "seconds": 0.25, "modality": "chat", "tokens": 72} | more))


@pytest.fixture
def report():
    return Report(
        "small",
        warnings=("a card is full",),
        static=[Finding("spec and plan"), Finding("gateway file", ("mode is chat",), hint="mend", service="litellm")],
        containers=[Finding("redis", skipped="it is started by its name alone", service="redis")],
        results=[
            result(),
            result(probe="chat stream", first_seconds=0.08),
            result(hop=Hop.ENGINE, complaint='HTTP 500: <"boom"> & \x1b more', cause="broken"),
            result(probe="chat tools", skipped="the budget of 9 tokens is used up", seconds=0.0, tokens=0),
        ],
        access=[Finding("key ci", ("gone",))],
        diagnosis=("chat: vllm-chat does not answer",),
        seconds=1.5,
    )


def test_the_table_has_a_line_for_each_and_sentences_below(report):
    lines = [re.split("  +", line) for line in forms.as_text(report).splitlines()]
    assert lines == [
        ["ok", "spec and plan", "files"],
        ["failed", "gateway file", "files", "mode is chat -> mend"],
        ["skipped", "redis", "container", "it is started by its name alone"],
        ["ok", "chat: chat", "gateway", "0.25 s"],
        ["ok", "chat: chat stream", "gateway", "0.25 s (first 0.08 s)"],
        ["failed", "chat: chat", "engine", "0.25 s", 'vllm-chat: HTTP 500: <"boom"> & \x1b more'],
        ["skipped", "chat: chat tools", "gateway", "the budget of 9 tokens is used up"],
        ["failed", "key ci", "gateway", "gone"],
        ["chat: vllm-chat does not answer"],
        ["warning: a card is full"],
        ["small: 3 ok, 3 failed, 2 skipped; 1.5 s, 216 tokens"],
    ]


def test_a_model_that_was_asked_nothing_is_not_green(report):
    """A budget that is too small for all of its requests proves nothing of it."""
    words = "the budget of 9 tokens is used up; --budget-tokens sets another"
    report.results = [result(model="small", name="tiny", skipped=words), result(model="small", skipped=words), result()]
    report.static, report.access = [], []
    assert (report.ok, report.unproven) == (False, ("small",))
    (line,) = [line for line in forms.as_text(report).splitlines() if line.startswith("failed")]
    assert re.split("  +", line)[1:] == ["small: any answer", "gateway", f"nothing is proven of it: {words}"]
    assert json.loads(forms.as_json(report))["unproven"] == ["small"]
    root = ET.fromstring(forms.as_junit(report).partition("\n")[2])
    assert root.get("failures") == "1"


def test_one_answer_of_a_model_is_enough_where_others_were_skipped(report):
    report.results = [
        result(),
        result(probe="chat tools", skipped="used up"),
        result(name="x", model="", modality="", skipped="-"),
    ]
    report.static, report.access = [], []
    assert (report.ok, report.unproven) == (True, ())


def test_json_names_hop_service_cause_and_times(report):
    data = json.loads(forms.as_json(report))
    assert (data["version"], data["stack"], data["simulated"], data["ok"]) == (1, "small", False, False)
    assert (data["seconds"], data["tokens"]) == (1.5, 216)
    assert data["files"][1] == {
        "name": "gateway file", "state": "failed", "hop": "files", "service": "litellm",
        "complaints": ["mode is chat"], "skipped": None, "hint": "mend",
    }  # fmt: skip
    stream, broken, left_out = data["requests"][1:]
    assert (stream["first_token_seconds"], stream["state"], stream["ok"]) == (0.08, "ok", True)
    assert (broken["hop"], broken["service"], broken["state"], broken["ok"], broken["cause"]) == (
        "engine", "vllm-chat", "failed", False, "broken",
    )  # fmt: skip
    assert (left_out["state"], left_out["skipped"]) == ("skipped", "the budget of 9 tokens is used up")
    assert data["diagnosis"] == ["chat: vllm-chat does not answer"]


def test_junit_is_read_by_a_parser_and_counts_right(report):
    root = ET.fromstring(forms.as_junit(report))
    assert (root.tag, root.get("name"), root.get("tests"), root.get("failures"), root.get("skipped")) == (
        "testsuites", "small", "8", "3", "2",
    )  # fmt: skip
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["files", "containers", "requests", "access"]
    requests = suites["requests"]
    assert (requests.get("tests"), requests.get("failures"), requests.get("skipped")) == ("4", "1", "1")
    broken = requests.findall("testcase")[2]
    assert (broken.get("classname"), broken.get("name"), broken.get("time")) == (
        "engine.vllm-chat",
        "chat: chat",
        "0.250",
    )
    assert broken.find("failure").get("message") == 'vllm-chat: HTTP 500: <"boom"> & \\u001b more'
    assert requests.findall("testcase")[3].find("skipped").get("message") == "the budget of 9 tokens is used up"
    properties = {entry.get("name"): entry.get("value") for entry in requests.find("properties")}
    assert properties == {"stack": "small", "simulated": "false", "version": __version__}


def test_every_form_says_at_its_top_that_stand_ins_answered(report):
    assert SIMULATED not in forms.as_text(report) + forms.as_json(report) + forms.as_junit(report)
    report.simulated = True
    assert forms.as_text(report).splitlines()[0] == SIMULATED
    assert json.loads(forms.as_json(report))["simulated"] is True
    notes = [entry.get("value") for entry in ET.fromstring(forms.as_junit(report)).iter("property")]
    assert notes.count(SIMULATED) == 4


def test_a_report_without_a_failure_is_good(report):
    report.static, report.access = report.static[:1], []
    report.results = [entry for entry in report.results if entry.ok]
    assert report.ok
    assert ET.fromstring(forms.as_junit(report)).get("failures") == "0"
