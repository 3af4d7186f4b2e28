"""Services as a spec wants them: its own, raw keys, mounts, networks, places, ports, what is dangerous."""

from __future__ import annotations

import hashlib

import pytest
import yaml
from support import SMALL, plan_of

from stackgen.render import files

WEB = 'services: {web: {compose: {image: "web:1.0"}}}\n'


def composed(folder, text):
    texts = {file.path: file.text for file in files(plan_of(folder, text))}
    return yaml.safe_load(texts["docker-compose.yml"])


def with_model(line):
    return SMALL.replace("    modalities: [chat]\n", f"    modalities: [chat]\n    {line}\n")


def test_a_service_of_the_users_own_meets_the_gateway_alone(tmp_path):
    services = composed(tmp_path, SMALL + WEB)["services"]
    assert services["web"]["networks"] == ["clients"]
    assert services["litellm"]["networks"] == ["engines", "data", "clients"]
    assert [name for name, service in services.items() if "clients" in service["networks"]] == ["litellm", "web"]
    assert services["web"]["restart"] == "unless-stopped"


def test_an_external_network_is_joined_by_the_gateway_alone(tmp_path):
    found = composed(tmp_path, SMALL + WEB + "network: {external: proxy}\n")
    assert found["networks"]["outside"] == {"name": "proxy", "external": True}
    joined = [name for name, service in found["services"].items() if "outside" in service["networks"]]
    assert joined == ["litellm"]


def test_a_subnet_is_that_of_the_engines(tmp_path):
    found = composed(tmp_path, SMALL + "network: {subnet: 10.89.0.0/24}\n")["networks"]
    assert found == {"data": {"internal": True}, "engines": {"ipam": {"config": [{"subnet": "10.89.0.0/24"}]}}}
    assert composed(tmp_path, SMALL)["networks"]["engines"] == {}


def test_a_cache_lies_in_a_folder_or_in_a_volume_that_exists(tmp_path):
    text = SMALL + "storage: {huggingface: {path: /data/hf}, vllm-compile: {volume: old_cache}}\n"
    found = composed(tmp_path, text)
    assert found["volumes"] == {"postgres-data": {}, "vllm-compile": {"name": "old_cache", "external": True}}
    weights, compiled = found["services"]["vllm-chat"]["volumes"]
    bind = {
        "type": "bind",
        "source": "/data/hf",
        "target": "/root/.cache/huggingface",
        "bind": {"create_host_path": False},
    }
    assert weights == bind
    assert compiled == {"type": "volume", "source": "vllm-compile", "target": "/root/.cache/vllm"}
    runbook = next(file.text for file in files(plan_of(tmp_path, text)) if file.path == "RUNBOOK.md")
    assert "| `/data/hf` |" in runbook
    assert "| `old_cache` |" in runbook
    assert "| `small_postgres-data` |" in runbook


def test_a_file_beside_the_spec_is_copied_and_a_change_of_it_is_seen(tmp_path):
    (tmp_path / "chat.jinja").write_text("{{ one }}", encoding="utf-8")
    text = with_model("mounts: {/etc/chat.jinja: chat.jinja, /opt/weights: /data/weights}")
    first = {file.path: file.text for file in files(plan_of(tmp_path, text))}
    assert first["files/vllm-chat/etc/chat.jinja"] == "{{ one }}"
    service = yaml.safe_load(first["docker-compose.yml"])["services"]["vllm-chat"]
    label = "stackgen.sha256.files/vllm-chat/etc/chat.jinja"
    assert service["labels"][label] == hashlib.sha256(b"{{ one }}").hexdigest()
    assert service["volumes"][-2:] == [
        {
            "type": "bind",
            "source": source,
            "target": target,
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for source, target in (
            ("./files/vllm-chat/etc/chat.jinja", "/etc/chat.jinja"),
            ("/data/weights", "/opt/weights"),
        )
    ]
    (tmp_path / "chat.jinja").write_text("{{ two }}", encoding="utf-8")
    assert composed(tmp_path, text)["services"]["vllm-chat"]["labels"][label] != service["labels"][label]


def test_models_of_one_instance_mount_an_equal_file_once(tmp_path):
    (tmp_path / "x.txt").write_text("x", encoding="utf-8")
    second = "  rank: {source: BAAI/bge-reranker-v2-m3, engine: infinity, modalities: [rerank], mounts: {/x: x.txt}}\n"
    text = SMALL.replace("modalities: [embedding]", "modalities: [embedding]\n    mounts: {/x: x.txt}") + second
    targets = [mount["target"] for mount in composed(tmp_path, text)["services"]["infinity"]["volumes"]]
    assert targets.count("/x") == 1


def test_raw_keys_are_laid_over_maps_by_key_and_lists_replace(tmp_path):
    text = (
        with_model("overrides: {compose: {environment: [A=model, B=model], labels: {l: m}, command: null}}")
        + """\
overrides:
  vllm-chat: {compose: {environment: {B: above, C: "$5"}, tmpfs: [/x], networks: {engines: {aliases: [v]}}}}
  postgres: {compose: {command: [postgres, -c, "max_connections=50"]}}
"""
    )
    services = composed(tmp_path, text)["services"]
    chat = services["vllm-chat"]
    assert {key: chat["environment"][key] for key in "ABC"} == {"A": "model", "B": "above", "C": "$$5"}
    assert "VLLM_API_KEY" in chat["environment"]
    assert chat["labels"]["l"] == "m"
    assert chat["labels"]["stackgen.stack"] == "small"
    assert chat["command"] is None
    assert chat["networks"] == {"engines": {"aliases": ["v"]}}
    assert services["postgres"]["command"] == ["postgres", "-c", "max_connections=50"]
    assert services["postgres"]["environment"]["POSTGRES_USER"] == "litellm"


def test_a_secret_in_a_raw_key_is_a_secret_and_every_other_dollar_is_data(tmp_path):
    text = (
        SMALL
        + """\
secrets: {MINE: {generate: true}, MAYBE: {required: false}}
services:
  web:
    compose: {image: "web:1.0", environment: ["A=x-${MINE}-$y", "B=${MAYBE}", "C=os.environ/HOME", D]}
    secret_environment: {E: MINE}
"""
    )
    environment = composed(tmp_path, text)["services"]["web"]["environment"]
    missing = "${MINE:?set MINE in .env, it is missing}"
    assert environment == {"E": missing, "A": f"x-{missing}-$$y", "B": "${MAYBE:-}", "C": "os.environ/HOME", "D": None}
    kinds = {secret.name: secret.kind.value for secret in plan_of(tmp_path, text).secrets}
    assert (kinds["MINE"], kinds["MAYBE"]) == ("generated", "optional")


def test_a_network_of_the_host_leaves_no_network_of_the_stack(tmp_path):
    text = SMALL + 'services: {web: {compose: {image: "web:1.0", network_mode: host}}}\n'
    assert "networks" not in composed(tmp_path, text)["services"]["web"]


def test_volumes_of_raw_services_are_declared(tmp_path):
    text = (
        SMALL
        + """\
services:
  web:
    compose:
      image: "web:1.0"
      volumes: ["web-data:/data", "./here:/here", /anonymous, {type: volume, source: other, target: /o}]
"""
    )
    assert sorted(composed(tmp_path, text)["volumes"]) == [
        "huggingface",
        "other",
        "postgres-data",
        "vllm-compile",
        "web-data",
    ]


@pytest.mark.parametrize(
    ("raw", "warning"),
    [
        ("privileged: true", "web is privileged: whoever is in it owns this host"),
        ("network_mode: host", "web shares this host's network"),
        ("pid: host", "web shares this host's pid"),
        ("ipc: host", "web shares this host's ipc"),
        ("cap_add: [CAP_SYS_ADMIN]", "web is given CAP_SYS_ADMIN"),
        (
            'volumes: ["/var/run/docker.sock:/s"]',
            "web reaches the Docker engine by its socket: whoever is in it owns this host",
        ),
        (
            "volumes: [{type: bind, source: /run/docker.sock, target: /s}]",
            "web reaches the Docker engine by its socket: whoever is in it owns this host",
        ),
        ('ports: ["8080:80"]', "web publishes 8080:80 on all interfaces, past most firewalls"),
        ('ports: ["0.0.0.0:8080:80"]', "web publishes 0.0.0.0:8080:80 on all interfaces, past most firewalls"),
        ('ports: [{target: 80, published: "8080"}]', "web publishes 8080 on all interfaces, past most firewalls"),
    ],
)
def test_what_a_raw_key_opens_is_said(tmp_path, raw, warning):
    plan = plan_of(tmp_path, SMALL + f'services: {{web: {{compose: {{image: "web:1.0", {raw}}}}}}}\n')
    assert list(plan.warnings) == [warning]


@pytest.mark.parametrize(
    "raw",
    [
        'ports: ["127.0.0.1:8080:80"]',
        'ports: ["[::1]:8080:80"]',
        "ports: [{target: 80, published: '80', host_ip: 127.0.0.1}]",
        "cap_add: [NET_BIND_SERVICE]",
        "privileged: false",
    ],
)
def test_what_opens_nothing_is_not_said(tmp_path, raw):
    plan = plan_of(tmp_path, SMALL + f'services: {{web: {{compose: {{image: "web:1.0", {raw}}}}}}}\n')
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("image", "exact"),
    [("web", False), ("web:latest", False), ("host:5000/web", False), ("web:1.2", True), ("web@sha256:0", True)],
)
def test_an_image_without_an_exact_tag_is_said(tmp_path, image, exact):
    plan = plan_of(tmp_path, SMALL + f'services: {{web: {{compose: {{image: "{image}"}}}}}}\n')
    assert bool(plan.warnings) is not exact


def test_an_engine_is_published_on_this_machine_and_said_where_it_is_open(tmp_path):
    found = composed(tmp_path, with_model("publish: {port: 8001}"))
    assert found["services"]["vllm-chat"]["ports"] == ["127.0.0.1:8001:8000"]
    assert plan_of(tmp_path, with_model("publish: {port: 8001}")).warnings == ()
    assert list(plan_of(tmp_path, with_model("publish: {port: 8001, address: 10.0.0.5}")).warnings) == [
        "vllm-chat listens on 10.0.0.5:8001 beside the gateway: its own key guards a part of its paths at most"
    ]


def test_an_image_of_the_users_own_and_one_that_is_built(tmp_path):
    own = "image: {repository: registry.example/vllm, tag: v1, digest: 'sha256:" + "a" * 64 + "'}"
    service = composed(tmp_path, with_model(own))["services"]["vllm-chat"]
    assert service["image"] == f"registry.example/vllm:v1@sha256:{'a' * 64}"
    built = "build: {context: images/vllm, dockerfile: Own, args: {A: $5}}"
    service = composed(tmp_path, with_model(built))["services"]["vllm-chat"]
    assert service["build"] == {"context": "../images/vllm", "dockerfile": "Own", "args": {"A": "$$5"}}
    assert service["image"] == "small-vllm-chat:0.32.0", "what is built must not take the name of the pinned image"


def test_secrets_say_who_provides_them(tmp_path):
    text = (
        SMALL
        + """\
secrets:
  HF_TOKEN: {required: true, source: environment, purpose: reads our models}
  OWN: {generate: true}
  OLD: {required: false}
gateway: {secret_environment: {A: OWN, B: OLD}}
"""
    )
    found = {secret.name: secret for secret in plan_of(tmp_path, text).secrets}
    kinds = {name: found[name].kind.value for name in ("HF_TOKEN", "OWN", "OLD", "VLLM_API_KEY")}
    assert kinds == {"HF_TOKEN": "required", "OWN": "generated", "OLD": "optional", "VLLM_API_KEY": "generated"}
    assert (found["HF_TOKEN"].from_environment, found["HF_TOKEN"].purpose) == (True, "reads our models")
    assert found["OWN"].from_environment is False
