"""The output folder: whole or untouched, and never taken from a person who edited it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from stackgen import files
from stackgen.errors import DriftError, StackError
from stackgen.files import ASIDE, JOURNAL
from stackgen.render import File

OLD = (File("a.yml", "old a\n"), File("sub/b.yml", "old b\n"))
NEW = (File("a.yml", "new a\n"), File("sub/b.yml", "new b\n"))
ENV = "X='1'\n"


def write(folder, rendered=OLD, env=ENV, *, known=(), force=False):
    return files.write(folder, rendered, stack="small", env=env, env_digests=known, force=force)


def texts(folder):
    return {path: (folder / path).read_text() for path in ("a.yml", "sub/b.yml")}


def test_a_write_says_what_changed(tmp_path):
    assert write(tmp_path).changed == ("a.yml", "sub/b.yml")
    assert write(tmp_path, known={files.digest(ENV)}).changed == ()
    again = write(tmp_path, (NEW[0], OLD[1]), known={files.digest(ENV)})
    assert (again.changed, again.unchanged) == (("a.yml",), ("sub/b.yml",))


def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.yml").stat().st_mode & 0o777 == 0o644


def test_an_open_env_file_is_closed_again(tmp_path):
    write(tmp_path)
    (tmp_path / ".env").chmod(0o644)
    write(tmp_path, known={files.digest(ENV)})
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_an_unchanged_file_is_not_touched(tmp_path):
    write(tmp_path)
    before = (tmp_path / "a.yml").stat()
    write(tmp_path, (OLD[0], NEW[1]), known={files.digest(ENV)})
    after = (tmp_path / "a.yml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_file_that_is_no_longer_rendered_is_removed(tmp_path):
    write(tmp_path)
    assert write(tmp_path, OLD[:1], known={files.digest(ENV)}).removed == ("sub/b.yml",)
    assert not (tmp_path / "sub" / "b.yml").exists()


def test_a_hand_edit_is_refused_named_and_kept(tmp_path):
    write(tmp_path)
    (tmp_path / "a.yml").write_text("mine\n")
    with pytest.raises(DriftError, match=r"a\.yml"):
        write(tmp_path, NEW, known={files.digest(ENV)})
    assert texts(tmp_path) == {"a.yml": "mine\n", "sub/b.yml": "old b\n"}
    with pytest.raises(DriftError, match=r"edited by hand.*a\.yml"):
        files.require_untouched(tmp_path)
    write(tmp_path, NEW, known={files.digest(ENV)}, force=True)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    files.require_untouched(tmp_path)


def test_a_file_that_was_there_before_us_is_refused(tmp_path):
    (tmp_path / "a.yml").write_text("somebody's\n")
    with pytest.raises(DriftError):
        write(tmp_path)
    assert (tmp_path / "a.yml").read_text() == "somebody's\n"


def test_an_env_file_edited_by_hand_is_refused(tmp_path):
    write(tmp_path)
    (tmp_path / ".env").write_text("X='2'\n")
    with pytest.raises(DriftError, match=r"\.env"):
        write(tmp_path, env="X='3'\n", known={files.digest(ENV)})
    assert (tmp_path / ".env").read_text() == "X='2'\n"


def test_a_deleted_file_is_drift_and_written_again(tmp_path):
    write(tmp_path)
    (tmp_path / "a.yml").unlink()
    assert files.hand_edits(tmp_path) == ["a.yml"]
    write(tmp_path, known={files.digest(ENV)})
    assert files.hand_edits(tmp_path) == []


def test_bytes_that_are_no_text_come_out_as_they_went_in(tmp_path):
    text = b"\xff\xfe caf\xc3\xa9\n".decode(errors="surrogateescape")
    write(tmp_path, (File("a.yml", text),))
    assert (tmp_path / "a.yml").read_bytes() == b"\xff\xfe caf\xc3\xa9\n"
    assert files.text_of(tmp_path / "a.yml") == text
    assert files.hand_edits(tmp_path) == []


def test_differences_are_unified_diffs(tmp_path):
    write(tmp_path)
    assert list(files.differences(tmp_path, OLD)) == []
    (diff,) = files.differences(tmp_path, (NEW[0], OLD[1]))
    assert (diff.path, diff.by_hand) == ("a.yml", False)
    assert diff.text.splitlines()[2:] == ["@@ -1 +1 @@", "-old a", "+new a"]
    (gone,) = files.differences(tmp_path, OLD[:1])
    assert gone.text.splitlines()[:2] == [f"--- {tmp_path.name}/sub/b.yml", "+++ /dev/null"]
    (new,) = files.differences(tmp_path, (*OLD, File("c.yml", "c")))
    assert new.text.splitlines() == [
        "--- /dev/null", "+++ rendered now/c.yml", "@@ -0,0 +1 @@", "+c", "\\ No newline at end of file",
    ]  # fmt: skip


def test_an_edit_that_the_spec_says_by_now_is_one_no_longer(tmp_path):
    write(tmp_path)
    (tmp_path / "a.yml").write_text("new a\n")
    (tmp_path / "sub/b.yml").write_text("new b\n")
    with pytest.raises(DriftError) as raised:
        files.require_untouched(tmp_path)
    assert raised.value.message == "edited by hand since stackgen wrote them: a.yml, sub/b.yml"
    assert raised.value.where == str(tmp_path)
    assert write(tmp_path, NEW, known={files.digest(ENV)}).changed == ()
    files.require_untouched(tmp_path)


@pytest.mark.parametrize("in_the_way", ["a file", "a link"])
def test_where_a_folder_is_needed_nothing_else_may_stand(tmp_path, in_the_way):
    write(tmp_path, OLD[:1])
    (tmp_path / "other").mkdir()
    if in_the_way == "a file":
        (tmp_path / "sub").write_text("mine")
    else:
        (tmp_path / "sub").symlink_to(tmp_path / "other")
    with pytest.raises(StackError) as raised:
        write(tmp_path, NEW, known={files.digest(ENV)}, force=True)
    assert raised.value.where == str(tmp_path / "sub")
    assert (tmp_path / "a.yml").read_text() == "old a\n"
    assert not list((tmp_path / "other").iterdir())


def test_a_link_to_a_folder_in_the_place_of_a_file_is_somebodys_and_never_followed(tmp_path):
    write(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "a.yml").unlink()
    (tmp_path / "a.yml").symlink_to(tmp_path / "other")
    with pytest.raises(DriftError, match=r"did not write: a\.yml \(a symbolic link\)"):
        write(tmp_path, NEW, known={files.digest(ENV)})
    write(tmp_path, NEW, known={files.digest(ENV)}, force=True)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    assert not (tmp_path / "a.yml").is_symlink()
    assert not list((tmp_path / "other").iterdir())


def test_a_difference_from_what_is_no_text_can_be_shown(tmp_path):
    write(tmp_path)
    (tmp_path / "a.yml").write_bytes(b"\xff\xfe\n")
    (diff,) = files.differences(tmp_path, OLD)
    assert diff.text.encode()
    assert diff.by_hand
    assert diff.text.splitlines()[0].endswith("/a.yml\tedited by hand")
    assert files.hand_edits(tmp_path) == ["a.yml"]


def test_files_of_others_with_such_a_name_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir(parents=True)
    (tmp_path / "mine" / f"notes{ASIDE}").write_text("precious")
    (tmp_path / f"folder{ASIDE}").mkdir()
    write(tmp_path)
    assert (tmp_path / "mine" / f"notes{ASIDE}").read_text() == "precious"


def test_the_folder_of_another_stack_is_refused(tmp_path):
    def write_other(*, force=False):
        return files.write(tmp_path, OLD, stack="other", env=ENV, env_digests={files.digest(ENV)}, force=force)

    write(tmp_path)
    with pytest.raises(DriftError) as raised:
        write_other()
    assert (raised.value.message, raised.value.where) == (
        "holds the files of the stack `small`, not of `other`",
        str(tmp_path),
    )
    assert raised.value.hint == (
        "write elsewhere with --out; or, if `small` was renamed: `docker compose -p small down`, then --force"
    )
    write_other(force=True)
    write_other()
    with pytest.raises(DriftError, match="the stack `other`, not of `small`"):
        write(tmp_path)


@pytest.mark.parametrize(
    "journal",
    [
        "{}",
        "[]",
        "not json",
        '{"moves": 1}',
        '{"format": 1, "moves": {"a.yml": 1}, "record": {"files": {}}}',
        '{"format": 1, "moves": {"a.yml": {"before": null}}, "record": {"files": {}}}',
        '{"format": 1, "moves": {"a\\u0000": {"before": null, "after": "x"}}, "record": {"files": {}}}',
    ],
)
def test_a_damaged_journal_is_put_away(tmp_path, journal):
    write(tmp_path)
    (tmp_path / JOURNAL).write_text(journal)
    write(tmp_path, NEW, known={files.digest(ENV)})
    assert not (tmp_path / JOURNAL).exists()
    assert texts(tmp_path)["a.yml"] == "new a\n"


def test_a_folder_in_the_way_changes_nothing(tmp_path):
    write(tmp_path)
    (tmp_path / "c.yml").mkdir()
    with pytest.raises(StackError, match="a folder is in the way"):
        write(tmp_path, (*NEW, File("c.yml", "c\n")), known={files.digest(ENV)})
    assert texts(tmp_path) == {"a.yml": "old a\n", "sub/b.yml": "old b\n"}
    assert not list(tmp_path.rglob(f"*{ASIDE}"))


def test_a_write_that_ended_after_its_journal_is_finished(tmp_path):
    write(tmp_path)
    before = [files.digest((tmp_path / file.path).read_text()) for file in NEW]
    (tmp_path / f"a.yml{ASIDE}").write_text("new a\n")
    (tmp_path / "sub" / "b.yml").write_text("new b\n")  # this one was moved already
    digests = {file.path: file.digest for file in NEW}
    moves = {file.path: {"before": digest, "after": file.digest} for file, digest in zip(NEW, before, strict=True)}
    (tmp_path / JOURNAL).write_text(
        json.dumps({"format": 1, "moves": moves, "record": {"stack": "small", "files": digests}})
    )
    assert files.is_interrupted(tmp_path)
    files.require_untouched(tmp_path)  # the next write finishes it
    assert files.recover(tmp_path)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    assert files.hand_edits(tmp_path) == []
    assert not (tmp_path / JOURNAL).exists()


def test_a_write_that_ended_before_its_files_moved_is_undone(tmp_path):
    write(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / f"a.yml{ASIDE}").write_text("half")
    (tmp_path / "deep" / "er" / f"c.yml{ASIDE}").write_text("c")
    asides, folders = ["a.yml", "deep/er/c.yml"], ["deep/er", "deep"]
    (tmp_path / JOURNAL).write_text(json.dumps({"format": 1, "asides": asides, "folders": folders}))
    assert not files.is_interrupted(tmp_path)
    assert not files.recover(tmp_path)
    assert not list(tmp_path.rglob(f"*{ASIDE}"))
    assert not (tmp_path / "deep").exists()
    assert texts(tmp_path) == {"a.yml": "old a\n", "sub/b.yml": "old b\n"}


def interrupted(folder, monkeypatch, *, moves, rendered=NEW, known=()):
    """A write that dies once so many of its files moved."""
    real, left = os.replace, moves

    def deadly(source, target):
        nonlocal left
        if Path(target).name != JOURNAL:
            if not left:
                raise KeyboardInterrupt
            left -= 1
        real(source, target)

    with monkeypatch.context() as killed:
        killed.setattr(os, "replace", deadly)
        with pytest.raises(KeyboardInterrupt):
            write(folder, rendered, known=known)
    assert files.is_interrupted(folder)


def test_a_first_write_that_was_interrupted_is_finished(tmp_path, monkeypatch):
    interrupted(tmp_path, monkeypatch, moves=1)
    assert (tmp_path / "a.yml").read_text() == "new a\n"
    assert not (tmp_path / "sub/b.yml").exists()
    assert files.recover(tmp_path)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    assert (files.hand_edits(tmp_path), files.is_interrupted(tmp_path)) == ([], False)
    assert not list(tmp_path.rglob(f"*{ASIDE}"))


def test_of_an_interrupted_write_only_what_somebody_else_wrote_is_an_edit(tmp_path, monkeypatch):
    three = (*OLD, File("c.yml", "c\n"))
    write(tmp_path, three)
    interrupted(tmp_path, monkeypatch, moves=1, known={files.digest(ENV)})
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "old b\n"}
    assert files.hand_edits(tmp_path) == []
    for path in ("a.yml", "sub/b.yml", "c.yml"):
        before = (tmp_path / path).read_text()
        (tmp_path / path).write_text("mine\n")
        assert files.hand_edits(tmp_path) == [path]
        (tmp_path / path).write_text(before)
    (tmp_path / "c.yml").unlink()  # as the write itself goes on to do
    assert files.hand_edits(tmp_path) == []
    (tmp_path / "a.yml").unlink()
    assert files.hand_edits(tmp_path) == ["a.yml"]
    (tmp_path / "a.yml").write_text("new a\n")
    assert files.recover(tmp_path)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    assert (files.hand_edits(tmp_path), files.is_interrupted(tmp_path)) == ([], False)


@pytest.mark.parametrize("path", ["a.yml", "sub/b.yml", "c.yml"])
def test_an_edit_beside_an_interrupted_write_is_given_up_by_force_alone(tmp_path, monkeypatch, path):
    write(tmp_path, (*OLD, File("c.yml", "c\n")))
    interrupted(tmp_path, monkeypatch, moves=0, known={files.digest(ENV)})
    (tmp_path / path).write_text("mine\n")
    with pytest.raises(DriftError, match=f"edited by hand while a write was interrupted: {path}"):
        files.recover(tmp_path)
    assert (tmp_path / path).read_text() == "mine\n"
    assert files.is_interrupted(tmp_path)
    assert files.recover(tmp_path, force=True)
    assert texts(tmp_path) == {"a.yml": "new a\n", "sub/b.yml": "new b\n"}
    assert not (tmp_path / "c.yml").exists()


def test_a_folder_is_made_with_all_around_it_and_goes_again_where_nothing_can_be_written(tmp_path, monkeypatch):
    folder = tmp_path / "several" / "folders" / "deep"
    write(folder)
    assert texts(folder) == {"a.yml": "old a\n", "sub/b.yml": "old b\n"}

    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StackError, match="the disk is full"):
        write(tmp_path / "other" / "deep")
    assert not (tmp_path / "other").exists()


def test_files_outlive_a_power_cut(tmp_path, monkeypatch):
    """What says how to go on is forced onto the disk before anything moves, and what moved before that goes."""
    write(tmp_path)
    done, real_sync, real_replace, real_unlink = [], os.fsync, os.replace, os.unlink

    def sync(descriptor):
        state = os.fstat(descriptor)
        done.append("sync" if stat.S_ISDIR(state.st_mode) and state.st_ino == tmp_path.stat().st_ino else "")
        real_sync(descriptor)

    def replace(source, target):
        done.append(Path(target).name)
        real_replace(source, target)

    def unlink(path, **options):
        done.append(f"-{Path(path).name}")
        real_unlink(path, **options)

    for name, step in {"fsync": sync, "replace": replace, "unlink": unlink}.items():
        monkeypatch.setattr(os, name, step)
    write(tmp_path, NEW, known={files.digest(ENV)})
    began = len(done) - done[::-1].index(JOURNAL)
    moved, ended = done.index("a.yml"), done.index(f"-{JOURNAL}")
    assert "sync" in done[:began]
    assert "sync" in done[began:moved]
    assert "sync" in done[moved : done.index(files.MANIFEST)]
    assert "sync" in done[done.index(files.MANIFEST) : ended]


def test_files_that_belong_together_are_written_with_their_folders(tmp_path):
    (tmp_path / "old").write_text("before")
    files.put_together({tmp_path / "deep/er/new": "new\n", tmp_path / "old": "after\n"})
    assert (tmp_path / "deep/er/new").read_text() == "new\n"
    assert (tmp_path / "old").read_text() == "after\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "er", "new", "old"]


@pytest.mark.parametrize("fails", ["a folder in the way", "a full disk", "a move"])
def test_of_files_that_belong_together_none_is_left_where_one_cannot_be_written(tmp_path, monkeypatch, fails):
    (tmp_path / "old").write_text("before")
    (tmp_path / "kept").mkdir()
    last = tmp_path / "last"
    step = {"a full disk": "fsync", "a move": "replace"}.get(fails)
    if step is None:
        last.mkdir()
    else:
        real, calls = getattr(os, step), []

        def refuse(*words):
            calls.append(words)
            if len(calls) > 2:
                raise OSError(28, os.strerror(28))
            return real(*words)

        monkeypatch.setattr(os, step, refuse)
    with pytest.raises(StackError) as raised:
        files.put_together(
            {tmp_path / "kept/new": "1", tmp_path / "deep/er/new": "2", last: "3", tmp_path / "old": "4"}
        )
    assert raised.value.where == str(last)
    assert (tmp_path / "old").read_text() == "before"
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"old", "kept", *(["last"] if step is None else [])}


def test_one_file_is_written_whole_with_its_folder_and_may_be_read_by_all(tmp_path):
    before = os.umask(0o077)
    try:
        files.put(tmp_path / "reports/check.json", "{}")
        files.put(tmp_path / "reports/check.json", "[]")
    finally:
        os.umask(before)
    (written,) = (tmp_path / "reports").iterdir()
    assert (written.read_text(), written.stat().st_mode & 0o777) == ("[]", 0o644)


def test_what_is_no_plain_file_is_written_to_and_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.put(pipe, "text\n")
        assert os.read(reader, 100) == b"text\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_refusal_to_write_or_read_one_file_names_it(tmp_path, monkeypatch):
    with pytest.raises(StackError, match="a folder is in the way") as raised:
        files.put(tmp_path, "text")
    assert raised.value.where == str(tmp_path)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(StackError, match="the files cannot be read") as raised:
        files.text_of(loop)
    assert raised.value.where == str(loop)

    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StackError, match="the disk is full") as raised:
        files.put(tmp_path / "report", "text")
    assert raised.value.where == str(tmp_path / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
