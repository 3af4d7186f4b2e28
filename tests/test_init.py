"""`stackgen init`: a newcomer's first hour, from a machine to a stack that renders and is proven offline."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import pytest
import yaml
from hostile import HOSTILE

from stackgen import draft, facts, sources, verbs
from stackgen import plan as planning
from stackgen.draft import Fit, Pick, Slot, choose
from stackgen.engines import ENGINES
from stackgen.errors import StackError
from stackgen.facts.proposals import Proposal, modalities, proposals, reported_names, usual_id
from stackgen.machine import FoundCard, Machine
from stackgen.modalities import MODALITIES

PROGRAM = (sys.executable, "-m", "stackgen")
MACHINES = {
    "no card": "none",
    "8 GB": "1xrtx-4060",
    "24 GB": "1xrtx-4090",
    "2 x 24 GB": "2xrtx-4090",
    "8 x 80 GB": "8xh100-80gb",
}
PATIENCE_SECONDS = 30
QUIET = ("--non-interactive", "--gpus", "none")


def program(folder, *words, **more):
    return subprocess.run([*PROGRAM, *words], cwd=folder, capture_output=True, text=True, check=False, **more)


def spec_of(folder):
    return yaml.safe_load((folder / "stack.yaml").read_text(encoding="utf-8"))


def plan_of(folder):
    return planning.make(sources.load(folder / "stack.yaml"))


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------ a newcomer's path


@pytest.mark.parametrize("gpus", MACHINES.values(), ids=MACHINES)
def test_from_nothing_to_a_stack_that_is_proven_offline(tmp_path, gpus):
    for words in (("init", "--non-interactive", "--gpus", gpus), ("render",), ("check", "--static")):
        done = program(tmp_path, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert "warning" not in done.stderr
    plan = plan_of(tmp_path)
    assert {verdict.value for verdict in (card.verdict for card in plan.cards)} <= {"PASS"}
    served = {
        modality for instance in plan.instances for model in instance.models for modality in model.model.modalities
    }
    assert {"chat", "embedding"} <= served
    assert all(any(use.taken_gib for use in card.uses) for card in plan.cards)


@pytest.mark.parametrize(("gpus", "source"), [
    ("1xrtx-4060", "qwen3:8b"), ("1xrtx-4090", "openai/gpt-oss-20b"), ("2xrtx-4090", "Qwen/Qwen3.8-27B-FP8"),
    ("1xl40s", "Qwen/Qwen3.8-27B-FP8"), ("1xa100-80gb", "openai/gpt-oss-120b"), ("8xh100-80gb", "MiniMaxAI/MiniMax-M2.7"),
    ("8xh200", "moonshotai/Kimi-K2.5"), ("1xmi300x", "openai/gpt-oss-120b"), ("none", "HuggingFaceTB/SmolLM2-360M-Instruct"),
])  # fmt: skip
def test_a_machine_gets_the_model_that_is_made_for_it(run, tmp_path, gpus, source):
    assert run("init", "--non-interactive", "--gpus", gpus, spec=None)[0] == 0
    assert spec_of(tmp_path)["models"]["chat"]["source"] == source


def test_no_card_is_left_empty_where_copies_of_the_model_can_use_it(run, tmp_path):
    run("init", "--non-interactive", "--gpus", "8xh100-80gb", spec=None)
    assert spec_of(tmp_path)["models"]["chat"]["replicas"] == 2


def test_the_spec_is_short_explains_itself_and_is_what_its_schema_says(run, tmp_path):
    run("init", "--non-interactive", "--gpus", "1xrtx-4090", spec=None)
    text = (tmp_path / "stack.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=stack.schema.json"
    assert len(lines) < 45
    assert max(map(len, lines)) <= 120
    jsonschema.validate(spec_of(tmp_path), json.loads((tmp_path / "stack.schema.json").read_text(encoding="utf-8")))
    for key in ("context", "concurrency", "public_names", "tools"):
        assert re.search(rf"^    {key}: .*  # \w", text, re.MULTILINE)
    assert text.count("# what clients write as `model`") == 1


def test_cards_that_were_looked_at_are_named_by_their_uuids(tmp_path):
    found = [
        FoundCard(vendor="nvidia", name="NVIDIA L4", memory_mib=23034, index=n, uuid=f"GPU-8a1c000{n}")
        for n in range(2)
    ]
    keep(tmp_path, found)
    assert spec_of(tmp_path)["gpus"] == {
        "g0": {"card": "l4", "uuid": "GPU-8a1c0000"},
        "g1": {"card": "l4", "uuid": "GPU-8a1c0001"},
    }


def test_a_card_that_nobody_knows_gets_facts_and_a_stack_that_renders(run, tmp_path):
    found = [
        FoundCard(
            vendor="nvidia",
            name="NVIDIA GeForce RTX 6090",
            memory_mib=49152,
            index=0,
            uuid="GPU-8a1c0000",
            compute_capability=12.0,
        )
    ]
    written = keep(tmp_path, found)
    assert os.path.relpath(tmp_path / "profiles/facts/rtx-6090-48gb.yaml") in written or any(
        "rtx-6090" in path for path in written
    )
    assert run("render", spec=None)[0] == 0
    assert run("check", "--static", spec=None)[0] == 0
    code, out, _ = run("facts", "show", "rtx-6090-48gb", spec=None)
    assert code == 0
    assert "profiles/facts/rtx-6090-48gb.yaml" in out
    assert plan_of(tmp_path).cards[0].uses


def test_a_card_that_was_added_by_init_is_known_the_next_time(tmp_path):
    found = FoundCard(
        vendor="nvidia",
        name="NVIDIA GeForce RTX 6090",
        memory_mib=49152,
        index=0,
        uuid="GPU-8a1c0000",
        compute_capability=12.0,
    )
    keep(tmp_path, [found])
    again = draft.identified([found], verbs.facts_beside(tmp_path).catalogue.cards)
    assert (again.cards[0].card.id, again.new, again.notes) == ("rtx-6090-48gb", {}, ())


def keep(folder, found, **wishes):
    """What `init` does after it looked."""
    where = verbs.Ground(folder=folder, inventory=draft.identified(found, facts.cards()))
    return verbs.keep_spec(where, verbs.propose(where, verbs.Wishes(**wishes)), "")


# ------------------------------------------------------------------------------------------------- the machine at hand


class LocalDocker:
    """An engine whose data folder a test chooses, without any image."""

    def __init__(self, folder, *, is_desktop=False, nvidia=True):
        self.folder, self.is_desktop, self.nvidia = folder, is_desktop, nvidia

    def version(self):
        return "28.5.2"

    def hands_out_nvidia_cards(self):
        return self.nvidia

    def data_folder(self):
        return str(self.folder)

    def has_own_machine(self):
        return self.is_desktop

    def has_image(self, reference):
        return False

    def volume_folder(self, name):
        return None


@pytest.fixture
def machine_at_hand(monkeypatch):
    """Puts a machine and its engine in the place of this one."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)

    def put(docker=None, cards=(), *, disk_free_gib=500, memory_gib=64, disk=1, is_wsl=False):
        found = Machine(
            cards=tuple(cards), notes=("no NVIDIA driver found",), troubles=(), memory_gib=memory_gib, processors=16, disk=disk,
            disk_free_gib=disk_free_gib, is_wsl=is_wsl,
        )  # fmt: skip
        monkeypatch.setattr("stackgen.machine.look", lambda folder: found)
        if docker is not None:
            monkeypatch.setattr("stackgen.runtime.connect", lambda: docker)

    return put


@pytest.fixture
def free_gib(monkeypatch):
    """Sets what the disk of an engine has free."""
    return lambda gib: monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=gib * 2**30))


def test_the_disk_of_docker_is_told_where_it_is_another_one(run, tmp_path, machine_at_hand, free_gib):
    machine_at_hand(LocalDocker(tmp_path), disk_free_gib=12)
    free_gib(900)
    _, _, err = run("init", "--non-interactive", spec=None)
    assert f"12 GiB of disk free here and 900 GiB in {tmp_path}, Docker 28.5.2" in one_line(err)
    assert "warning" not in err


def test_one_disk_is_told_once(run, tmp_path, machine_at_hand):
    machine_at_hand(LocalDocker(tmp_path), disk=tmp_path.stat().st_dev)
    assert "64 GiB of memory, 500 GiB of disk free, Docker 28.5.2" in run("init", "--non-interactive", spec=None)[2]


def test_what_has_no_room_on_the_disk_of_docker_is_told_however_much_is_free_here(
    run, tmp_path, machine_at_hand, free_gib
):
    machine_at_hand(LocalDocker(tmp_path), disk_free_gib=5000)
    free_gib(4)
    code, _, err = run("init", "--non-interactive", spec=None)
    assert code == 0
    warned = re.escape(f"warning: the disk of {tmp_path} has 4.0 GiB free, and ")
    assert re.search(rf"{warned}[\d.]+ GiB are still to come: images [\d.]+, huggingface", err)


def test_without_docker_the_disk_of_the_folder_is_compared(run, tmp_path, monkeypatch, machine_at_hand):
    machine_at_hand(disk_free_gib=4)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    code, _, err = run("init", "--non-interactive", spec=None)
    assert code == 0
    assert "no Docker engine that answers" in err
    assert "warning: no Docker engine answers at unix:///nowhere/docker.sock, which DOCKER_HOST names; correct" in err
    assert f"images and weights take 11 GiB, and the disk of {tmp_path} has 4 GiB free" in err


def test_an_engine_elsewhere_gets_a_stack_that_was_looked_up_here_and_that_is_said(
    run, tmp_path, monkeypatch, machine_at_hand
):
    machine_at_hand(LocalDocker(tmp_path), disk_free_gib=4, memory_gib=0.1)
    monkeypatch.setenv("DOCKER_HOST", "tcp://203.0.113.1:2375")
    _, _, err = run("init", "--non-interactive", spec=None)
    assert "Docker answers at tcp://203.0.113.1:2375, and the stack would run there: cards, memory and disk" in err
    assert "GiB are still to come" not in err
    assert "whose weights take" not in err


def test_docker_desktop_keeps_weights_where_nobody_can_look(run, tmp_path, machine_at_hand):
    machine_at_hand(LocalDocker(tmp_path, is_desktop=True))
    _, _, err = run("init", "--non-interactive", spec=None)
    assert f"Docker keeps images and weights in its {tmp_path}, whose disk cannot be seen from here" in err


def test_weights_that_the_memory_does_not_hold_are_told(run, tmp_path, machine_at_hand):
    machine_at_hand(LocalDocker(tmp_path), memory_gib=24)
    code, _, err = run("init", "--non-interactive", "--model", "chat=Qwen/Qwen3-32B", spec=None)
    assert code == 0
    assert "warning: on the processor: chat, whose weights take 61 GiB; this machine has 24 GiB of memory" in err


L4S = [
    FoundCard(vendor="nvidia", name="NVIDIA L4", memory_mib=23034, free_mib=22500, index=n, uuid=f"GPU-8a1c000{n}")
    for n in range(2)
]


def test_several_cards_on_wsl_are_told_to_be_seen_by_every_container(run, tmp_path, machine_at_hand):
    words = "on Windows Subsystem for Linux every container sees every NVIDIA card"
    machine_at_hand(LocalDocker(tmp_path), L4S, is_wsl=True)
    assert words in run("init", "a", "--non-interactive", spec=None)[2]
    machine_at_hand(LocalDocker(tmp_path), L4S[:1], is_wsl=True)
    assert words not in run("init", "b", "--non-interactive", spec=None)[2]
    machine_at_hand(LocalDocker(tmp_path), L4S)
    assert words not in run("init", "c", "--non-interactive", spec=None)[2]


def test_an_engine_that_hands_out_no_cards_and_programs_on_them_are_told(run, tmp_path, machine_at_hand):
    busy = FoundCard(vendor="nvidia", name="NVIDIA L4", memory_mib=23034, free_mib=12288, index=0, uuid="GPU-8a1c0000")
    machine_at_hand(LocalDocker(tmp_path, nvidia=False), [busy])
    _, _, err = run("init", "--non-interactive", spec=None)
    assert "Docker hands out no NVIDIA cards yet: install the NVIDIA Container Toolkit" in err
    assert "warning: programs that run now hold 10.0 GiB of g0, L4" in err


def one_line(text):
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------- what is asked for


def test_everything_can_be_served_and_one_model_chats_and_sees(run, tmp_path):
    assert run("init", "--non-interactive", "--gpus", "1xl40s", "--serve", ",".join(modalities()), spec=None)[0] == 0
    models = spec_of(tmp_path)["models"]
    assert models["chat"]["modalities"] == ["chat", "vision"]
    assert set(models) == {"chat", "embed", "rerank", "hear", "speak"}
    assert all(instance.on_gpu for instance in plan_of(tmp_path).instances)


def test_what_has_no_room_on_a_card_goes_onto_the_processor_when_it_is_asked_for(run, tmp_path):
    assert run("init", "--non-interactive", "--gpus", "rtx-4060", "--serve", "chat,embedding,rerank", spec=None)[0] == 0
    models = spec_of(tmp_path)["models"]
    assert "gpus" not in models["chat"]
    assert models["embed"]["gpus"] == models["rerank"]["gpus"] == []
    assert spec_of(tmp_path)["profiles"] == ["nvidia", "cpu"]


def test_what_nobody_asked_for_is_left_out_where_no_card_has_room_and_that_is_said(run, tmp_path):
    _, _, err = run("init", "--non-interactive", "--gpus", "rtx-4060", spec=None)
    assert (
        "left out, because no card takes it beside the others: rerank; --serve chat,embedding,rerank puts it onto the processor"
        in err
    )
    assert "rerank" not in spec_of(tmp_path)["models"]


def test_named_models_are_served_alone(run, tmp_path):
    words = ("--model", "main=Qwen/Qwen3-8B", "--model", "vectors=BAAI/bge-m3", "--model", "voice=hexgrad/Kokoro-82M")
    assert run("init", "--non-interactive", "--gpus", "1xl40s", *words[:4], spec=None)[0] == 0
    models = spec_of(tmp_path)["models"]
    assert {name: (entry["engine"], entry["modalities"]) for name, entry in models.items()} == {
        "main": ("vllm", ["chat"]),
        "vectors": ("infinity", ["embedding"]),
    }
    assert models["main"]["public_names"] == ["qwen3-8b"]
    assert models["main"]["tools"] is True


def test_a_named_model_takes_the_place_of_a_proposal(run, tmp_path):
    words = ("--serve", "chat,embedding", "--model", "main=llama3.1:8b")
    assert run("init", "--non-interactive", "--gpus", "1xl40s", *words, spec=None)[0] == 0
    models = spec_of(tmp_path)["models"]
    assert list(models) == ["main", "embed"]
    assert models["main"]["engine"] == "ollama"


def test_settings_of_a_named_model_step_down_until_it_fits(run, tmp_path):
    assert run("init", "--non-interactive", "--gpus", "1xrtx-4090", "--model", "chat=Qwen/Qwen3-8B", spec=None)[0] == 0
    assert spec_of(tmp_path)["models"]["chat"]["context"] == 8192


def test_a_model_that_fits_nowhere_is_refused_with_what_the_planner_has_tried(run, tmp_path):
    code, out, err = run(
        "init", "--non-interactive", "--gpus", "1xrtx-4090", "--model", "chat=Qwen/Qwen3-32B", spec=None
    )
    assert (code, out) == (1, "")
    assert "`chat` needs 63.8 GiB and gets 22.4 GiB of `g0`" in err
    assert "`source: Qwen/Qwen3-32B-AWQ` of `chat`" in err
    assert files_of(tmp_path) == []


def test_a_model_that_nobody_knows_is_written_and_the_way_to_its_numbers_is_told(run, tmp_path):
    code, _, err = run("init", "--non-interactive", "--gpus", "1xrtx-4090", "--model", "chat=acme/House-9B", spec=None)
    assert code == 0
    assert "stackgen facts add acme/House-9B" in err
    assert spec_of(tmp_path)["models"]["chat"]["source"] == "acme/House-9B"
    assert run("render", spec=None)[0] == 0


def test_a_folder_of_this_machine_is_mounted(run, tmp_path):
    assert run("init", "--non-interactive", "--gpus", "1xl4", "--model", "chat=/data/tiny", spec=None)[0] == 0
    assert spec_of(tmp_path)["models"]["chat"]["mounts"] == {"/data/tiny": "/data/tiny"}
    assert run("render", "-q", spec=None)[0] == 0
    assert run("check", "--static", "-q", spec=None)[0] == 0
    compose = yaml.safe_load((tmp_path / "rendered/docker-compose.yml").read_text(encoding="utf-8"))
    (mount,) = [one for one in compose["services"]["vllm-chat"]["volumes"] if one.get("type") == "bind"]
    assert (mount["source"], mount["target"], mount["read_only"]) == ("/data/tiny", "/data/tiny", True)


@pytest.mark.parametrize("source", ["unsloth/Qwen3-8B-GGUF", "unsloth/Qwen3-8B-gguf:Q4_K_M"])
def test_files_for_llama_cpp_go_to_the_engine_that_takes_them(run, tmp_path, source):
    code, _, err = run("init", "--non-interactive", "--gpus", "1xl4", f"--model=chat={source}", spec=None)
    assert code == 2
    assert f"`{source}` holds files for llama.cpp; Ollama serves them: --model chat=hf.co/{source}" in err
    assert files_of(tmp_path) == []
    assert run("init", "--non-interactive", "--gpus", "1xl4", f"--model=chat=hf.co/{source}", spec=None)[0] == 0
    assert spec_of(tmp_path)["models"]["chat"]["engine"] == "ollama"


@pytest.mark.parametrize("source", ["./model", "~/model", "../model"])
def test_a_part_of_a_path_is_no_source(run, tmp_path, source):
    code, _, err = run("init", *QUIET, f"--model=chat={source}", spec=None)
    assert code == 2
    assert f"`{source}` is no whole path; write it from `/` on" in err
    assert files_of(tmp_path) == []


def test_what_is_asked_for_may_be_written_as_people_write(run, tmp_path):
    assert run("init", *QUIET, "--serve", "Chat  embedding,", spec=None)[0] == 0
    assert list(spec_of(tmp_path)["models"]) == ["chat", "embed"]
    assert run("init", "other", "--non-interactive", "--gpus", "1xL4", spec=None)[0] == 0
    assert spec_of(tmp_path / "other")["gpus"]["g0"]["card"] == "l4"


@pytest.mark.parametrize(
    "words",
    [("--gpus", "many"), ("--gpus", "2xrtx-409"), ("--gpus", ""), ("--serve", "singing"), ("--serve", ""), ("--model", "chat"),
     ("--model", "a b=x/y"), ("--model", "a=-x"), ("--model", "a=x\ny"), ("--profile", "cup"),
     ("--profile", ""), ("--ci", "jenkins")],
)  # fmt: skip
def test_a_wrong_value_of_an_option_is_wrong_usage(run, tmp_path, words):
    code, out, err = run("init", "--non-interactive", *words, spec=None)
    assert (code, out) == (2, "")
    assert f"error: {words[0]}: " in err
    assert files_of(tmp_path) == []


def test_a_profile_for_the_processor_leaves_the_cards_alone(run, tmp_path):
    assert run("init", "--non-interactive", "--gpus", "2xl40s", "--profile", "cpu", spec=None)[0] == 0
    assert spec_of(tmp_path)["profiles"] == ["cpu"]
    assert "gpus" not in spec_of(tmp_path)


def test_a_profile_beside_the_spec_counts(run, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/house.yaml").write_text("about: ours\ngateway: {port: 4100}\n", encoding="utf-8")
    words = ("--profile", "nvidia", "--profile", "house", "--gpus", "1xl40s")
    assert run("init", "--non-interactive", *words, spec=None)[0] == 0
    assert plan_of(tmp_path).gateway.port == 4100
    assert all(instance.on_gpu for instance in plan_of(tmp_path).instances)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("campus", "campus"), ("My Stack (2026)!", "my-stack-2026"), ("2xrtx", "stack-2xrtx"), ("été", "ete"), ("日本", "stack"),
        ("lab-sim", "lab"), ("x" * 80, "x" * 40), ("-a_b.c-", "a-b-c"),
    ],
)  # fmt: skip
def test_the_stack_is_named_after_its_folder(run, tmp_path, folder, name):
    code, _, err = run("init", *QUIET, "--", folder, spec=None)
    assert code == 0, err
    assert spec_of(tmp_path / folder)["name"] == name
    assert plan_of(tmp_path / folder).name == name


# --------------------------------------------------------------------------------------------------- hostile strings


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_source_is_refused_or_stays_one_value(run, tmp_path, text):
    code, _, err = run("init", *QUIET, f"--model=chat={text}", spec=None)
    if code:
        assert code in {1, 2}
        assert "error" in err.lower()
        assert files_of(tmp_path) == []
        return
    spec = spec_of(tmp_path)
    assert spec["models"]["chat"]["source"] == text
    assert set(spec) == {"version", "name", "profiles", "models", "gateway"}
    assert set(spec["models"]) == {"chat"}


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\x00" not in text])
def test_a_hostile_id_is_refused(run, tmp_path, text):
    code, _, err = run("init", *QUIET, f"--model={text}=Qwen/Qwen3-0.6B", spec=None)
    accepted = re.fullmatch(r"[a-z][a-z0-9-]{0,40}", text)
    assert (code == 0) == bool(accepted), err
    assert bool(files_of(tmp_path)) == bool(accepted)


# ------------------------------------------------------------------------------------------------ files that are there


def test_a_spec_that_is_there_is_kept(run, tmp_path):
    (tmp_path / "stack.yaml").write_text("mine\n", encoding="utf-8")
    code, _, err = run("init", *QUIET, spec=None)
    assert code == 1
    assert "stack.yaml: this file is there already, and it would be lost" in err
    assert files_of(tmp_path) == ["stack.yaml"]
    assert (tmp_path / "stack.yaml").read_text(encoding="utf-8") == "mine\n"


def test_force_overwrites_it(run, tmp_path):
    (tmp_path / "stack.yaml").write_text("mine\n", encoding="utf-8")
    assert run("init", *QUIET, "--force", spec=None)[0] == 0
    assert plan_of(tmp_path).instances


def test_git_ignores_secrets_and_what_it_ignored_before(run, tmp_path):
    (tmp_path / ".gitignore").write_text("*.log\n/.stackgen", encoding="utf-8")
    run("init", *QUIET, spec=None)
    lines = (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert lines == ["*.log", "/.stackgen", "# secrets of stackgen", "rendered/.env"]
    run("init", *QUIET, "--force", spec=None)
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines() == lines


def test_a_git_ignore_that_is_no_text_stops_everything(run, tmp_path):
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe*\n")
    code, _, err = run("init", *QUIET, spec=None)
    assert code == 1
    assert ".gitignore: this is not UTF-8 text" in err
    assert files_of(tmp_path) == [".gitignore"]


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    code, _, err = run("init", "/proc/stackgen", *QUIET, spec=None)
    assert code == 1
    assert "error: /proc" in err
    assert "cannot be written" in err or "nothing can be written" in err


def test_a_file_in_the_place_of_the_folder_is_named(run, tmp_path):
    (tmp_path / "campus").write_text("", encoding="utf-8")
    code, _, err = run("init", "campus", *QUIET, spec=None)
    assert code == 1
    assert "campus: this is a file, and a spec needs a folder" in err


def test_nothing_is_left_where_one_file_cannot_be_written(run, tmp_path):
    (tmp_path / "campus/stack.schema.json").mkdir(parents=True)
    code, _, err = run("init", "campus", *QUIET, spec=None)
    assert code == 1
    assert "stack.schema.json" in err
    assert files_of(tmp_path) == []


# --------------------------------------------------------------------------------------------------------------- CI


def test_the_workflow_proves_what_is_committed_and_fails_where_it_is_stale(tmp_path):
    home = tmp_path / "repository"
    home.mkdir()
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    subprocess.run([*git, "init", "-q"], cwd=home, check=True)
    assert program(home, "init", "my stack", *QUIET, "--ci", "github").returncode == 0
    assert program(home, "render", "my stack").returncode == 0
    subprocess.run([*git, "add", "-A"], cwd=home, check=True)
    subprocess.run([*git, "commit", "-qm", "stack"], cwd=home, check=True)
    subprocess.run([*git, "clone", "-q", str(home), str(tmp_path / "clone")], cwd=home, check=True)
    assert not [path for path in files_of(tmp_path / "clone") if "secrets.env" in path or path.endswith("/.env")]
    assert commands_of(tmp_path / "clone") == [0, 0]
    spec = tmp_path / "clone/my stack/stack.yaml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("smollm2", "other"), encoding="utf-8")
    assert commands_of(tmp_path / "clone")[0] == 1


def commands_of(clone):
    """The exit codes of what the workflow runs after the install."""
    workflow = yaml.safe_load((clone / ".github/workflows/stackgen.yml").read_text(encoding="utf-8"))
    lines = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert lines[0].startswith("pip install stackgen==")
    program_line = " ".join(PROGRAM)
    return [
        subprocess.run(
            ["bash", "-c", line.replace("stackgen", program_line, 1)], cwd=clone, check=False, capture_output=True
        ).returncode
        for line in lines[1:]
    ]


def test_gitlab_gets_its_own_file_which_is_not_taken_from_anybody(run, tmp_path):
    assert run("init", *QUIET, "--ci", "gitlab", spec=None)[0] == 0
    job = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text(encoding="utf-8"))["stackgen"]
    assert job["script"][1:] == ["stackgen render --check stack.yaml", "stackgen check --static stack.yaml"]
    (tmp_path / "stack.yaml").unlink()
    code, _, err = run("init", *QUIET, "--ci", "gitlab", spec=None)
    assert code == 1
    assert ".gitlab-ci.yml: this file is there already" in err


def test_a_folder_that_ci_would_reckon_out_is_refused(run, tmp_path):
    (tmp_path / ".git").mkdir()
    code, _, err = run("init", "${{ secrets.X }}", *QUIET, "--ci", "github", spec=None)
    assert code == 1
    assert "would be read as code" in err
    assert files_of(tmp_path) == []


# -------------------------------------------------------------------------------------------------------- questions


def talk(folder, answers, *words, interrupt=False, ending="", columns=100):
    """`init` on a terminal: an answer for each question, then Ctrl-C or a key where that is wanted; exit code and all it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "init", *words],
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "COLUMNS": str(columns)},
    )
    os.close(theirs)
    said, left, asked = "", list(answers), 0
    try:
        while select.select([ours], [], [], PATIENCE_SECONDS)[0]:
            said += os.read(ours, 65536).decode(errors="replace")
            if len(re.findall(r"\? \[[^\]]*\] ", said)) > asked:
                asked += 1
                if left:
                    answer = left.pop(0)
                    os.write(ours, (answer if isinstance(answer, bytes) else answer.encode()) + b"\n")
                elif ending:
                    os.write(ours, ending.encode())
                elif interrupt:
                    process.send_signal(signal.SIGINT)
    except OSError:  # the other side of the terminal is closed
        pass
    finally:
        os.close(ours)
        with process:  # waits for its end
            process.send_signal(signal.SIGHUP)
    return process.returncode, said


def test_questions_have_answers_that_are_right_without_typing(tmp_path):
    code, said = talk(tmp_path, ["", ""], "--gpus", "1xrtx-4090")
    assert code == 0, said
    assert "What should it serve?" in said
    assert "openai/gpt-oss-20b" in said
    assert list(spec_of(tmp_path)["models"]) == ["chat", "embed", "rerank"]


def test_a_word_that_is_not_understood_is_asked_again(tmp_path):
    code, said = talk(tmp_path, ["chat,singing", "chat, speech", "y"], "--gpus", "none")
    assert code == 0, said
    assert "nothing is proposed for `singing`" in said
    assert list(spec_of(tmp_path)["models"]) == ["chat", "speak"]


def test_a_no_writes_nothing(tmp_path):
    code, said = talk(tmp_path, ["", "n"], "campus", "--gpus", "none")
    assert code == 1
    assert "nothing was written" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answers", [[], [""]], ids=["at the first question", "at the last question"])
def test_an_interrupt_leaves_nothing(tmp_path, answers):
    code, said = talk(tmp_path, answers, "campus", "--gpus", "none", interrupt=True)
    assert code == 130, said
    assert "nothing was written" in said
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_nobody_is_asked(tmp_path):
    done = program(tmp_path, "init", input="chat\ny\n")
    assert done.returncode == 1
    assert "nobody is there to ask" in done.stderr
    assert "--non-interactive takes what is proposed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_any_stdin_nobody_is_asked_either(tmp_path):
    words = shlex.join([*PROGRAM, "init"])
    done = subprocess.run(
        ["bash", "-c", f"{words} <&-"], cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.PIPE
    )
    assert done.returncode == 1
    assert "nobody is there to ask" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answers", [[], [""]], ids=["at the first question", "at the last question"])
def test_the_end_of_input_leaves_nothing(tmp_path, answers):
    code, said = talk(tmp_path, answers, "campus", "--gpus", "none", ending="\x04")
    assert code == 130, said
    assert "nothing was written" in said
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_are_asked_again(tmp_path):
    code, said = talk(tmp_path, [b"\xff\xfe", "chat", "y"], "--gpus", "none")
    assert code == 0, said
    assert "nothing is proposed for" in said
    assert list(spec_of(tmp_path)["models"]) == ["chat"]


def test_a_narrow_terminal_breaks_lines_between_words(tmp_path):
    code, said = talk(tmp_path, ["", "y"], "--gpus", "rtx-4090", columns=40)
    assert code == 0, said
    shown = [
        line for line in re.sub(r"\x1b\[\d*m", "", said).splitlines() if not line.startswith(("What should", "Write "))
    ]
    assert max(map(len, shown)) <= 40


# ------------------------------------------------------------------------------------------------ data and the choice


@pytest.mark.parametrize("has_cards", [True, False])
@pytest.mark.parametrize("modality", modalities())
def test_proposals_are_models_that_the_catalogue_knows(modality, has_cards):
    found = proposals(modality, has_cards=has_cards)
    assert found[-1].on_processor
    assert modality in MODALITIES
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,40}", usual_id(modality))
    for proposal in found:
        known = facts.models()[proposal.source]
        assert known.kind in {"chat": ("llm", "vlm"), "vision": ("vlm",), "embedding": ("embedding",), "rerank": ("reranker",),
                              "transcription": ("stt",), "speech": ("tts",)}[modality]  # fmt: skip
        assert modality in ENGINES[proposal.engine].modalities
        assert not known.gated
        assert proposal.settings
        assert proposal.why


def test_every_name_of_a_driver_is_that_of_a_known_card():
    assert {row.card for row in reported_names()} <= set(facts.cards())


def offer(source, *positions, on_processor=False, modalities=("chat",), engine="vllm"):
    return Proposal(
        source=source,
        engine=engine,
        name=source,
        settings=tuple({"context": position} for position in positions or (1,)),
        why="",
        modalities=modalities,
        on_processor=on_processor,
    )


def judge(budget, sizes):
    """Fits while contexts and sources together stay within a budget; the processor costs nothing."""

    def fit(picks):
        on_cards = [pick for pick in picks.values() if not pick.proposal.on_processor]
        total = sum(sizes[pick.proposal.source] + pick.settings["context"] for pick in on_cards)
        return Fit.FITS if total <= budget else Fit.TIGHT if total == budget + 1 else Fit.REFUSED

    return fit


SIZES = {"large": 20, "small": 5, "vectors": 3, "order": 2}
CHAT = Slot(
    id="chat",
    modality="chat",
    proposals=(offer("large", 8, 2), offer("small", 8, 4, 2), offer("small", 1, on_processor=True)),
)
EMBED = Slot(
    id="embed",
    modality="embedding",
    proposals=(
        offer("vectors", 2, 1, modalities=("embedding",), engine="infinity"),
        offer("vectors", 1, modalities=("embedding",), engine="infinity", on_processor=True),
    ),
)
RERANK = Slot(
    id="rerank",
    modality="rerank",
    proposals=(offer("order", 1, modalities=("rerank",), engine="infinity"),),
    is_optional=True,
)


def chosen(budget, *slots):
    picks = choose(slots, judge(budget, SIZES)) or {}
    return {
        name: (pick.proposal.source, pick.settings["context"], pick.proposal.on_processor)
        for name, pick in picks.items()
    }


def test_a_better_model_goes_before_larger_settings_and_those_of_the_first_grow_first():
    assert chosen(26, CHAT, EMBED) == {"chat": ("large", 2, False), "embed": ("vectors", 1, False)}
    assert chosen(32, CHAT, EMBED) == {"chat": ("large", 8, False), "embed": ("vectors", 1, False)}
    assert chosen(33, CHAT, EMBED) == {"chat": ("large", 8, False), "embed": ("vectors", 2, False)}


def test_a_neighbour_steps_down_to_the_processor_before_the_model_gets_smaller():
    assert chosen(22, CHAT, EMBED) == {"chat": ("large", 2, False), "embed": ("vectors", 1, True)}


def test_what_is_optional_takes_room_that_is_left_and_nobody_elses():
    assert "rerank" not in chosen(26, CHAT, EMBED, RERANK)
    assert chosen(29, CHAT, EMBED, RERANK)["rerank"] == ("order", 1, False)


def test_a_tight_fit_is_taken_where_nothing_fits_well():
    lone = Slot(id="chat", modality="chat", proposals=(offer("large", 2), offer("small", 18)))
    assert chosen(22, lone)["chat"] == ("large", 2, False)
    assert chosen(21, lone)["chat"] == ("large", 2, False)
    assert chosen(3, lone) == {}


def test_a_model_that_does_two_things_leaves_the_second_slot_empty():
    seeing = Slot(id="chat", modality="chat", proposals=(offer("large", 2, modalities=("chat", "vision")),))
    see = Slot(id="see", modality="vision", proposals=(offer("small", 2, modalities=("chat", "vision")),))
    assert set(choose([seeing, see], judge(22, SIZES))) == {"chat"}


def test_models_of_one_engine_are_tried_in_the_same_place():
    seen = []

    def fit(picks):
        places = {pick.proposal.on_processor for pick in picks.values() if pick.proposal.engine == "infinity"}
        seen.append(places)
        return Fit.FITS if len(places) <= 1 and True not in places else Fit.REFUSED

    asked = Slot(
        id="rerank",
        modality="rerank",
        proposals=(
            offer("order", 1, modalities=("rerank",), engine="infinity"),
            offer("order", 1, modalities=("rerank",), engine="infinity", on_processor=True),
        ),
    )
    picks = choose([EMBED, asked], fit)
    assert picks == {"embed": Pick(EMBED.proposals[0], 0), "rerank": Pick(asked.proposals[0], 0)}
    assert {True, False} not in seen


def test_described_cards_are_known_ones():
    known = facts.cards()
    assert [card.card.id for card in draft.described("2xl4, h200", known).cards] == ["l4", "l4", "h200"]
    assert draft.described("none", known).cards == ()
    with pytest.raises(StackError, match="there is no card `l5`"):
        draft.described("2xl5", known)
