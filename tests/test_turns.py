"""Verbs at the same time: each waits its turn, sees one set of files, and loses nothing of another one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import SMALL, TESTS, write_spec
from test_facts_add import CONFIG
from test_interrupted import left_half_way

from stackgen import draft, facts, files, vault, verbs
from stackgen.errors import StackError
from stackgen.files import ASIDE, JOURNAL, OLD

SECRETS = SMALL.replace(
    "modalities: [chat]\n", "modalities: [chat]\n    secret_environment: {MORE: MORE, MINE: MINE}\n"
).replace("\nmodels:", "\nsecrets: {MORE: {generate: true}, MINE: {generate: false}}\nmodels:")
NEWER = SECRETS.replace("modalities: [chat]\n", "modalities: [chat]\n    context: 2048\n")
VALUE = "brought-by-a-person-27182818"
AT_ONCE = [
    ["", "render"],
    ["", "render"],
    ["", "render", "--force"],
    ["", "render", "stack.yaml", "../twin"],
    ["", "render", "../twin", "../link"],
    ["", "render", "--diff"],
    ["", "render", "--stdout"],
    ["", "explain", "docker-compose.yml:12"],
    ["", "secrets", "list"],
    [VALUE, "secrets", "set", "MINE"],
    ["", "facts", "add", "../house", "--as", "house/New-8B"],
    ["", "facts", "add", "../house", "--as", "house/New-8B"],
]
LATER = [*AT_ONCE, ["", "secrets", "rotate", "MORE"], ["", "secrets", "rotate", "LITELLM_MASTER_KEY"]]


def at_once(folder: Path, wanted: list[list[str]]) -> list[tuple[int, str]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(TESTS / "at_once.py"), str(folder), json.dumps(wanted)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [(code, text) for code, text in json.loads(ran.stdout)]


def litter(folder: Path) -> list[Path]:
    ours = [path for path in folder.rglob("*") if path.name.endswith((ASIDE, OLD, JOURNAL))]
    return ours + [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_many_verbs_at_once_in_a_new_folder_and_over_an_older_render(run, tmp_path):
    work = tmp_path / "work"
    write_spec(work, SECRETS)
    write_spec(tmp_path / "twin", SECRETS.replace("name: small", "name: twin"))
    (tmp_path / "link").symlink_to("work")
    (tmp_path / "house").mkdir()
    (tmp_path / "house/config.json").write_bytes(CONFIG)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [4096, 4096], "data_offsets": [0, 2**25]}}).encode()
    with (tmp_path / "house/model.safetensors").open("wb") as weights:
        weights.write(len(header).to_bytes(8, "little") + header)
        weights.truncate(8 + len(header) + 2**25)
    kept: dict[str, str] = {}
    for spec, wanted in ((SECRETS, AT_ONCE), (NEWER, LATER)):
        write_spec(work, spec)
        for words, (code, said) in zip(wanted, at_once(work, wanted), strict=True):
            assert code == 0, (words, said)
            assert not any(
                word in said for word in ("a write was int", "a write that was int", "edited by hand", "Traceback")
            ), (words, said)
        assert run("render", "--check", "work", "twin", spec=None)[0] == 0
        assert litter(tmp_path) == []
        now = vault.read(work / ".stackgen/secrets.env")
        assert now["MINE"] == VALUE
        rotated = {"MORE", "LITELLM_MASTER_KEY"} if spec is NEWER else set()
        assert {name: now[name] for name in kept.keys() - rotated} == {
            name: kept[name] for name in kept.keys() - rotated
        }
        assert all(now[name] != kept[name] for name in rotated)
        kept = now


@pytest.fixture
def at_lock(monkeypatch):
    """A function: what happens elsewhere before somebody is given the first lock of a kind, of a folder if that is said."""

    def arrange(kind: int, happens, *, of_folder: bool = True) -> list[int]:
        real, seen = fcntl.flock, []

        def flock(descriptor, operation):
            if operation == kind and stat.S_ISDIR(os.fstat(descriptor).st_mode) == of_folder:
                seen.append(os.fstat(descriptor).st_ino)
                if len(seen) == 1:
                    happens()
            real(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        return seen

    return arrange


@pytest.mark.parametrize(
    "words", [("render", "--check"), ("render", "--diff"), ("plan",), ("explain", "models.chat.source")]
)
def test_a_look_waits_for_a_write_that_is_at_work(run, tmp_path, at_lock, words):
    run("render")
    out = tmp_path / "rendered"
    shutil.copytree(out, tmp_path / "whole")
    left_half_way(out)  # as somebody sees it who comes between two moves

    def ends():
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "whole", out)

    waits = at_lock(fcntl.LOCK_SH, ends)
    code, _, err = run(*words)
    assert (code, bool(waits)) == (0, True)
    assert "interrupted" not in err


def test_two_specs_with_one_output_folder_take_turns(run, tmp_path, at_lock):
    """Each has a lock of its own spec; the second one sees what the first one wrote."""
    for name in ("first", "second"):
        write_spec(tmp_path / name, SMALL.replace("name: small", f"name: {name}"))
    first, second = (verbs.open_stack(tmp_path / name, tmp_path / "out") for name in ("first", "second"))
    at_lock(fcntl.LOCK_EX, lambda: verbs.render_stack(first))
    with pytest.raises(StackError, match="holds the files of the stack `first`, not of `second`"):
        verbs.render_stack(second)
    assert json.loads((tmp_path / "out" / files.MANIFEST).read_text())["stack"] == "first"


def test_locks_of_several_specs_are_taken_in_one_order_by_whatever_name(tmp_path, at_lock):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "1").symlink_to("b")
    (tmp_path / "2").symlink_to("a")
    seen = at_lock(fcntl.LOCK_EX, lambda: None, of_folder=False)
    with vault.locked(tmp_path / "b", tmp_path / "a"):
        pass
    with vault.locked(tmp_path / "1", tmp_path / "2"):
        pass
    with vault.locked(tmp_path / "a", tmp_path / "2"):
        pass
    assert seen == [*seen[:2], *seen[:2], seen[0]]
    assert seen[0] == (tmp_path / "a/.stackgen/lock").stat().st_ino


def test_whoever_has_a_lock_may_take_it_again(tmp_path):
    with vault.locked(tmp_path), vault.locked(tmp_path), files.turn(tmp_path), files.turn(tmp_path):
        files.put(tmp_path / "measured.csv", "a\n")
    assert (tmp_path / "measured.csv").read_text() == "a\n"


def test_secrets_that_links_of_two_specs_lead_to_are_changed_by_one_at_a_time(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (vault.prepare(tmp_path / name) / "secrets.env").symlink_to(tmp_path / "shared")
    (tmp_path / "shared").touch()
    real = fcntl.flock

    def taken() -> str:
        with monkeypatch.context() as impatient:
            impatient.setattr(fcntl, "flock", lambda descriptor, kind: real(descriptor, kind | fcntl.LOCK_NB))
            with pytest.raises(StackError, match="the lock cannot be taken") as raised, vault.locked(tmp_path / "b"):
                pass
        return raised.value.where

    with ThreadPoolExecutor(1) as other, vault.locked(tmp_path / "a"):
        assert other.submit(taken).result() == str(tmp_path)


def test_a_lock_that_was_removed_while_somebody_waited_is_made_anew(tmp_path, at_lock):
    """`down --simulate --volumes` removes the folder of the simulation, with its lock."""
    home = tmp_path / "simulation"
    at_lock(fcntl.LOCK_EX, lambda: shutil.rmtree(home), of_folder=False)
    with vault.locked(home):
        assert (home / ".stackgen/lock").exists()
        assert (home / ".stackgen/.gitignore").exists()


def test_an_output_folder_that_was_removed_while_somebody_waited_is_made_anew(tmp_path, at_lock):
    out = tmp_path / "deep" / "out"
    at_lock(fcntl.LOCK_EX, lambda: shutil.rmtree(tmp_path / "deep"))
    with files.turn(out):
        (out / "a").touch()
    assert (out / "a").exists()


def test_a_folder_that_was_made_for_a_turn_goes_where_nothing_was_written(tmp_path):
    with files.turn(tmp_path / "deep" / "out"):
        assert (tmp_path / "deep/out").is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_put_by_many_at_once(tmp_path):
    path = tmp_path / "measured.csv"
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(files.put, path, f"{number}\n" * 1000) for number in range(40)]:
            done.result()
    assert len(set(path.read_text().split())) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_spec_that_came_while_another_was_proposed_is_not_overwritten(tmp_path, at_lock):
    cards = draft.described("1xl40s", facts.cards())
    where = verbs.Ground(folder=tmp_path, inventory=cards)
    proposed = verbs.propose(where, verbs.Wishes())
    at_lock(fcntl.LOCK_EX, lambda: write_spec(tmp_path, "mine"))
    with pytest.raises(StackError, match="this file is there already"):
        verbs.keep_spec(where, proposed, "")
    assert [path.name for path in tmp_path.iterdir()] == ["stack.yaml"]
    assert (tmp_path / "stack.yaml").read_text() == "mine"


def without_locks(number: int):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    return flock


def test_where_no_locks_are_to_be_had_nobody_writes_and_everybody_may_look(run, tmp_path, monkeypatch):
    assert run("render")[0] == 0
    monkeypatch.setattr(fcntl, "flock", without_locks(errno.ENOLCK))
    assert run("render", "--check")[0] == 0
    code, _, err = run("render")
    assert code == 1
    assert f"error: {tmp_path}/.stackgen/lock: the lock cannot be taken: the file system gives no locks\n" in err
    assert f"hint: `findmnt -T {tmp_path}/.stackgen` shows what it is; of an NFS share " in err
    with pytest.raises(StackError) as raised, files.turn(tmp_path / "rendered"):
        pass
    assert (raised.value.where, raised.value.message) == (
        f"{tmp_path}/rendered",
        "the lock cannot be taken: the file system gives no locks",
    )


def test_a_share_that_cannot_lock_folders_is_written_with_the_lock_of_the_spec_alone(run, monkeypatch):
    real = fcntl.flock

    def flock(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) and operation == fcntl.LOCK_EX:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert run("render")[0] == 0
    assert run("render", "--check")[0] == 0


def test_descriptors_of_locks_are_closed(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(vault.locked(tmp_path))
            held.enter_context(files.turn(tmp_path))
    assert files.steadily(tmp_path, lambda: 1) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == before
