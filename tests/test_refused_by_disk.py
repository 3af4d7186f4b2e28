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
    usual = os.umask(0o022)  # others may read what is made there
    yield folder
    os.umask(usual)
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


def failing_move(monkeypatch, number, wanted):
    """The n-th move of a file into its place is refused; how many there were."""
    real, seen = os.replace, []

    def refuses(source, target, **more):
        name = Path(source).name
        if name.endswith(files.ASIDE) and "journal" not in name and str(target).find("/rendered/") > 0:
            seen.append(target)
            if len(seen) == wanted:
                raise OSError(number, os.strerror(number), str(source), None, str(target))
        return real(source, target, **more)

    monkeypatch.setattr(os, "replace", refuses)
    return seen


@pytest.mark.parametrize("linked", [True, False])
def test_a_file_that_cannot_be_moved_brings_the_old_set_back(run, tmp_path, monkeypatch, linked):
    """One after the other is refused; on a file system with second names for a file, and on one without."""
    spec = SMALL.replace("modalities: [chat]", "modalities: [chat]\n    mounts: {/old/deep/template: template}")
    (tmp_path / "template").write_text("{# #}\n")
    assert run("render", spec=spec)[0] == 0
    before, modes = snapshot(tmp_path), [path.stat().st_mode for path in sorted(tmp_path.rglob("*"))]

    def without(*_, **__):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    for wanted in range(1, 10):
        with monkeypatch.context() as disk:
            seen = failing_move(disk, errno.EBUSY, wanted)
            if not linked:
                disk.setattr(os, "link", without)
            code, _, err = run("render", spec=NEWER)
        if len(seen) < wanted:
            break
        assert (code, snapshot(tmp_path)) == (1, before)
        assert modes == [path.stat().st_mode for path in sorted(tmp_path.rglob("*"))]
        assert f"error: {seen[-1]}: the files cannot be written: something is mounted on it\n" in err
        assert not files.is_interrupted(tmp_path / "rendered")
        assert files.hand_edits(tmp_path / "rendered") == []
    assert (code, wanted) == (
        0,
        4,
    )  # docker-compose.yml, config.yaml and the manifest were refused, one after the other
    assert not (tmp_path / "rendered/files").exists()


def test_a_stale_file_that_cannot_be_removed_brings_the_old_set_back(tmp_path, monkeypatch):
    out = tmp_path / "rendered"
    files.write(out, [files.File("a", "a\n"), files.File("deep/b", "b\n"), files.File("c", "c\n")], stack="x", env="")
    before, real = snapshot(tmp_path), os.unlink

    def refuses(path, **more):
        if str(path).endswith("/c"):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        real(path, **more)

    with monkeypatch.context() as disk:
        disk.setattr(os, "unlink", refuses)
        with pytest.raises(StackError, match="the system does not let you change it"):
            files.write(out, [files.File("a", "newer\n"), files.File("new/d", "d\n")], stack="x", env="")
    assert snapshot(tmp_path) == before
    assert not files.is_interrupted(out)


def test_a_read_that_fails_while_files_are_written_undoes_the_write(run, rendered, tmp_path, monkeypatch):
    real = Path.read_bytes

    def stale(path):
        if path.name.endswith(files.ASIDE):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return real(path)

    before = snapshot(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(Path, "read_bytes", stale)
        code, _, err = run("render", spec=NEWER)
    assert code == 1
    assert snapshot(tmp_path) == before
    assert "the files cannot be read: its server has another file there by now\n" in err


@pytest.fixture
def mounted_file(rendered) -> Iterator[Path]:
    """A rendered file that another one is mounted on, as containers get single files."""
    path = rendered / "litellm/config.yaml"
    other = rendered.parent / "other file"
    shutil.copy(path, other)
    if subprocess.run(["mount", "--bind", other, path], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount; to run it: as root, where mounts are allowed")
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_file_that_is_a_mount_is_met_before_others_move(run, tmp_path, mounted_file, monkeypatch):
    seen = failing_move(monkeypatch, errno.EBUSY, 0)
    err = refusal(run, tmp_path)
    assert err == (
        f"error: {mounted_file}: the files cannot be written: something is mounted on it\n\n"
        f"hint: `findmnt {mounted_file}` shows what; unmount it, then run it again\n\n"
    )
    assert seen == []


def test_a_file_of_somebody_else_in_a_folder_for_all_is_met_before_others_move(as_nobody, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("only root can be two users; to run it: as root")
    out = as_nobody / "rendered"
    files.write(out, [files.File("a", "a\n"), files.File("b", "b\n")], stack="x", env="")
    (out / ".env").chmod(0o644)
    out.chmod(0o1777)
    os.chown(out / "a", NOBODY, NOBODY)
    assert file_refusal(errno.EPERM)
    seen, before = failing_move(monkeypatch, errno.EBUSY, 0), snapshot(out)
    os.seteuid(NOBODY)
    with pytest.raises(StackError) as raised:
        files.write(out, [files.File("a", "new\n"), files.File("b", "new\n")], stack="x", env="")
    os.seteuid(0)
    assert (snapshot(out), seen) == (before, [])
    assert raised.value.where.startswith(f"{out}/")
    assert raised.value.message == "the files cannot be written: the system does not let you change it"


def test_an_output_folder_that_leads_nowhere(run, tmp_path):
    (tmp_path / "rendered").symlink_to("unmounted")
    code, _, err = run("render")
    assert code == 1
    assert err.endswith(
        f"error: {tmp_path}/rendered: the files cannot be written: it is a link to {tmp_path}/unmounted, which is not there\n\n"
        "hint: mount what it leads to; or put a folder in the place of the link\n\n"
    )


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_private_does_not_depend_on_the_umask(run, tmp_path, umask):
    before = os.umask(umask)
    try:
        assert run("render")[0] == 0
        assert run("render", spec=NEWER)[0] == 0
    finally:
        os.umask(before)
    modes = {path.relative_to(tmp_path): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    kept = {path: mode for path, mode in modes.items() if path.parts[0] == ".stackgen" or path.name == ".env"}
    assert kept.pop(Path(".stackgen")) == 0o700
    assert set(kept.values()) == {0o600}
    assert modes[Path("rendered/docker-compose.yml")] == modes[Path("rendered/litellm/config.yaml")] == 0o644


def test_a_folder_of_a_stack_may_be_a_link(run, tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "stack").symlink_to("disk")
    (tmp_path / "disk/stack.yaml").write_text(SMALL)
    assert run("render", "stack", spec=None)[0] == 0
    monkeypatch.chdir(tmp_path / "disk")
    (tmp_path / "disk/stack.yaml").write_text(NEWER)
    assert run("render", spec=None)[0] == 0
    assert run("render", "--check", str(tmp_path / "stack"), spec=None)[0] == 0


def test_a_share_that_is_gone_in_the_midst_of_a_look_is_no_bug(run, tmp_path, monkeypatch):
    real = os.stat

    def gone(path, **more):
        if str(path).endswith("profiles/cpu.yaml"):
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))
        return real(path, **more)

    monkeypatch.setattr(os, "stat", gone)
    code, _, err = run("plan")
    assert code == 1
    assert ": a file cannot be read or written: the program that serves this file system is gone\n" in err


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
