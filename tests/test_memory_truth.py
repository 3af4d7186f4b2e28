"""The benchmark of memory on the project's own rows: targets, and that it reads rows it was not written for."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "memory_truth.py"
REASONS = {"card unknown", "model unpublished", "speculative decoding", "log format", "excluded by name"}
HEADER = (
    "id,source,model,engine,version,gpu,gpu_count,tp,gpu_mem_util,max_model_len,"
    "dtype,quant,kv_dtype,weights_gib,kv_gib,kv_tokens,max_concurrency,notes"
)


def run(*words):
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def result():
    return json.loads(run("--json"))


@pytest.mark.parametrize(("way", "rows", "median", "tenth"), [("logged_weights", 16, 2, 8), ("catalogue", 18, 3, 12)])
def test_predictions_are_within_their_targets(result, way, rows, median, tenth):
    found = result[way]
    assert found["rows"] >= rows
    assert found["median_percent"] <= median
    assert found["p90_percent"] <= tenth
    assert found["worst_over_percent"] <= 8


def test_every_refusal_is_refused_and_every_start_started(result):
    assert result["wrong_verdicts"] == []


def test_what_is_skipped_has_a_reason(result):
    assert {each["reason"] for each in result["skipped"]} <= REASONS
    by_name = {each["id"] for each in result["skipped"] if each["reason"] == "excluded by name"}
    assert by_name == {"T053", "T064", "T076"}


def test_other_rows_are_read_and_what_they_lack_is_said(tmp_path):
    rows = (
        "A1,,Qwen/Qwen3-8B,vllm,0.9.2,A100 40GB,1,1,0.9,40960,bf16,none,auto,15.2683,18.69,136080,,mnbt=2048",
        "A2,,someone/Qwen3-8B-finetune,vllm,0.9.2,NVIDIA A100 40GB PCIe,1,1,,40960,,,,,,136080,,",
        "A3,,Qwen/Qwen3-8B,vllm,0.9.2,a card of tomorrow,1,1,,,,,,,,1000,,",
        "A4,,nobody/knows-7B,vllm,0.9.2,L40S,1,1,,,,,,,,1000,,",
        "A5,,Qwen/Qwen3-8B,vllm,0.9.2,L40S,1,1,,,,,,,,1000,,MTP 2 tokens",
        "A6,,Qwen/Qwen3-8B,vllm,,L40S,1,1,,,,,,,,,,",
        "A7,,Qwen/Qwen3-32B,vllm,0.11,L40S,1,1,,40960,,,,,-30,,,refused",
        "A8,,qwen3:8b,ollama,0.12,CPU,0,,,8192,,Q4_K_M,f16,4.9,1.1,,,total=6.5",
        "A9,,Qwen/Qwen3-8B,vllm,,,,,,,,,,,,,,",
        "B2,,moonshotai/Kimi-K2-Thinking,vllm,0.11.1,H200,8,8,,,,int4,auto,69.4,,5720576,,TP8 with DCP8",
        "B3,,Qwen/Qwen3-8B,vllm,0.9.2,L40S,1,1,,40960,,,octave,,,1000,,",
        "B4,,Qwen/Qwen3-8B,vllm,0.9.2,L40S,1,1,0.9,40960,,,,,,,,free=30;refused",
        "B1,,Qwen/Qwen3.8-27B-FP8,vllm,2026-08,RTX 5090,2,2,,262144,,fp8,fp8,14.28,,377456,,",
    )  # fmt: skip
    file = tmp_path / "rows.csv"
    file.write_text("\n".join((HEADER, *rows)), encoding="utf-8")
    found = json.loads(run(str(file), "--json"))
    assert found["logged_weights"]["rows"] == 2
    assert found["catalogue"]["rows"] == 3
    assert found["catalogue"]["worst_over_percent"] <= 8
    assert found["wrong_verdicts"] == []
    assert {each["id"]: each["reason"] for each in found["skipped"]} == {
        "A3": "card unknown", "A4": "model unpublished", "A5": "speculative decoding",
        "A9": "card unknown", "B1": "log format", "B3": "log format",
    }  # fmt: skip
    assert "A8" in run(str(file))


def test_the_text_has_a_line_for_each_row_and_each_constant(result):
    text = run()
    assert text.count("T079") >= 2
    assert "sampler_sorted_bytes" in text
    assert "wrong verdicts: none" in text


def test_percentiles_are_of_the_rows(result):
    """Nearest rank: nine tenths of the rows are at least as good."""
    lines = run().split("\n\n")[1].splitlines()
    off = sorted(abs(float(line.split("%")[0].split()[-1])) for line in lines[2:] if "%" in line)
    assert off[math.ceil(0.9 * len(off)) - 1] == pytest.approx(result["catalogue"]["p90_percent"], abs=0.06)
