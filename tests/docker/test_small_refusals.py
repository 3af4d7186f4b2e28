"""What `up` refuses, with an engine but without the large images."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from support import SMALL, plan_of, write_spec

from stackgen import runtime

pytestmark = pytest.mark.docker


def up(folder):
    command = [sys.executable, "-m", "stackgen", "up"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_a_port_that_a_program_holds_is_named(engine, tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        write_spec(tmp_path, SMALL + f"gateway: {{port: {port}}}\n")
        result = up(tmp_path)
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 for litellm (stack.yaml:13) is taken by a program on this host" in result.stderr


def test_cards_that_the_engine_cannot_hand_out_are_named(engine, tmp_path):
    text = """\
version: 1
name: no-cards
profiles: [nvidia]
gpus: {a0: {card: l4}}
models:
  chat: {source: Qwen/Qwen3-0.6B, engine: vllm, modalities: [chat]}
gateway: {port: 4999}
"""
    if "nvidia" in engine("info", "-f", "{{json .Runtimes}}"):
        pytest.skip("this engine has cards")
    write_spec(tmp_path, text)
    result = up(tmp_path)
    assert result.returncode == 1
    assert "this engine hands out no NVIDIA cards, and the stack wants a0" in result.stderr
    assert "nvidia-ctk" in result.stderr


def test_a_required_secret_without_a_value_is_asked_for(engine, tmp_path):
    write_spec(tmp_path, SMALL + "secrets: {HF_TOKEN: {required: true}}\n")
    result = up(tmp_path)
    assert result.returncode == 1
    assert "no value for HF_TOKEN" in result.stderr
    assert "hint: `stackgen secrets set HF_TOKEN` takes it" in result.stderr


def test_the_engine_says_where_its_images_and_volumes_lie(engine, tmp_path):
    docker, name = runtime.connect(), f"stackgen-test-{uuid.uuid4().hex[:12]}"
    assert docker.data_folder() == engine("info", "-f", "{{.DockerRootDir}}")
    assert docker.volume_folder(name) is None
    engine("volume", "create", name)
    try:
        assert docker.volume_folder(name) == engine("volume", "inspect", "-f", "{{.Mountpoint}}", name)
    finally:
        engine("volume", "rm", name)


def test_a_disk_without_room_for_the_weights_is_named(engine, tmp_path):
    huge = "models: {house/huge: {kind: embedding, weights_gib: 90000, layers: 1, hidden_size: 8, longest_context: 8, source: x}}"
    (tmp_path / "profiles/facts").mkdir(parents=True)
    (tmp_path / "profiles/facts/huge.yaml").write_text(huge)
    text = SMALL.replace("sentence-transformers/all-MiniLM-L6-v2", "house/huge").replace("name: small", "name: no-room")
    if not Path(engine("info", "-f", "{{.DockerRootDir}}")).is_dir():
        pytest.skip("this engine keeps its images on another machine")
    (warning,) = runtime.disk.warnings(plan_of(tmp_path, text), runtime.connect())
    assert re.search(r"has [0-9.]+ GiB free, and 1800[0-9.]+ GiB are still to come: .*huggingface 180001\.1", warning)
