"""Parts of `up`: the lock, what logs tell, how far an image is, free subnets, the table, the last words."""

from __future__ import annotations

import io
import ipaddress
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support import SMALL, plan_of, write_spec

from stackgen import console, verbs
from stackgen.errors import StackError
from stackgen.facts.logs import exit_codes, log_failures, log_phases
from stackgen.runtime import ContainerState, HostPort, Progress, lock, subnets
from stackgen.runtime.failures import known_failure, telling_lines
from stackgen.runtime.pulls import Pulls

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from stackgen.runtime import lock
with lock.turn(Path(sys.argv[1]), timeout_seconds=None, say=print) as turn:
    if len(sys.argv) > 2:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(turn.descriptor,), start_new_session=True)
        turn.note(compose=child.pid)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the turn; with a child of its own that holds it too."""
    started = []

    def start(*more):
        command = [sys.executable, "-c", HOLDER, str(tmp_path), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_second_up_says_who_works_and_gives_up_in_time(holder, tmp_path):
    first = holder()
    said = []
    with (
        pytest.raises(StackError, match=f"another `up` of this stack is still at work \\(process {first.pid}, since "),
        lock.turn(tmp_path, timeout_seconds=0.5, say=said.append),
    ):
        pytest.fail("both had the turn")
    assert len(said) == 1
    assert f"process {first.pid}" in said[0]


def test_the_second_up_gets_its_turn_when_the_first_is_killed(holder, tmp_path):
    first = holder()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    with lock.turn(tmp_path, timeout_seconds=5, say=pytest.fail):
        assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == os.getpid()


def test_compose_that_a_killed_up_left_at_work_is_stopped(holder, tmp_path):
    first = holder("with a child")
    child = json.loads((tmp_path / lock.FILE).read_text())["compose"]
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    said = []
    with lock.turn(tmp_path, timeout_seconds=10, say=said.append):
        assert said == ["an `up` that was killed left Compose at work; it is stopped"]
        assert not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()


@pytest.mark.parametrize(
    "failure", log_failures(), ids=lambda failure: f"{failure.cause}-{failure.pattern.pattern[:20]}"
)
def test_a_failure_says_what_it_is_what_to_do_and_where_it_was_seen(failure):
    assert re.fullmatch(r"[a-z_0-9]+", failure.cause)
    assert failure.message
    assert failure.hint
    assert failure.source


OWN_VERB = re.compile(r"stackgen (up|down|status|logs|check)\b(?! --simulate)")


def test_hints_about_a_simulation_never_name_the_real_stack(tmp_path):
    """`down --volumes` of the wrong one of the two would delete the real data."""
    plan = replace(plan_of(tmp_path, SMALL), simulated=True)
    hints = [plan.told(failure.hint) for failure in log_failures()]
    hints += [plan.told(service.proof.hint) for service in plan.services if service.proof]
    assert [hint for hint in hints if OWN_VERB.search(hint)] == []
    assert any("stackgen down --simulate --volumes" in hint for hint in hints)
    assert any("{trust_remote_code: true}" in hint for hint in hints)


REAL_LAST_WORDS = {
    "vllm: error: unrecognized arguments: --no-such-flag": "unknown_flag",
    "│ No such option: --no-such-flag                                               │": "unknown_flag",
    "vllm serve: error: argument --dtype: invalid choice: 'float3' (choose from auto, half)": "unknown_flag",
    "ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired": "gpu_share_not_free",
    "ValueError: To serve at least one request with the models's max seq len (262144), (24.0 GiB KV cache is needed, "
    "which is larger than the available KV cache memory (3.18 GiB).": "kv_cache_too_small",
    "  Value error, User-specified max_model_len (9999999) is greater than the derived max_model_len": (
        "context_over_model_limit"
    ),
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.": "oom_gpu",
    "Cannot access gated repo for url https://huggingface.co/google/gemma-2-2b-it/resolve/x": "gated_model",
    "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': "
    "'/models/nothing'. Use `repo_type` argument if needed.": "model_not_found",
    "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified "
    "revision on the local disk and outgoing traffic has been disabled.": "hub_unreachable",
    "huggingface_hub.errors.LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub and we "
    "cannot find the requested files in the local cache.": "hub_unreachable",
    "gone:1b: failed: no such model or tag (pull model manifest: file does not exist)": "model_not_found",
    "Error: P1000: Authentication failed against database server at `db`, the provided credentials": "db_auth",
    "Error: P1001: Can't reach database server at `127.0.0.1`:`5432`": "db_unreachable",
    "Error: Database is uninitialized and superuser password is not specified.": "db_password_unset",
    "DETAIL:  The data directory was initialized by PostgreSQL version 15, which is not compatible with this version "
    "16.0": "db_version",
    "1:M 21 Nov 2026 14:55:37.826 # Unresolved Configuration(s) Detected:": "unknown_flag",
    "Exception: Config file not found: /nothing.yaml": "bad_entrypoint",
    "Error: write /root/.ollama/models/blobs/sha256-4c-partial: no space left on device": "disk_full",
    "PermissionError: [Errno 13] Permission denied: '/root/.cache/huggingface/token'": "permission",
}


@pytest.mark.parametrize(("line", "cause"), REAL_LAST_WORDS.items())
def test_real_last_words_are_known_among_others(line, cause):
    found = known_failure(["INFO starting", line, "ERROR:    Application startup failed. Exiting."])
    assert found is not None
    assert (found[0].cause, found[1]) == (cause, line)


def test_a_log_without_known_words_is_not_explained():
    assert known_failure(["INFO: all is well", "Uvicorn running on http://0.0.0.0:8000", "bye"]) is None


def test_the_lines_that_name_errors_stand_before_the_end_of_a_log():
    lines = ["KeyError: 'first'", *(f"line {number}" for number in range(50)), "vllm: error: bad", "end"]
    told = telling_lines(lines)
    assert told[0] == "KeyError: 'first'"
    assert told[-2:] == ("vllm: error: bad", "end")
    assert len(told) < 10


def test_exit_codes_of_the_kernel_and_of_shells_have_words():
    assert {2, 126, 127, 137, 139} <= set(exit_codes())


VLLM_START = [
    "(APIServer pid=1) INFO 11-21 14:45:39 [model.py:733] Resolved architecture: LlamaForCausalLM",
    "(Worker pid=38) INFO 11-21 14:46:07 [cpu_model_runner.py:68] Starting to load model /models/tiny-llama...",
    "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00, 110.80it/s]",
    "(EngineCore pid=26) INFO 11-21 14:46:12 [core.py:402] init engine (profile, create kv cache, warmup model) took 3.14 s",
]
INFINITY_START = [
    "INFO:     Waiting for application startup.",
    "         model=`nobody/minilm` selected, using",
    "INFO     2026-11-21 14:45:12,749 infinity_emb INFO: Adding    acceleration.py:75",
    "INFO     2026-11-21 14:45:22,967 infinity_emb INFO: Getting   select_model.py:99",
]


def test_phases_are_read_from_real_starts():
    def phases(family, lines):
        return [log_phases(family).phase(lines[:count]) for count in range(1, len(lines) + 1)]

    assert phases("vllm", VLLM_START) == ["", "loading model", "loading model", "warming up"]
    assert phases("infinity", INFINITY_START) == ["", "downloading model", "loading model", "warming up"]
    assert phases("python", ["there: present", "gone: 34 % of 4.7 GiB"]) == ["", "downloading model"]
    assert log_phases("redis").phase(["Ready to accept connections"]) == ""
    assert log_phases("vllm").words(VLLM_START[0]) == "Resolved architecture: LlamaForCausalLM"
    assert log_phases("redis").words("  as it is ") == "as it is"


def test_the_way_of_an_image_is_summed_over_its_layers(tmp_path):
    pulls = Pulls.of(plan_of(tmp_path, SMALL))
    mib = 2**20

    def take(**event):
        return list(pulls.take(event))

    def layer(name, word, current=0, total=0):
        return take(id=name, parent_id="infinity", text=word, current=current, total=total)

    assert take(id="infinity", text="Pulling") == [("infinity", "pulling", "")]
    layer("a", "Downloading", 10 * mib, 40 * mib)
    assert layer("b", "Downloading", 20 * mib, 60 * mib) == [("infinity", "pulling", "30 % of 100 MiB")]
    assert layer("a", "Download complete") == [("infinity", "pulling", "60 % of 100 MiB")]
    assert take(id="infinity", text="Pulled") == [("infinity", "pulled", "")]
    assert take(id="Network x", status="Created") == []


class Host:
    """An engine with given networks and pools."""

    def __init__(self, networks=(), pools=()):
        self.networks, self.pools = networks, pools

    def subnets(self):
        return {name: (project, tuple(found)) for name, project, *found in self.networks}

    def address_pools(self):
        return tuple(self.pools)


def routes(folder, *rows):
    """A table as the kernel writes it: destination and mask in hexadecimal, lowest byte first."""
    lines = ["Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT"]
    for device, network in rows:
        parsed = ipaddress.ip_network(network)
        numbers = [bytes(int(part).to_bytes(4, "little")).hex() for part in (parsed.network_address, parsed.netmask)]
        lines.append(f"{device}\t{numbers[0]}\t00000000\t0001\t0\t0\t0\t{numbers[1]}\t0\t0\t0")
    file = folder / "route"
    file.write_text("\n".join(lines) + "\n")
    return file


def subnet_findings(folder, docker, *rows, subnet="10.192.0.0/24"):
    plan = plan_of(folder / "spec", SMALL + f"network: {{subnet: {subnet}}}\n")
    return list(subnets.findings(plan, docker, routes(folder, *rows)))


def free_one(finding):
    return ipaddress.ip_network(re.search(r"subnet: ([\d./]+)\}", finding.hint)[1])


def test_a_route_of_the_host_is_named_with_a_range_that_is_free(tmp_path):
    rows = [("eth0", "0.0.0.0/0"), ("tun0", "10.192.0.0/16"), ("eth0", "192.168.1.0/24")]
    (finding,) = subnet_findings(tmp_path, Host(), *rows)
    assert "10.192.0.0/24 overlaps with 10.192.0.0/16, which this host reaches by tun0" in finding.message
    free = free_one(finding)
    assert free.prefixlen == 24
    assert not any(free.overlaps(ipaddress.ip_network(network)) for _, network in rows[1:])
    assert subnet_findings(tmp_path, Host(), *rows, subnet=str(free)) == []


@pytest.mark.parametrize(
    ("device", "is_ours"), [("br-lan", False), ("br-0123456789ab", True), ("docker0", True), ("docker_gwbridge", True)]
)
def test_a_bridge_that_docker_did_not_make_is_a_way_of_this_host(tmp_path, device, is_ours):
    assert (subnet_findings(tmp_path, Host(), (device, "10.192.0.0/16")) == []) is is_ours


def test_a_network_of_another_stack_is_named_and_our_own_is_none(tmp_path):
    networks = [("other_default", "other", "10.192.0.0/20"), ("small_engines", "small", "10.192.0.0/24")]
    (finding,) = subnet_findings(tmp_path, Host(networks, pools=["10.192.16.0/20"]))
    assert "overlaps with 10.192.0.0/20, of the network `other_default`" in finding.message
    assert str(free_one(finding)) == "10.192.32.0/24"


def test_a_vpn_that_takes_all_of_ten_leaves_other_ranges(tmp_path):
    (finding,) = subnet_findings(
        tmp_path, Host(), ("wg0", "10.0.0.0/8"), ("eth0", "172.16.0.0/12"), subnet="10.1.2.0/30"
    )
    assert str(free_one(finding)) == "192.168.0.0/30"


def test_where_no_range_is_free_none_is_offered(tmp_path):
    (finding,) = subnet_findings(tmp_path, Host(pools=["172.16.0.0/12", "192.168.0.0/16"]), ("wg0", "10.0.0.0/8"))
    assert finding.hint.startswith("choose another `network: subnet:`")


def step(service, phase, detail="", own=1.0, **more):
    return Progress(service=service, phase=phase, seconds=2.0, own_seconds=own, detail=detail, **more)


def drawn(board, width):
    paper = io.StringIO()
    Console(file=paper, width=width, highlight=False).print(board.table())
    return paper.getvalue().splitlines()


def test_the_table_has_a_row_for_each_service_and_cuts_details_to_the_width():
    now = [100.0]
    board = console.Board(("postgres", "vllm-chat"), clock=lambda: now[0])
    board.take(step("postgres", "healthy", own=2.5))
    board.take(step("vllm-chat", "downloading model", "a very long line of its log " * 10, own=4.0))
    now[0] += 6
    for width in (60, 100):
        _, first, second = drawn(board, width)
        assert first.split() == ["postgres", "healthy", "2.5"]
        assert second.startswith("vllm-chat  downloading model     10.0  a very long")
        assert len(second.rstrip()) <= width
        assert second.rstrip().endswith("…")


def test_where_nobody_sees_a_table_each_news_is_a_line(capsys):
    with console.progress(["postgres"]) as report:
        report(step("postgres", "starting"))
        report(step("postgres", "starting", "its last line", is_news=False))
        report(step("postgres", "healthy", own=1.5))
    assert capsys.readouterr().err.splitlines() == [
        "    2.0 s  postgres         starting",
        "    2.0 s  postgres         healthy   1.5 s after its start",
    ]


TALK = """
from stackgen import console
from stackgen.runtime import Progress
with console.progress(["postgres"]) as report:
    report(Progress(service="postgres", phase="healthy", seconds=1.0, own_seconds=1.0))
console.say("the end")
"""


def on_a_terminal(**environment):
    """What a program writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TALK],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80"} | environment,
    )
    os.close(theirs)
    said = b""
    end = time.monotonic() + 30
    while time.monotonic() < end and select.select([ours], [], [], 30)[0]:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        said += piece
    os.close(ours)
    assert process.wait(30) == 0
    return said.decode()


def test_a_terminal_gets_a_table_in_colour_and_keeps_it():
    said = on_a_terminal()
    assert "\x1b[32mhealthy" in said
    assert said.index("healthy") < said.index("the end")
    assert "seconds" in said


def test_no_color_is_respected_on_a_terminal():
    said = on_a_terminal(NO_COLOR="1")
    assert "healthy" in said
    assert "\x1b[32m" not in said


def test_a_dumb_terminal_gets_lines():
    said = on_a_terminal(TERM="dumb")
    assert "\x1b[" not in said
    assert "postgres         healthy" in said


def running(service, *ports):
    found = tuple(HostPort(container=inside, address=address, published=outside) for inside, address, outside in ports)
    return ContainerState(
        service=service, id=service, image="x", status="running", health="healthy", exit_code=0, out_of_memory=False,
        restarts=0, started_at="2026-11-21T02:57:52Z", ports=found,
    )  # fmt: skip


def test_the_last_words_name_what_docker_published_and_no_secret(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack = verbs.open_stack(write_spec(tmp_path, SMALL))
    states = [
        running("litellm", (4000, "0.0.0.0", 49153), (4000, "::", 49153)),
        running("vllm-chat", (8000, "127.0.0.1", 8001)),
        running("infinity"),
    ]
    assert verbs.final_lines(stack, 12.3, states) == [
        "small is up after 12 s: http://127.0.0.1:49153/v1",
        "also listening: vllm-chat 127.0.0.1:8001",
        "models: chat (chat), embed (embedding)",
        "key: LITELLM_MASTER_KEY in .stackgen/secrets.env",
        *([f"{len(stack.plan.warnings)} warnings: `stackgen plan` tells them"] if stack.plan.warnings else []),
        "next: stackgen check",
    ]
