"""A render over an older one is killed at any moment: files are old or new, never lost, and the next verb makes one set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import MEASURED, SMALL, TESTS

from stackgen import files
from stackgen.errors import DriftError
from stackgen.files import ASIDE, JOURNAL, MANIFEST

KILLS = 200


@pytest.mark.parametrize("how", ["lines", "signal"])
def test_a_kill_at_any_moment_of_a_render(tmp_path, how, record_property):
    """`lines`: at evenly spaced lines of the code that writes; `signal`: by SIGKILL after random times."""
    memory = Path("/dev/shm")  # a kill leaves the same there, and the disk need not spin
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        work = Path(folder) / "work"
        work.mkdir()
        command = [sys.executable, str(TESTS / "killed.py"), str(work), how, str(KILLS)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["complaints"] == []
    states = {state: found.get(state, 0) for state in ("old", "mixed", "new")}
    assert sum(states.values()) == KILLS
    assert states["old"]
    assert states["new"]  # else the kills came before the moves
    if how == "lines":
        assert states["mixed"] >= 5  # else they did not meet them
    record_property(MEASURED, f"{KILLS} kills by {how}: files were {states}, {found['seconds']:.1f} s")


def left_half_way(folder: Path) -> dict[str, bytes]:
    """Make a rendered folder as a kill between two moves leaves it; the set that it was to become."""
    wanted = {path: (folder / path).read_bytes() for path in ("docker-compose.yml", "litellm/config.yaml", MANIFEST)}
    moves, record = {}, json.loads(wanted[MANIFEST])
    for path in ("docker-compose.yml", "litellm/config.yaml"):
        text = wanted[path].decode() + "# newer\n"
        before, after = files.digest(wanted[path].decode()), files.digest(text)
        moves[path] = {"before": before, "after": after}
        record["files"][path] = after
        wanted[path] = text.encode()
        (folder / f"{path}{ASIDE}").write_text(text)
    (folder / f"docker-compose.yml{ASIDE}").replace(folder / "docker-compose.yml")
    (folder / JOURNAL).write_text(json.dumps({"format": 1, "moves": moves, "removals": {}, "record": record}))
    return wanted


def is_whole(folder: Path, wanted: dict[str, bytes]) -> bool:
    same = all((folder / path).read_bytes() == text for path, text in wanted.items() if path != MANIFEST)
    return (
        same
        and not files.hand_edits(folder)
        and not files.is_interrupted(folder)
        and not list(folder.rglob(f"*{ASIDE}"))
    )


def test_check_finishes_what_was_interrupted_and_then_looks(run, tmp_path):
    run("render")
    wanted = left_half_way(tmp_path / "rendered")
    _, out, err = run("check", "--static", spec=None)
    assert is_whole(tmp_path / "rendered", wanted)
    assert err.startswith(f"{tmp_path / 'rendered'}: finished a write that was interrupted\n")
    assert "docker-compose.yml: the spec says something else by now" in out


def test_status_finishes_what_was_interrupted(run, engine, tmp_path):
    run("render")
    wanted = left_half_way(tmp_path / "rendered")
    assert run("status", spec=None)[0] == 0
    assert is_whole(tmp_path / "rendered", wanted)


def test_render_finishes_what_was_interrupted_and_writes_what_the_spec_says(run, tmp_path):
    run("render")
    before = (tmp_path / "rendered/docker-compose.yml").read_bytes()
    left_half_way(tmp_path / "rendered")
    code, _, err = run("render")
    assert (code, files.hand_edits(tmp_path / "rendered")) == (0, [])
    assert "wrote docker-compose.yml" in err
    assert (tmp_path / "rendered/docker-compose.yml").read_bytes() == before


@pytest.mark.parametrize(("option", "ends"), [("--check", 1), ("--diff", 0)])
def test_verbs_that_write_nothing_only_say_that_a_write_was_interrupted(run, tmp_path, option, ends):
    run("render")
    left_half_way(tmp_path / "rendered")
    before = {path: path.read_bytes() for path in (tmp_path / "rendered").rglob("*") if path.is_file()}
    code, _, err = run("render", option)
    assert code == ends
    assert "a write was interrupted; the next `stackgen render` finishes it" in err
    assert "edited by hand" not in err
    assert before == {path: path.read_bytes() for path in (tmp_path / "rendered").rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", [("plan",), ("explain", "models.chat.source"), ("secrets", "list")])
def test_verbs_that_touch_no_file_say_that_a_write_was_interrupted(run, engine, tmp_path, verb):
    run("render")
    assert "interrupted" not in run(*verb)[2]
    left_half_way(tmp_path / "rendered")
    code, _, err = run(*verb)
    assert code == 0
    said = f"warning: {tmp_path / 'rendered'}: a write was interrupted; the next `stackgen render` finishes it\n"
    assert said in err
    assert files.is_interrupted(tmp_path / "rendered")
    assert f"{tmp_path / 'rendered'}: finished a write that was interrupted\n" in run("render")[2]
    assert "interrupted" not in run(*verb)[2]


def test_check_says_so_where_it_cannot_finish_a_write(run, tmp_path):
    run("render")
    left_half_way(tmp_path / "rendered")
    (tmp_path / "rendered/litellm/config.yaml").write_text("mine\n")
    code, out, err = run("check", "--static", spec=None)
    assert code == 1
    assert "warning: " in err
    assert "edited by hand while a write was interrupted: litellm/config.yaml" in err
    assert "a write was interrupted" in out
    assert (tmp_path / "rendered/litellm/config.yaml").read_text() == "mine\n"


def test_what_was_edited_while_a_write_was_interrupted_is_never_overwritten_silently(run, tmp_path):
    run("render")
    left_half_way(tmp_path / "rendered")
    (tmp_path / "rendered/litellm/config.yaml").write_text("mine\n")
    code, _, err = run("render")
    assert code == 1
    assert "edited by hand while a write was interrupted: litellm/config.yaml" in err
    assert "hint: keep your edit elsewhere; `stackgen render --force` then finishes the write over it" in err
    assert (tmp_path / "rendered/litellm/config.yaml").read_text() == "mine\n"
    assert run("render", "--force")[0] == 0
    assert run("render", "--check")[0] == 0


def test_a_journal_of_a_later_version_is_left_to_that_version(run, tmp_path):
    run("render")
    journal = tmp_path / "rendered" / JOURNAL
    journal.write_text(json.dumps({"format": 2, "stackgen": "9.1", "moves": {"a": 1}}))
    code, _, err = run("render")
    assert code == 1
    assert "a write was interrupted that stackgen 9.1 began, and this version cannot finish it" in err
    assert journal.exists()
    assert run("render", "--force")[0] == 0
    assert not journal.exists()


def test_a_file_that_was_lost_while_a_write_was_interrupted_is_not_taken_for_an_edit(run, tmp_path):
    run("render")
    left_half_way(tmp_path / "rendered")
    (tmp_path / "rendered" / f"litellm/config.yaml{ASIDE}").unlink()
    assert files.recover(tmp_path / "rendered")
    assert files.hand_edits(tmp_path / "rendered") == []
    assert run("render", "--check")[0] == 1  # docker-compose.yml is the newer one
    assert run("render")[0] == 0


def test_a_damaged_file_that_stands_aside_is_not_moved(run, tmp_path):
    run("render")
    left_half_way(tmp_path / "rendered")
    before = (tmp_path / "rendered/litellm/config.yaml").read_bytes()
    (tmp_path / "rendered" / f"litellm/config.yaml{ASIDE}").write_text("half of")
    assert files.recover(tmp_path / "rendered")
    assert (tmp_path / "rendered/litellm/config.yaml").read_bytes() == before
    assert files.hand_edits(tmp_path / "rendered") == []


def test_a_folder_that_vanished_while_a_write_was_interrupted_is_made_again(run, tmp_path):
    run("render")
    left_half_way(tmp_path / "rendered")
    for path in (tmp_path / "rendered/litellm").iterdir():
        path.unlink()
    (tmp_path / "rendered/litellm").rmdir()
    assert run("render")[0] == 0
    assert run("render", "--check")[0] == 0


@pytest.mark.parametrize("path", ["../victim", "/tmp/victim", "sub/../../victim"])
def test_a_journal_or_manifest_cannot_reach_out_of_its_folder(tmp_path, path):
    folder = tmp_path / "rendered"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    journal = {"format": 1, "moves": {}, "removals": {path: None}, "record": {"stack": "x", "files": {}}}
    (folder / JOURNAL).write_text(json.dumps(journal))
    (folder / MANIFEST).write_text(json.dumps({"stack": "x", "files": {path: files.digest("precious")}}))
    assert not files.recover(folder)
    files.write(folder, (), stack="x", env="", env_digests=())
    assert victim.read_text() == "precious"


def test_a_stale_file_that_was_edited_by_hand_is_not_removed(tmp_path):
    both = (files.File("a.yml", "a\n"), files.File("b.yml", "b\n"))
    files.write(tmp_path, both, stack="x", env="")
    (tmp_path / "b.yml").write_text("mine\n")
    with pytest.raises(DriftError, match=r"b\.yml"):
        files.write(tmp_path, both[:1], stack="x", env="")
    assert (tmp_path / "b.yml").read_text() == "mine\n"
    assert files.write(tmp_path, both[:1], stack="x", env="", force=True).removed == ("b.yml",)


def test_two_output_folders_of_one_spec_are_each_one_set(run, tmp_path):
    run("render")
    run("render", "--out", "other")
    left_half_way(tmp_path / "other")
    assert run("render", "--check")[0] == 0
    assert run("render", "--out", "other")[0] == 0
    newer = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    context: 2048")
    assert run("render", "--out", "other", spec=newer)[0] == 0
    assert run("render", "--check", spec=newer)[0] == 1
    assert run("render", "--check", "--out", "other", spec=newer)[0] == 0
