"""A disk that is full, folders that may not be written, things in the way: the old files are whole, and the words help."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import SMALL

from stackgen import facts, files
from stackgen.errors import StackError
from stackgen.facts.refusals import file_refusal

NEWER = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    context: 2048").replace(
    "name: embed", "name: embed"
)
NOBODY = 65534


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below; the lock and the memory of what was written are no files of the stack."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name not in {".stackgen", ".stackgen/.gitignore", ".stackgen/lock", ".stackgen/state.json", "stack.yaml"}:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def rendered(run, tmp_path):
    """A folder with a rendered stack; what refuses to write a newer one must say so and change nothing."""
    assert run("render")[0] == 0
    return tmp_path / "rendered"


def refusal(run, folder, spec=NEWER, *words):
    """What a render that cannot be says; everything that was there is still there, and nothing else."""
    before = snapshot(folder)
    code, out, err = run("render", *words, spec=spec)
    assert (code, out) == (1, "")
    assert snapshot(folder) == before
    return err


@pytest.mark.parametrize("failing", range(1, 8))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_is_full_at_any_write(run, rendered, tmp_path, monkeypatch, failing, number):
    """The n-th file that is forced onto the disk finds no room; a real full disk is below."""
    count = 0
    real = os.fsync

    def full(descriptor):
        nonlocal count
        count += not stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if count == failing:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    before = snapshot(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        code, _, err = run("render", spec=NEWER)
    if code == 0:
        assert count < failing
        return
    assert snapshot(tmp_path) == before
    assert file_refusal(number).message in err
    assert not files.is_interrupted(rendered)
    assert run("render", spec=NEWER)[0] == 0


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A real disk of 256 KiB."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("no right to mount; to run it: as root, where mounts are allowed")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def test_a_full_disk(run, small_disk):
    out = small_disk / "rendered"
    assert run("render", "--out", str(out))[0] == 0
    free = os.statvfs(small_disk)
    (small_disk / "others").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 8192))
    err = refusal(run, small_disk, NEWER, "--out", str(out))
    assert ": the files cannot be written: the disk is full\n" in err
    assert f"hint: make room (`df -h {out}" in err
    (small_disk / "others").unlink()
    assert run("render", "--out", str(out), spec=NEWER)[0] == 0


def test_a_full_disk_leaves_no_new_folder(run, small_disk):
    free = os.statvfs(small_disk)
    (small_disk / "others").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 8192))
    refusal(run, small_disk, SMALL, "--out", str(small_disk / "deep" / "rendered"))
    assert [path.name for path in small_disk.iterdir()] == ["others"]


def test_a_read_only_disk(run, small_disk):
    out = small_disk / "rendered"
    assert run("render", "--out", str(out))[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    err = refusal(run, small_disk, NEWER, "--out", str(out))
    assert err == (
        f"error: {out}/docker-compose.yml: the files cannot be written: the file system is read-only\n\n"
        "hint: mount it writable, or write into another folder\n\n"
    )


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder, and a user who is not root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    if os.geteuid() != os.getuid():
        os.seteuid(os.getuid())
    shutil.rmtree(folder)


def test_missing_rights(run, as_nobody):
    out = as_nobody / "rendered"
    assert run("render", "--out", str(out))[0] == 0
    (out / ".env").chmod(0o644)  # to be read; this is about writing
    before = snapshot(out)
    assert file_refusal(errno.EACCES)  # the words are read while they may be
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    else:
        out.chmod(0o555)
    with pytest.raises(StackError) as raised:
        files.write(out, [files.File("a.yml", "new\n")], stack="small", env="", force=True)
    os.seteuid(os.getuid())
    out.chmod(0o755)
    assert snapshot(out) == before
    assert str(raised.value) == (
        f"{out}/.stackgen-journal.json: the files cannot be written: you may not write or read there\n\n"
        f"hint: `ls -ld {out} {out}/.stackgen-journal.json` shows whose it is; give it to yourself with chown, "
        "or write into another folder"
    )


@pytest.fixture
def locked_file(rendered) -> Iterator[Path]:
    """A rendered file that nobody may change, not even root."""
    path = rendered / "litellm/config.yaml"
    locked = subprocess.run(["chattr", "+i", path], capture_output=True, check=False)
    if locked.returncode:
        pytest.skip("no right to lock a file; to run it: as root, on a file system with attributes")
    yield path
    subprocess.run(["chattr", "-i", path], check=True)


def test_a_file_that_is_locked_is_met_before_others_move(run, rendered, tmp_path, locked_file):
    assert refusal(run, tmp_path) == (
        f"error: {locked_file}: the files cannot be written: the system does not let you change it\n\n"
        f"hint: `ls -ld {locked_file.parent}` shows whose it is, "
        f"`lsattr -d {locked_file}` whether it is locked (then: chattr -i)\n\n"
    )
    assert not files.is_interrupted(rendered)


def test_a_file_system_that_cannot_sync_folders_is_written_all_the_same(run, tmp_path, monkeypatch):
    real = os.fsync

    def files_alone(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", files_alone)
    assert run("render")[0] == 0
    assert run("render", "--check")[0] == 0


def test_a_file_that_is_larger_than_the_shell_allows(run, rendered, tmp_path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        before = snapshot(tmp_path)
        code, _, err = run("render", spec=NEWER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    assert snapshot(tmp_path) == before
    assert "the files cannot be written: the file would be larger than this shell allows" in err
    assert "hint: `ulimit -f` shows the limit; raise it, then run it again" in err


def test_a_folder_where_a_file_should_be(run, rendered, tmp_path):
    (rendered / "RUNBOOK.md").unlink()
    (rendered / "RUNBOOK.md").mkdir()
    err = refusal(run, tmp_path)
    assert err == (
        f"error: {rendered}/RUNBOOK.md: the files cannot be written: a folder is in the way of a file\n\n"
        f"hint: move the folder {rendered}/RUNBOOK.md away\n\n"
    )


def test_a_file_where_a_folder_should_be(run, rendered, tmp_path):
    (rendered / "litellm/config.yaml").unlink()
    (rendered / "litellm").rmdir()
    (rendered / "litellm").write_text("mine")
    err = refusal(run, tmp_path)
    assert err == (
        f"error: {rendered}/litellm: the files cannot be written: a file is in the way of a folder\n\n"
        f"hint: move that file out of the path {rendered}/litellm\n\n"
    )


def test_a_file_in_the_place_of_the_output_folder(run, tmp_path):
    (tmp_path / "rendered").write_text("mine")
    err = refusal(run, tmp_path, SMALL)
    assert f"{tmp_path}/rendered: the files cannot be written: a file is in the way of a folder" in err


def test_a_folder_beside_a_file_with_the_name_that_writes_take(run, rendered, tmp_path):
    (rendered / f"docker-compose.yml{files.ASIDE}").mkdir()
    assert "a folder is in the way of a file" in refusal(run, tmp_path)


def test_a_link_in_the_place_of_a_file_is_not_silently_replaced(run, rendered, tmp_path):
    (rendered / "docker-compose.yml").rename(tmp_path / "elsewhere.yml")
    (rendered / "docker-compose.yml").symlink_to("../elsewhere.yml")
    err = refusal(run, tmp_path)
    assert (
        f"error: {rendered}: would overwrite what stackgen did not write: docker-compose.yml (a symbolic link)\n" in err
    )
    kept = (tmp_path / "elsewhere.yml").read_bytes()
    assert run("render", "--force", spec=NEWER)[0] == 0
    assert not (rendered / "docker-compose.yml").is_symlink()
    assert (tmp_path / "elsewhere.yml").read_bytes() == kept


def test_a_link_in_the_place_of_a_folder_leads_nothing_out(run, rendered, tmp_path):
    (rendered / "litellm").rename(tmp_path / "elsewhere")
    (rendered / "litellm").symlink_to("../elsewhere")
    for words in ((), ("--force",)):
        err = refusal(run, tmp_path, NEWER, *words)
        assert err == (
            f"error: {rendered}/litellm: a symbolic link leads files out of the output folder\n\n"
            f"hint: put a folder in the place of the link {rendered}/litellm\n\n"
        )


def test_an_output_folder_may_be_a_link(run, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "rendered").symlink_to("disk")
    assert run("render")[0] == 0
    assert (tmp_path / "disk/docker-compose.yml").is_file()


def test_a_link_in_a_circle(run, tmp_path):
    (tmp_path / "rendered").symlink_to("rendered")
    code, _, err = run("render")
    assert code == 1
    assert "the files cannot be read: its symbolic links lead in a circle" in err


def test_every_refusal_says_what_to_do():
    table = facts.files.document("file_refusals.json")
    for name in table:
        known = file_refusal(getattr(errno, name))
        assert known.source
        assert known.hint.format(path="PATH", folder="FOLDER")
        assert "{" not in known.message
