"""What engines tell of their memory is read out of recorded logs and metrics, of several releases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import ask, stand_in
from start_logs import (
    DEEPSEEK_ON_V100,
    GEMMA_ON_22_1,
    GPT_OSS_ON_ROCM,
    HERMES_PARTLY_ON_AN_RTX_2060,
    QWEN3_8B_ON_A100,
    REAL_0_32_METRICS,
    REAL_0_32_ON_THE_PROCESSOR,
    SMALL_QWEN_ON_16_GB,
    TWO_WORKERS,
)

from stackgen import facts, measuring
from stackgen.facts.memory_lines import engines_with_memory_lines
from stackgen.measuring import Reading
from stackgen.measuring.reading import amount

VLLM, OLLAMA = facts.memory_lines("vllm"), facts.memory_lines("ollama")


def vllm(log, metrics="", *, on_cards=True):
    return measuring.read(VLLM, log, metrics, on_cards=on_cards)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            QWEN3_8B_ON_A100,
            Reading(
                weights_gib=15.2683,
                cache_gib=18.69,
                graphs_gib=2.24,
                cache_tokens=136_080,
                requests=3.32,
                length=40_960,
            ),
        ),
        (
            DEEPSEEK_ON_V100,
            Reading(
                weights_gib=14.27, cache_gib=12.8, overhead_gib=1.5, cache_tokens=239_738, requests=117.06, length=2048
            ),
        ),
        (
            TWO_WORKERS,
            Reading(
                weights_gib=10.8, cache_gib=14.26, overhead_gib=1.6, cache_tokens=117_000, requests=2.34, length=50_000
            ),
        ),
        (
            GEMMA_ON_22_1,
            Reading(
                weights_gib=15.18, cache_gib=4.1, graphs_gib=0.71, cache_tokens=224_353, requests=6.85, length=32_768
            ),
        ),
        (SMALL_QWEN_ON_16_GB, Reading(weights_gib=0.88, cache_gib=13.33, overhead_gib=0.99)),
        ("", Reading()),
        ("INFO 06-10 10:57:56 nothing of the kind\n", Reading()),
    ],
    ids=["0.9.2", "0.7", "0.8.5 on two cards", "0.22.1", "0.2x summary", "empty", "other lines"],
)
def test_recorded_starts_of_vllm_are_read(log, expected):
    assert vllm(log) == expected


def test_the_real_image_is_read_from_its_log_and_from_its_metrics_alone():
    expected = Reading(cache_gib=1.0, cache_is_given=True, cache_tokens=1_048_576, requests=4096.0, length=256)
    assert vllm(REAL_0_32_ON_THE_PROCESSOR, REAL_0_32_METRICS, on_cards=False) == expected
    assert vllm("", REAL_0_32_METRICS, on_cards=False) == replace(expected, cache_gib=None, cache_is_given=False)


def test_metrics_of_older_releases_give_tokens_by_blocks():
    series = 'vllm:cache_config_info{block_size="16",num_gpu_blocks="14984",num_cpu_blocks="4681"} 1.0\n'
    assert vllm("", series).cache_tokens == 239_744
    assert vllm(DEEPSEEK_ON_V100, series).cache_tokens == 239_744, (
        "exact, where the log has two digits of requests alone"
    )


def test_of_several_engines_behind_one_door_the_smallest_cache_counts():
    one, two = (f'vllm:cache_config_info{{engine="{at}",kv_cache_size_tokens="{9000 - at}"}} 1.0\n' for at in (0, 1))
    assert vllm("", one + two).cache_tokens == 8999


def test_the_last_start_counts_and_what_was_said_before_does_not():
    again = QWEN3_8B_ON_A100.replace("136,080", "100,000").replace("15.2683", "16.0")
    cut = "".join(line for line in again.splitlines(keepends=True) if "Available" not in line)
    reading = vllm(QWEN3_8B_ON_A100 + cut)
    assert (reading.weights_gib, reading.cache_tokens, reading.cache_gib) == (16.0, 100_000, None)


def test_the_worker_with_the_least_room_decides_in_colour_too():
    lines = [
        f"\x1b[1;36m(VllmWorker rank={rank} pid=21{rank})\x1b[0;0m INFO 08-31 14:45:44 [gpu_worker.py:232] {words}"
        for rank, cache, weights in ((1, "10.04", "7.7"), (0, "8.69", "7.9"))
        for words in (f"Available KV cache memory: {cache} GiB", f"Model loading took {weights} GiB and 3.6 seconds")
    ]
    reading = vllm("\n".join(lines))
    assert (reading.cache_gib, reading.weights_gib) == (8.69, 7.9)


def test_ollama_tells_devices_apart():
    on_card = measuring.read(OLLAMA, HERMES_PARTLY_ON_AN_RTX_2060, "", on_cards=True)
    assert (round(on_card.weights_gib, 3), on_card.cache_gib, on_card.cache_tokens) == (2.001, 1.75, 32_768)
    assert (on_card.layers_on_cards, on_card.layers, round(on_card.graphs_gib, 3)) == (15, 33, 0.242)
    on_host = measuring.read(OLLAMA, HERMES_PARTLY_ON_AN_RTX_2060, "", on_cards=False)
    assert (round(on_host.weights_gib, 3), on_host.cache_gib) == (2.614, 2.25)


def test_an_older_ollama_is_read_and_its_last_model_counts():
    reading = measuring.read(OLLAMA, HERMES_PARTLY_ON_AN_RTX_2060 + GPT_OSS_ON_ROCM, "", on_cards=True)
    assert (reading.weights_gib, round(reading.cache_gib, 3), reading.cache_tokens) == (59.8, 0.439, 8192)
    assert (reading.layers_on_cards, reading.layers) == (37, 37)


def test_buffers_of_one_device_add_up():
    windows = "llama_kv_cache: CUDA0 KV buffer size = 100.00 MiB\nllama_kv_cache: CUDA0 KV buffer size =  28.00 MiB\n"
    assert measuring.read(OLLAMA, windows, "", on_cards=True).cache_gib == 0.125
    grown = (
        "sched_reserve: CUDA0 compute buffer size = 64.00 MiB\nsched_reserve: CUDA0 compute buffer size = 128.00 MiB\n"
    )
    assert measuring.read(OLLAMA, grown, "", on_cards=True).graphs_gib == 0.125


@pytest.mark.parametrize("engine", engines_with_memory_lines())
def test_every_pattern_reads_its_example(engine):
    known = facts.memory_lines(engine)
    for line in known.lines:
        found = line.pattern.search(line.example)
        assert found, line.pattern.pattern
        told = {}
        for other in known.lines:
            match = other.pattern.search(line.example)
            told |= (
                {name: amount(text) for name, text in match.groupdict().items() if name != "worker"} if match else {}
            )
        assert told == pytest.approx(dict(line.reads), abs=1e-3), line.example
        assert line.source
        assert line.versions


@given(
    gib=st.decimals(0, 2000, places=2),
    tokens=st.integers(16, 10**9),
    length=st.integers(1, 10**7),
    hundredths=st.integers(0, 10**7),
)
def test_what_is_printed_is_read_again(gib, tokens, length, hundredths):
    requests = hundredths / 100
    log = (
        f"(EngineCore pid=7) INFO 11-21 17:51:45 [x.py:1] Model loading took {gib} GiB memory and 1.000000 seconds\n"
        f"(EngineCore pid=7) INFO 11-21 17:51:45 [x.py:1] Available KV cache memory: {gib} GiB\n"
        f"(EngineCore pid=7) INFO 11-21 17:51:45 [x.py:1] GPU KV cache size: {tokens:,} tokens, Maximum concurrency for "
        f"{length:,} tokens per request: {requests:.2f}x\n"
        f"(EngineCore pid=7) INFO 11-21 17:51:45 [x.py:1] Graph capturing finished in 3 secs, took {gib} GiB\n"
    )
    size = float(gib)
    assert vllm(log) == Reading(
        weights_gib=size, cache_gib=size, graphs_gib=size, cache_tokens=tokens, requests=requests, length=length
    )


@given(count=st.integers(0, 10**12))
def test_sizes_are_read_in_every_unit(count):
    assert amount(f"{count} bytes") == amount(f"{count}B") == count / 2**30
    assert amount(f"{count:,} MiB") == amount(f"{count}MB") == count / 2**10
    assert amount(f"{count}GiB") == amount(f"{count} GB") == amount(str(count)) == count


@given(st.text())
def test_no_text_breaks_the_reading(text):
    assert vllm(text, text).is_empty
    assert measuring.read(OLLAMA, text, text, on_cards=True).is_empty


def test_a_log_is_read_until_the_engine_is_ready():
    lines = iter(["a", "INFO:     Application startup complete.", "b"])
    assert list(measuring.until_ready(lines, VLLM)) == ["a", "INFO:     Application startup complete."]
    assert next(lines) == "b"


@pytest.mark.parametrize("cards", [1, 2])
def test_the_stand_in_tells_what_its_command_line_says_and_is_read(cards):
    words = ["Qwen/Qwen3-8B", "--max-model-len", "4096", "--max-num-seqs", "3", "--tensor-parallel-size", str(cards)]
    door = stand_in("vllm", *words)
    reading = vllm("\n".join(door.log), ask(door, "GET /metrics").text)
    assert (reading.requests, reading.cache_tokens, reading.length) == (3.0, 12_288, 4096)
    assert reading == replace(vllm("\n".join(door.log)), requests=3.0)
    assert reading.weights_gib == pytest.approx(15.27 / cards, abs=0.02)
    assert reading.cache_gib == pytest.approx(1.6875 / cards, abs=0.01)


def test_the_stand_in_on_the_processor_holds_what_its_variable_says():
    door = stand_in("vllm", "Qwen/Qwen3-0.6B", "--max-model-len", "1024", VLLM_CPU_KVCACHE_SPACE="4")
    reading = vllm("\n".join(door.log), "", on_cards=False)
    assert (reading.cache_gib, reading.weights_gib) == (4.0, None)
    assert reading.cache_tokens >= 4 * 2**30 / (2 * 28 * 8 * 128 * 2)


def test_a_stand_in_of_an_unknown_model_tells_tokens_alone():
    reading = vllm("\n".join(stand_in("vllm", "m").log))
    assert reading == Reading(cache_tokens=4096, requests=1.0, length=4096)
