"""The verbs as a user meets them: what they print where, what they write, how they end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from inspect import signature

import pytest
from support import SMALL, write_spec

from stackgen import __version__
from stackgen.cli import checking
from stackgen.smoke import Wishes


def test_render_writes_the_set_and_talks_on_stderr(run, tmp_path):
    code, out, err = run("render")
    assert (code, out) == (0, "")
    found = {
        str(path.relative_to(tmp_path / "rendered")) for path in (tmp_path / "rendered").rglob("*") if path.is_file()
    }
    assert found == {
        ".env",
        ".env.example",
        ".gitignore",
        ".stackgen-manifest.json",
        "RUNBOOK.md",
        "docker-compose.yml",
        "litellm/config.yaml",
    }
    assert "wrote docker-compose.yml" in err
    assert "generated LITELLM_MASTER_KEY" in err


def test_no_secret_is_printed_or_rendered_outside_env(run, tmp_path):
    _, out, err = run("render")
    _, plan, _ = run("plan", "--json")
    values = [line.partition("=")[2] for line in (tmp_path / ".stackgen/secrets.env").read_text().splitlines()[1:]]
    assert len(values) == 5
    public = out + err + plan
    public += "".join(
        path.read_text() for path in (tmp_path / "rendered").rglob("*") if path.is_file() and path.name != ".env"
    )
    assert not [value for value in values if value in public]
    assert all(value in (tmp_path / "rendered/.env").read_text() for value in values)


def test_rendering_again_after_deleting_the_folder_keeps_the_secrets(run, tmp_path):
    run("render")
    before = (tmp_path / "rendered/.env").read_bytes()
    for path in sorted((tmp_path / "rendered").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "rendered").rmdir()
    assert run("render")[0] == 0
    assert (tmp_path / "rendered/.env").read_bytes() == before


def test_a_second_render_changes_nothing(run, tmp_path):
    run("render")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "rendered").rglob("*")}
    code, _, err = run("render")
    assert (code, before) == (0, {path: path.stat().st_mtime_ns for path in (tmp_path / "rendered").rglob("*")})
    assert "nothing changed" in err


def test_render_check_shows_a_diff_and_ends_with_1(run):
    run("render")
    assert run("render", "--check")[0] == 0
    code, out, err = run(
        "render", "--check", spec=SMALL.replace("modalities: [chat]", "modalities: [chat]\n    context: 2048")
    )
    assert code == 1
    assert '-      - "4096"  # profiles/cpu.yaml:28' in out
    assert '+      - "2048"  # stack.yaml:9' in out
    assert "files would change" in err
    assert ".env" not in re.findall(r"^\+\+\+ (.*)$", out, re.MULTILINE)


def test_render_check_writes_nothing(run, tmp_path):
    assert run("render", "--check")[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack.yaml"]


def test_renders_at_the_same_time_take_turns(run, tmp_path):
    write_spec(tmp_path, SMALL)
    command = [sys.executable, "-m", "stackgen", "render"]
    children = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * 4, said
    assert sum("generated LITELLM_MASTER_KEY" in text for text in said) == 1
    assert run("check", "--static", spec=None)[0] == 0


def test_out_names_another_folder(run, tmp_path):
    assert run("render", "--out", "elsewhere/deep")[0] == 0
    assert (tmp_path / "elsewhere/deep/docker-compose.yml").is_file()
    assert run("check", "--static", "--out", "elsewhere/deep")[0] == 0


def test_errors_go_to_stderr_in_one_form(run, tmp_path):
    code, out, err = run("render", spec=SMALL.replace("engine: vllm", "engine: vlm"))
    assert (code, out) == (1, "")
    assert err == (
        "error: stack.yaml:7:13: there is no engine `vlm`\n\nhint: did you mean `vllm`?\n\n"
        "1 problem in stack.yaml; nothing was written\n"
    )
    assert not (tmp_path / "rendered").exists()


def test_a_spec_elsewhere_is_named_as_the_user_would_open_it(run, tmp_path):
    write_spec(tmp_path / "deep", SMALL.replace("engine: vllm", "engine: vlm"))
    assert "error: deep/stack.yaml:7:13:" in run("plan", "deep/stack.yaml", spec=None)[2]


def test_a_missing_spec_is_an_error_with_a_next_step(run):
    code, _, err = run("plan", spec=None)
    assert code == 1
    assert "stack.yaml:1:1: there is no such file" in err
    assert "hint: name the file" in err


def test_plan_prints_text_or_json_to_stdout(run):
    code, out, err = run("plan")
    assert (code, err) == (0, "")
    assert "vllm-chat" in out
    data = json.loads(run("plan", "--json")[1])
    assert [route["url"] for route in data["routes"]] == ["http://vllm-chat:8000/v1", "http://infinity:7997"]


def test_check_static_finds_drift_edits_and_a_wrong_route(run, tmp_path):
    code, out, _ = run("check", "--static")
    assert code == 1
    assert "nothing is rendered" in out
    run("render")
    assert run("check", "--static")[0] == 0

    config = tmp_path / "rendered/litellm/config.yaml"
    config.write_text(config.read_text().replace("http://infinity:7997", "http://infinity:7997/v1"))
    code, out, _ = run("check", "--static", "--format", "json")
    report = json.loads(out)
    states = {entry["name"]: entry for entry in report["files"]}
    assert (code, report["ok"]) == (1, False)
    assert states["files"]["complaints"] == ["litellm/config.yaml: edited by hand since stackgen wrote it"]
    (complaint,) = states["gateway file"]["complaints"]
    assert complaint.startswith("`embed`: api_base http://infinity:7997/v1 reaches http://infinity:7997/v1/embeddings")
    assert complaint.endswith("but the model is at http://infinity:7997/embeddings")

    run("render", "--force")
    code, out, _ = run("check", "--static", spec=SMALL + "gateway: {port: 4001}\n")
    assert code == 1
    assert "docker-compose.yml: the spec says something else by now" in out


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "os.environ/LITELLM_MASTER_KEY",
            "sk-plain",
            "general_settings.master_key must be os.environ/LITELLM_MASTER_KEY",
        ),
        ('mode: "embedding"', 'mode: "chat"', "`embed`: mode is chat, must be embedding"),
        ('model_name: "embed"', 'model_name: "embd"', "`embed`: the entry embed@infinity is named embd"),
        ("infinity/embed", "ollama_chat/embed", "`embed`: the provider ollama_chat has no embedding"),
        ("infinity/embed", "infinity/other", "`embed`: asks infinity for the model other, which serves it as embed"),
        (
            "os.environ/INFINITY_API_KEY",
            "os.environ/VLLM_API_KEY",
            "`embed`: api_key must be os.environ/INFINITY_API_KEY",
        ),
        ("general_settings:", "model_list: []\ngeneral_settings:", "the key `model_list` is here twice"),
        ("model_list:", "model_list: [", "this is not YAML"),
    ],
)
def test_check_static_reads_the_gateway_file_itself(run, tmp_path, old, new, complaint):
    run("render")
    config = tmp_path / "rendered/litellm/config.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    report = json.loads(run("check", "--static", "--format", "json")[1])
    (found,) = [entry["complaints"] for entry in report["files"] if entry["name"] == "gateway file"]
    assert any(complaint in line for line in found), found


def test_without_an_engine_check_still_tells_what_the_files_say(run, monkeypatch):
    run("render")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    code, out, _ = run("check", "--format", "json")
    report = json.loads(out)
    assert (code, report["ok"], report["requests"]) == (1, False, [])
    assert [entry["state"] for entry in report["files"]] == ["ok"] * 4
    absent = "no Docker engine answers at unix:///nowhere/docker.sock, which DOCKER_HOST names"
    assert report["containers"][0]["complaints"] == [absent]
    for verb in ("up", "status", "down"):
        code, _, err = run(verb)
        assert code == 1
        assert f"error: {absent}\n\nhint: correct DOCKER_HOST" in err


def test_a_report_that_cannot_be_written_is_refused_before_anybody_is_asked(run, tmp_path, monkeypatch):
    run("render")
    monkeypatch.setattr("stackgen.verbs.add_live", lambda *_: pytest.fail("requests were sent"))
    (tmp_path / "file").write_text("")
    for place, exit_code, reason in (
        ("file/report.xml", 1, "the files cannot be written: a file is in the way of a folder"),
        (".", 2, "--output: `.` is a folder; name a file in it"),
    ):
        code, out, err = run("check", "--output", place)
        assert (code, out) == (exit_code, "")
        assert reason in err


@pytest.mark.parametrize("form", ["table", "json", "junit"])
def test_check_writes_its_report_into_a_file_and_nothing_to_stdout(run, tmp_path, form):
    run("render")
    printed = run("check", "--static", "--format", form)[1]
    code, out, err = run("check", "--static", "--format", form, "--output", "reports/check.txt")
    assert (code, out) == (0, "")
    assert "wrote reports/check.txt" in err
    assert "small: 4 ok" in err
    text = (tmp_path / "reports/check.txt").read_text()
    assert "spec and plan" in text
    assert "\x1b" not in text
    assert form == "table" or text == printed
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["check.txt"]


@pytest.mark.parametrize("option", ["budget_tokens", "budget_seconds"])
def test_the_budget_of_the_command_line_is_that_of_the_requests(option):
    wishes = Wishes()
    assert signature(checking.check).parameters[option].default == getattr(wishes, option.removeprefix("budget_"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "embd"), "error: the stack has no model `embd`\n\nhint: did you mean `embed`?"),
        (("--modality", "chatt"), "error: the stack has no modality `chatt`\n\nhint: did you mean `chat`?"),
        (
            ("--model", "embed", "--modality", "chat"),
            "error: nothing to ask: embed does not serve chat\n\nhint: drop one",
        ),
    ],
)
def test_check_refuses_a_wish_that_nobody_can_fulfil_before_it_asks_anything(run, words, message):
    code, out, err = run("check", *words)
    assert (code, out) == (1, "")
    assert message in err


def test_check_takes_no_empty_budget(run):
    assert run("check", "--budget-tokens", "0")[0] == 2
    assert run("check", "--budget-seconds", "0")[0] == 2


def test_a_missing_required_secret_is_a_warning_of_render(run):
    code, _, err = run("render", spec=SMALL + "secrets: {HF_TOKEN: {required: true}}\n")
    assert code == 0
    assert "warning: HF_TOKEN has no value yet" in err


def test_wrong_usage_ends_with_2(run):
    assert run("render", "--nonsense")[0] == 2
    assert run("fly")[0] == 2


def test_version_and_help(run):
    assert run("--version")[1] == f"stackgen {__version__}\n"
    for verb in ("render", "plan", "up", "status", "logs", "check", "down", "facts", "schema"):
        code, out, _ = run(verb, "--help")
        assert code == 0
        assert "Example" in out or verb == "help"


@pytest.mark.parametrize("words", [["--help"], ["facts", "add", "--help"]])
def test_help_does_not_load_what_only_verbs_need(words):
    program = (
        f"import sys; import stackgen.cli as cli; sys.argv = ['stackgen', *{words}]\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted(set(sys.modules) & {'pydantic', 'docker', 'ruamel.yaml', 'jinja2', 'requests',"
        " 'huggingface_hub', 'gguf', 'numpy',"
        " 'stackgen.simulators.door'}), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_rendering_does_not_load_docker_once_the_secrets_are_there(tmp_path):
    write_spec(tmp_path, SMALL)
    subprocess.run([sys.executable, "-m", "stackgen", "render"], cwd=tmp_path, capture_output=True, check=True)
    program = (
        "import sys; import stackgen.cli as cli; sys.argv = ['stackgen', 'render']\n"
        "cli.app(standalone_mode=False)\n"
        "print(bool({'docker', 'huggingface_hub', 'gguf'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stderr.splitlines()[-1] == "False"


def test_the_schema_accepts_the_examples_and_refuses_a_wrong_word(run):
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415

    validator = Draft202012Validator(json.loads(run("schema")[1]))
    assert not list(validator.iter_errors(YAML(typ="safe").load(SMALL)))
    wrong = YAML(typ="safe").load(
        SMALL.replace("modalities: [chat]", "modalities: [chat]\n    options: {batch_size: 1}")
    )
    assert list(validator.iter_errors(wrong))
