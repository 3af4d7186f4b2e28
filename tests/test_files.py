"""The output folder: whole or untouched, and never taken from a person who edited it."""

from __future__ import annotations

import json
import os

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


def test_differences_are_unified_diffs(tmp_path):
    write(tmp_path)
    assert list(files.differences(tmp_path, OLD)) == []
    (diff,) = files.differences(tmp_path, (NEW[0], OLD[1]))
    assert (diff.path, diff.by_hand) == ("a.yml", False)
    assert diff.text.splitlines()[2:] == ["@@ -1 +1 @@", "-old a", "+new a"]
    assert len(list(files.differences(tmp_path, OLD[:1]))) == 1


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
    write(tmp_path)
    with pytest.raises(DriftError, match="holds the files of the stack `small`"):
        files.write(tmp_path, NEW, stack="other", env=ENV, env_digests={files.digest(ENV)})
    assert texts(tmp_path)["a.yml"] == "old a\n"


@pytest.mark.parametrize(
    "journal",
    [
        "{}",
        "[]",
        "not json",
        '{"moves": 1}',
        '{"format": 2, "moves": {"a.yml": 1}, "record": {"files": {}}}',
        '{"format": 2, "moves": {"a.yml": {"before": null}}, "record": {"files": {}}}',
        '{"format": 2, "moves": {"a\\u0000": {"before": null, "after": "x"}}, "record": {"files": {}}}',
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
    (tmp_path / f"a.yml{ASIDE}").write_text("new a\n")
    (tmp_path / "sub" / "b.yml").write_text("new b\n")  # this one was moved already
    digests = {file.path: file.digest for file in NEW}
    (tmp_path / JOURNAL).write_text(
        json.dumps({"moves": ["sub/b.yml", "a.yml"], "record": {"stack": "small", "files": digests}})
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
    (tmp_path / JOURNAL).write_text(json.dumps({"format": 2, "asides": asides, "folders": folders}))
    assert not files.is_interrupted(tmp_path)
    assert not files.recover(tmp_path)
    assert not list(tmp_path.rglob(f"*{ASIDE}"))
    assert not (tmp_path / "deep").exists()
    assert texts(tmp_path) == {"a.yml": "old a\n", "sub/b.yml": "old b\n"}
