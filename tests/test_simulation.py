"""The simulation of a stack: the same graph, apart from everything real."""

from __future__ import annotations

import ast
import io
import json
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from support import EXAMPLES, SMALL, write_spec

from stackgen import facts, files, vault, verbs
from stackgen.errors import DriftError, SpecError, StackError
from stackgen.render import stand_in
from stackgen.runtime import lock

SIMULATED = {"stackgen.simulated": "true"}


def rendered(file, **options):
    """Texts of the rendered files by path, and the plan."""
    stack = verbs.open_stack(file, **options)
    return {entry.path: entry.text for entry in stack.files()}, stack.plan


def both(example):
    """The compose data of an example and of its simulation, and their gateway files."""
    file = EXAMPLES / example / "stack.yaml"
    real, simulated = rendered(file)[0], rendered(file, simulate=True)[0]
    compose = [yaml.safe_load(texts["docker-compose.yml"]) for texts in (real, simulated)]
    return *compose, real["litellm/config.yaml"], simulated["litellm/config.yaml"]


def differing(real, simulated, path=""):
    """Paths at which two trees differ."""
    if isinstance(real, dict) and isinstance(simulated, dict):
        for key in sorted(real.keys() | simulated.keys()):
            yield from differing(real.get(key), simulated.get(key), f"{path}/{key}")
    elif real != simulated:
        yield path


def test_only_images_and_cards_of_engines_differ_beside_names_ports_and_labels():
    real, simulated, gateway, gateway_simulated = both("archi-llm")
    engines = ("infinity", "ollama", "speaches", "vllm-chat")
    expected = {f"/services/{name}/{key}" for name in engines for key in ("image", "deploy")}
    expected |= {
        f"/services/{name}/labels/{key}" for name in real["services"] for key in ("stackgen.stack", *SIMULATED)
    }
    expected |= {"/name", "/services/litellm/ports", "/networks/data/labels", "/networks/engines/labels"}
    expected |= {f"/volumes/{name}/labels" for name in real["volumes"]}
    assert set(differing(real, simulated)) == expected
    assert gateway == gateway_simulated
    assert simulated["name"] == "archi-llm-sim"
    assert simulated["services"]["litellm"]["ports"] == ["127.0.0.1::4000"]
    kinds = (simulated["services"], simulated["networks"], simulated["volumes"])
    assert all(SIMULATED.items() <= entry["labels"].items() for kind in kinds for entry in kind.values())
    assert simulated["services"]["vllm-chat"]["image"].startswith("stackgen-stand-in:vllm-0.32.0-")


def test_servers_outside_are_played_under_their_path_and_key():
    _, simulated, gateway, gateway_simulated = both("cloud-fallback")
    before, after = yaml.safe_load(gateway)["model_list"], yaml.safe_load(gateway_simulated)["model_list"]
    (cloud,) = [entry for entry in after if entry["model_info"]["id"] == "cloud@endpoint"]
    assert cloud["litellm_params"].pop("api_base") == "http://endpoint-cloud:8000/v1"
    assert after == before
    service = simulated["services"]["endpoint-cloud"]
    assert service["read_only"] is True
    assert service["command"] == ["--served-model-name", "gpt-4o-mini", "--root-path", "/v1"]
    assert "OPENAI_API_KEY" in service["environment"]["STAND_IN_KEY"]
    assert service["networks"] == ["engines"]


def test_no_right_over_the_host_is_asked_for_by_a_model_on_several_cards():
    real, simulated, _, _ = both("load-balanced")
    assert real["services"]["vllm-mistral"]["ulimits"]["memlock"] == -1
    assert not [name for name, service in simulated["services"].items() if "ulimits" in service]


def test_no_address_outside_is_left():
    _, simulated, _, gateway = both("load-balanced-outside")
    assert "10.20.0.11" not in gateway
    assert "host.docker.internal" not in gateway
    assert "extra_hosts" not in simulated["services"]["litellm"]
    assert {"endpoint-mistral-a", "endpoint-mistral-b"} <= set(simulated["services"])


TANGLED = """\
version: 1
name: tangled
profiles: [cpu]
network: {external: proxy}
storage:
  huggingface: {path: /data/hub}
  ollama-models: {volume: real-models}
models:
  chat:
    source: Qwen/Qwen3-0.6B
    engine: vllm
    modalities: [chat]
    mounts: {/templates: /srv/templates}
    publish: {address: 0.0.0.0, port: 8001}
    overrides:
      compose: {container_name: vllm, ipc: host, ports: ["8001:8000"], volumes: ["/srv/x:/x"], labels: {mine: "yes"}}
  small:
    source: qwen3:1.7b
    engine: ollama
    modalities: [chat]
endpoints:
  claude: {provider: anthropic, model: claude-sonnet-4, key: ANTHROPIC_API_KEY}
secrets:
  ANTHROPIC_API_KEY: {source: environment}
gateway:
  pass_through:
    raw: {path: /raw, url: "http://10.0.0.9:9000"}
services:
  page:
    compose: {image: "nginx:1.29", ports: ["8080:80"], container_name: page, depends_on: [agent]}
  agent:
    compose: {image: "agent:1", volumes: ["/var/run/docker.sock:/var/run/docker.sock"]}
  files:
    compose: {image: "files:1", volumes: ["./data:/data"]}
"""


def test_nothing_of_the_host_and_nothing_real_is_touched(tmp_path):
    file = write_spec(tmp_path, TANGLED)
    texts, plan = rendered(file, simulate=True)
    text, compose = texts["docker-compose.yml"], yaml.safe_load(texts["docker-compose.yml"])
    for word in (
        "/data/hub",
        "real-models",
        "proxy",
        "/srv/templates",
        "docker.sock",
        "/srv/x",
        "0.0.0.0",
        "host.docker",
    ):
        assert word not in text, word
    services = compose["services"]
    assert not {"container_name", "ipc"} & set(services["vllm-chat"])
    assert services["vllm-chat"]["labels"]["mine"] == "yes"
    assert services["vllm-chat"]["ports"] == ["127.0.0.1::8000"]
    assert services["page"]["ports"] == ["127.0.0.1::80"]
    assert not {"container_name", "depends_on"} & {key for key, value in services["page"].items() if value}
    assert not {"agent", "files"} & set(services)
    assert not any(entry.get("external") for entry in (*compose["networks"].values(), *compose["volumes"].values()))
    assert all(port == 0 for service in plan.services for port in [port.published for port in service.ports])
    gateway = texts["litellm/config.yaml"]
    assert "anthropic" not in gateway
    assert "10.0.0.9" not in gateway
    assert [warning.partition(":")[0] for warning in plan.warnings] == [
        "the simulation leaves agent out",
        "the simulation leaves files out",
        "the simulation leaves chat of the endpoint claude out",
        "the simulation leaves paths to other servers out",
    ]


def test_a_service_with_the_name_of_a_stand_in_is_left_out_and_told(tmp_path):
    text = (EXAMPLES / "cloud-fallback" / "stack.yaml").read_text(encoding="utf-8")
    own = 'services:\n  endpoint-cloud: {compose: {image: "python:3.13-slim"}}\n'
    files, plan = rendered(write_spec(tmp_path, text + own), simulate=True)
    service = yaml.safe_load(files["docker-compose.yml"])["services"]["endpoint-cloud"]
    assert service["image"].startswith("stackgen-stand-in:openai-")
    assert "the simulation leaves endpoint-cloud out: the stand-in for an endpoint has its name" in plan.warnings


def test_its_secrets_are_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-real")
    file = write_spec(tmp_path, TANGLED)
    real = verbs.render_stack(verbs.open_stack(file))
    kept = (tmp_path / ".stackgen" / "secrets.env").read_bytes()
    simulation = verbs.open_stack(file, simulate=True)
    found = verbs.render_stack(simulation)
    assert not found.missing
    shared = {name: value.reveal() for name, value in real.values.items()}
    assert all(value.reveal() != shared[name] for name, value in found.values.items())
    assert "sk-ant-real" not in "".join(path.read_text() for path in simulation.home.rglob("*") if path.is_file())
    assert (tmp_path / ".stackgen" / "secrets.env").read_bytes() == kept
    assert simulation.out == tmp_path / ".stackgen" / "simulation" / "rendered"
    assert (simulation.home / vault.FOLDER / vault.FILE).stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".stackgen", "rendered", "stack.yaml"]


@pytest.mark.parametrize("name", [".env", "docker-compose.yml"])
def test_a_hand_edit_is_dropped_with_the_simulation_and_nobody_is_told_to_render(tmp_path, name):
    """`stackgen render --force` would write the files of the real stack."""
    simulation = verbs.open_stack(write_spec(tmp_path, SMALL), simulate=True)
    verbs.render_stack(simulation)
    edited = simulation.out / name
    edited.write_text(edited.read_text() + "# by hand\n")
    with pytest.raises(DriftError) as raised:
        verbs.render_stack(simulation)
    hints = [raised.value.hint]
    if name != ".env":
        hints += [finding.hint for finding in verbs.static_report(simulation).static if finding.complaints]
    assert set(hints) == {"`stackgen down --simulate --volumes` drops it with the simulation"}


def test_a_list_of_faults_that_was_spoiled_is_an_error_with_its_remedy(tmp_path):
    simulation = verbs.open_stack(write_spec(tmp_path, SMALL), simulate=True)
    verbs.render_stack(simulation)
    (simulation.home / "faults.json").write_text("[1]")
    with pytest.raises(StackError, match="the faults of the simulation cannot be read") as raised:
        verbs.open_stack(tmp_path / "stack.yaml", simulate=True)
    assert raised.value.hint == "stackgen up --simulate writes it anew"


def test_a_stack_must_not_be_called_like_a_simulation(tmp_path):
    with pytest.raises(SpecError) as caught:
        verbs.open_stack(write_spec(tmp_path, SMALL.replace("name: small", "name: small-sim")))
    (problem,) = caught.value.problems
    assert problem.place.line == 2
    assert "must not end in -sim" in problem.message


def test_faults_reach_their_stand_in_and_are_remembered(tmp_path):
    file = write_spec(tmp_path, SMALL)
    verbs.render_stack(verbs.open_stack(file, simulate=True, faults=["vllm-chat=slow:5"]))
    for stack in (
        verbs.open_stack(file, simulate=True),
        verbs.open_stack(file, simulate=True, faults=["infinity=hang"]),
    ):
        texts = {entry.path: entry.text for entry in stack.files()}
        services = yaml.safe_load(texts["docker-compose.yml"])["services"]
        given = {name: entry.get("environment", {}).get("STACKGEN_FAULT") for name, entry in services.items()}
        assert {name: fault for name, fault in given.items() if fault} in (
            {"vllm-chat": "slow:5"},
            {"infinity": "hang"},
        )
    assert not verbs.differences(verbs.open_stack(file, simulate=True))


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        ("vllm-chap=hang", "there is no stand-in `vllm-chap`", "vllm-chat"),
        ("litellm=hang", "there is no stand-in `litellm`", ""),
        ("vllm-chat=explode", "no fault 'explode'", "hang: takes requests"),
        ("vllm-chat=slow:soon", "'soon' is no number of seconds", "slow: takes so many seconds"),
        ("vllm-chat=slow:-5", "'-5' is no number of seconds", "slow: takes so many seconds"),
        ("vllm-chat=crash:nan", "'nan' is no number of seconds", "crash: ends so many seconds"),
        ("vllm-chat=killed:1e12", "from 0 to 86400", "killed: is killed"),
        ("vllm-chat=hang:3", "`hang` takes no seconds; only slow, killed, crash do", "hang: takes requests"),
        ("vllm-chat", "no fault is named", "slow: takes"),
    ],
)
def test_faults_that_do_not_exist_are_refused(tmp_path, fault, message, hint):
    with pytest.raises(StackError) as caught:
        verbs.open_stack(write_spec(tmp_path, SMALL), simulate=True, faults=[fault])
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_two_faults_of_one_stand_in_are_refused(tmp_path):
    with pytest.raises(StackError, match="vllm-chat is given two"):
        verbs.open_stack(
            write_spec(tmp_path, SMALL), simulate=True, faults=["vllm-chat=hang", "vllm-chat=slow", "infinity=hang"]
        )


@pytest.mark.parametrize("text", ["[]", "{", '"hang"'])
def test_faults_that_somebody_spoiled_are_told_with_the_next_step(tmp_path, text):
    file = write_spec(tmp_path, SMALL)
    stack = verbs.open_stack(file, simulate=True, faults=[])
    verbs.render_stack(stack)
    (stack.home / "faults.json").write_text(text)
    with pytest.raises(StackError, match="the faults of the simulation cannot be read") as caught:
        verbs.open_stack(file, simulate=True)
    assert caught.value.hint == "stackgen up --simulate writes it anew"
    assert verbs.open_stack(file, simulate=True, faults=[]).plan.simulated


class Engine:
    """An engine with so many containers of the simulation."""

    def __init__(self, *containers):
        self.found = list(containers)

    def containers(self, project):
        assert project == "small-sim"
        return self.found


def test_files_of_a_simulation_go_once_no_up_works_with_them_and_nothing_runs(tmp_path):
    file = write_spec(tmp_path, SMALL)
    stack = verbs.open_stack(file, simulate=True, faults=[])
    verbs.forget_simulation(file, Engine(), pytest.fail)
    assert not (tmp_path / ".stackgen").exists()
    verbs.render_stack(stack)
    with pytest.raises(StackError, match="brought small-sim up again meanwhile; its files stay"):
        verbs.forget_simulation(file, Engine("litellm"), pytest.fail)
    assert stack.out.is_dir()
    said = []
    with ThreadPoolExecutor(1) as pool:
        with lock.turn(vault.prepare(tmp_path), timeout_seconds=0, say=said.append, file=lock.SIMULATION_FILE):
            going = pool.submit(verbs.forget_simulation, file, Engine(), said.append)
            while not said:
                time.sleep(0.01)
            assert stack.out.is_dir()
        going.result(timeout=10)
    assert "another `up` of this stack is at work" in said[0]
    assert not stack.home.exists()


def test_files_of_a_simulation_that_somebody_edited_have_a_way_out_that_leaves_the_stack_alone(tmp_path):
    stack = verbs.open_stack(write_spec(tmp_path, SMALL), simulate=True, faults=[])
    verbs.render_stack(stack)
    (stack.out / "litellm" / "config.yaml").write_text("model_list: []\n")
    (found,) = [finding for finding in verbs.static_report(stack).static if finding.name == "files"]
    with pytest.raises(DriftError) as edited:
        verbs.render_stack(stack)
    real = verbs.open_stack(tmp_path / "stack.yaml")
    verbs.render_stack(real)
    with pytest.raises(DriftError) as foreign:
        verbs.render_stack(verbs.open_stack(tmp_path / "stack.yaml", real.out, simulate=True, faults=[]))
    assert found.hint == edited.value.hint == files.DROP_A_SIMULATION
    assert "stackgen down --simulate --volumes" in files.DROP_A_SIMULATION
    assert "leave --out away" in foreign.value.hint


def test_each_stand_in_has_the_programs_of_the_real_image_and_no_others():
    with tarfile.open(fileobj=io.BytesIO(stand_in.context())) as archive:
        members = {member.name: member for member in archive.getmembers()}
    for engine, user in facts.stand_ins().engines.items():
        there = {name.rpartition("/")[2] for name in members if name.startswith(f"programs/{engine}/")}
        assert there == facts.programs(user.programs_of), engine
    assert all(
        member.mode & 0o111 for name, member in members.items() if name.startswith("programs/") and member.isfile()
    )
    assert {"facts/models.csv", "facts/vllm_flags.json", "simulators/start.py", "Dockerfile"} <= set(members)
    assert not [name for name in members if "__pycache__" in name]


def test_the_name_of_the_image_follows_its_content(monkeypatch):
    name = stand_in.reference("vllm", "0.32.0")
    assert name == stand_in.reference("vllm", "0.32.0")
    assert stand_in.reference("vllm", "0.32.0+cpu").partition(":")[2].startswith("vllm-0.32.0-cpu-")
    for function in (stand_in.context, stand_in._digest):
        function.cache_clear()
    files = stand_in._files
    monkeypatch.setattr(stand_in, "_files", lambda: {**files(), "simulators/more.py": b""})
    try:
        assert stand_in.reference("vllm", "0.32.0") != name
    finally:
        for function in (stand_in.context, stand_in._digest):
            function.cache_clear()


def test_stand_ins_import_nothing_but_the_standard_library():
    folder = Path(stand_in.__file__).parent.parent / "simulators"
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names, file


def test_plans_of_simulations_say_so():
    assert rendered(EXAMPLES / "archi-llm" / "stack.yaml", simulate=True)[1].simulated
    assert json.dumps(rendered(EXAMPLES / "archi-llm" / "stack.yaml")[1].simulated) == "false"
