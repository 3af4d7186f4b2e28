"""`render` of several specs at once, and what it shows without writing."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
import yaml
from support import SMALL, write_spec

from stackgen import vault

BROKEN = SMALL.replace("engine: vllm", "engine: vlm")
NEWER = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    context: 2048")


def two(folder, first=SMALL, second=SMALL):
    write_spec(folder / "a", first.replace("name: small", "name: first"))
    write_spec(folder / "b", second.replace("name: small", "name: second"))


def test_several_specs_are_written_in_one_call(run, tmp_path):
    two(tmp_path)
    code, out, err = run("render", "a/stack.yaml", "b", spec=None)
    assert (code, out) == (0, "")
    assert (tmp_path / "a/rendered/docker-compose.yml").is_file()
    assert (tmp_path / "b/rendered/docker-compose.yml").is_file()
    assert [line for line in err.splitlines() if line.endswith(":")] == ["first:", "second:"]
    assert run("render", "a", "b", "--check", spec=None)[0] == 0


def test_where_one_spec_is_refused_nothing_of_any_is_written(run, tmp_path):
    two(tmp_path, BROKEN, SMALL.replace("[embedding]", "[embeding]"))
    write_spec(tmp_path / "c", SMALL)
    code, _, err = run("render", "a", "b", "c", spec=None)
    assert code == 1
    assert "error: a/stack.yaml:7:13: there is no engine `vlm`" in err
    assert "error: b/stack.yaml:12:18:" in err
    assert err.endswith("2 problems in a/stack.yaml, b/stack.yaml; nothing was written\n")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["stack.yaml"] * 3


def test_where_files_of_one_were_edited_nothing_of_any_is_written(run, tmp_path):
    two(tmp_path)
    assert run("render", "a", "b", spec=None)[0] == 0
    for name in ("a", "b"):
        (tmp_path / name / "rendered/RUNBOOK.md").write_text("mine\n")
    two(tmp_path, NEWER, NEWER)
    write_spec(tmp_path / "c", SMALL)
    code, _, err = run("render", "c", "a", "b", spec=None)
    assert code == 1
    for name in ("a", "b"):
        assert f"error: {tmp_path}/{name}/rendered: would overwrite what stackgen did not write: RUNBOOK.md" in err
    assert not (tmp_path / "c/rendered").exists()
    assert vault.read(tmp_path / "c/.stackgen/secrets.env") == {}
    assert run("render", "c", "a", "b", "--force", spec=None)[0] == 0


def test_a_disk_that_is_full_at_the_second_of_three_says_what_was_written(run, tmp_path, monkeypatch):
    two(tmp_path)
    write_spec(tmp_path / "c", SMALL)
    real = os.fsync

    def full(descriptor):
        if "/b/rendered/" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        code, _, err = run("render", "a", "b", "c", spec=None)
    assert code == 1
    assert (
        f"error: {tmp_path}/b/rendered/.stackgen-journal.json: the files cannot be written: the disk is full\n" in err
    )
    a, b, c = (f"{tmp_path}/{name}/rendered" for name in ("a", "b", "c"))
    assert f"error: written: first ({a}); not written: second ({b}), small ({c})\n" in err
    assert "hint: once that is mended, the same command writes the rest; each folder is one set\n" in err
    assert [name for name in ("a", "b", "c") if (tmp_path / name / "rendered").exists()] == ["a"]
    assert run("render", "a", "b", "c", spec=None)[0] == 0
    assert run("render", "--check", "a", "b", "c", spec=None)[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b", "--out", "x"], "error: --out: several specs cannot have one folder; leave it out"),
        (["a", "b", "--stdout"], "error: --stdout: it prints the file of one spec; name one"),
        (["a", "--check", "--force"], "error: --check and --force contradict each other; choose one"),
        (["a", "--diff", "--adopt"], "error: --diff and --adopt contradict each other; choose one"),
        (["a", "--only", "RUNBOOK.md"], "error: --only: it says which file --stdout prints; add --stdout"),
    ],
)
def test_what_cannot_mean_anything_is_wrong_usage(run, tmp_path, words, message):
    two(tmp_path)
    code, out, err = run("render", *words, spec=None)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "a/rendered").exists()


def test_two_specs_with_one_folder_are_wrong_usage(run, tmp_path):
    two(tmp_path)
    code, _, err = run("render", "a", "a/stack.yaml", spec=None)
    assert code == 2
    assert "`first` and `first` would both be written into" in " ".join(err.split())
    assert not (tmp_path / "a/rendered").exists()


def test_diff_shows_what_would_change_and_ends_with_0(run, tmp_path):
    run("render")
    assert run("render", "--diff")[:2] == (0, "")
    before = (tmp_path / "rendered/docker-compose.yml").read_bytes()
    code, out, err = run("render", "--diff", spec=NEWER)
    assert code == 0
    assert '-      - "4096"  # profiles/cpu.yaml:28' in out
    assert "files would change; `stackgen render` writes them" in err
    assert "edited by hand" not in out + err
    assert (tmp_path / "rendered/docker-compose.yml").read_bytes() == before


def test_a_new_value_in_the_copy_of_the_secrets_is_told(run, tmp_path):
    run("render")
    assert "/rendered: nothing changed\n" in run("render")[2]
    with (tmp_path / ".stackgen/secrets.env").open("a") as kept:
        kept.write("HF_TOKEN=hf_0123456789abcdefABCDEF\n")
    assert "/rendered: nothing changed but .env\n" in run("render")[2]


def test_diff_marks_what_was_edited_by_hand(run, tmp_path):
    run("render")
    with (tmp_path / "rendered/RUNBOOK.md").open("a") as runbook:
        runbook.write("mine")
    code, out, err = run("render", "--diff", spec=NEWER)
    assert code == 0
    marked = re.findall(r"^--- (.*)$", out, re.MULTILINE)
    assert "rendered/RUNBOOK.md\tedited by hand" in marked
    assert "rendered/docker-compose.yml" in marked
    assert "-mine\n\\ No newline at end of file\n" in out
    assert "`stackgen render` writes" not in err  # it would refuse
    assert "warning: edited by hand: RUNBOOK.md; `stackgen render --adopt` shows what makes it permanent" in err


def test_stdout_prints_a_file_and_writes_nothing(run, tmp_path):
    code, out, err = run("render", "--stdout")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack.yaml"]
    _, gateway, _ = run("render", "--stdout", "--only", "./litellm/config.yaml")
    run("render")
    assert out == (tmp_path / "rendered/docker-compose.yml").read_text()
    assert gateway == (tmp_path / "rendered/litellm/config.yaml").read_text()
    assert yaml.safe_load(out)["name"] == "small"


def test_stdout_never_prints_secrets(run, tmp_path):
    run("render")
    code, out, err = run("render", "--stdout", "--only", ".env")
    assert (code, out) == (1, "")
    assert err == (
        "error: .env holds secrets and is not printed\n\n"
        "hint: `stackgen render` writes it; .env.example tells what is in it\n\n"
    )


def test_stdout_of_a_file_that_the_stack_has_not(run):
    code, _, err = run("render", "--stdout", "--only", "litellm/config.yml")
    assert code == 1
    assert err == (
        "error: the stack `small` has no file `litellm/config.yml`\n\nhint: did you mean `litellm/config.yaml`?\n\n"
    )
