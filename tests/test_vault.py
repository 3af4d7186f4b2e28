"""Secrets: generated once, kept for ever, never shown, never guessed."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from stackgen import vault
from stackgen.errors import StackError
from stackgen.parts import Secret, SecretKind
from stackgen.sources import printable

KEY = Secret(name="KEY", purpose="opens", prefix="sk-")
PASSWORD = Secret(name="PASSWORD", purpose="guards", guards_volume="data", url_safe=True)
SALT = Secret(name="SALT", purpose="guards too", guards_volume="data")
TOKEN = Secret(name="TOKEN", purpose="reads", kind=SecretKind.OPTIONAL)
REQUIRED = Secret(name="NEEDED", purpose="is needed", kind=SecretKind.REQUIRED)


def settle(folder, *wanted, environment=None, volumes=()):
    return vault.settle(folder, wanted, environment=environment or {}, volume_exists=lambda name: name in volumes)


def stored(folder):
    return folder / ".stackgen" / "secrets.env"


def test_generated_secrets_are_strong_prefixed_private_and_kept(tmp_path):
    first = settle(tmp_path, KEY, PASSWORD)
    assert first.generated == ("KEY", "PASSWORD")
    assert first.values["KEY"].reveal().startswith("sk-")
    assert len(first.values["PASSWORD"].reveal()) >= 43
    assert stored(tmp_path).stat().st_mode & 0o777 == 0o600
    assert stored(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / ".stackgen" / ".gitignore").read_text() == "*\n"
    again = settle(tmp_path, KEY, PASSWORD)
    assert again.generated == ()
    assert again.values == first.values


def test_a_new_secret_is_added_below_what_a_person_wrote(tmp_path):
    settle(tmp_path, KEY)
    with stored(tmp_path).open("a") as file:
        file.write("# mine\nTOKEN=hf_abc\n")
    before = stored(tmp_path).read_text()
    found = settle(tmp_path, KEY, TOKEN, PASSWORD)
    assert stored(tmp_path).read_text().startswith(before)
    assert found.values["TOKEN"].reveal() == "hf_abc"


def test_values_do_not_show(tmp_path):
    value = settle(tmp_path, KEY).values["KEY"]
    assert value.reveal() not in f"{value} {value!r} {[value]} {{'a': {value!r}}}"
    assert vault.masker({"KEY": value})(f"Bearer {value.reveal()} is wrong") == "Bearer *** is wrong"


def test_a_secret_is_hidden_in_the_spellings_of_json_and_of_the_terminal_too():
    value = 'sk-"quoted"\\\u200bü'
    mask = vault.masker(vault.hidden({"KEY": value}))
    for text in (value, json.dumps({"key": value}), printable(value)):
        hidden = mask(f"key {text} end")
        assert "***" in hidden
        assert "quoted" not in hidden


def test_a_secret_that_guards_data_is_not_generated_anew(tmp_path):
    with pytest.raises(StackError) as raised:
        settle(tmp_path, KEY, PASSWORD, SALT, volumes=("data",))
    message = f"PASSWORD and SALT not in {stored(tmp_path)}, but the volume data holds data that only they open"
    assert raised.value.message == message
    backup = f"restore {stored(tmp_path)} from your backup (rendered/.env is a copy of it)"
    assert raised.value.hint == f"{backup}; or, to lose that data: stackgen down --volumes"
    assert not stored(tmp_path).exists()
    settle(tmp_path, KEY, PASSWORD, SALT)
    settle(tmp_path, KEY, PASSWORD, SALT, volumes=("data",))


def test_where_nobody_can_say_whether_data_is_there_a_value_of_the_copy_is_not_made_anew(tmp_path):
    copy = tmp_path / "rendered.env"
    copy.write_text("PASSWORD='precious'\nKEY='sk-other'\n")

    def look(wanted, answer):
        return vault.look(tmp_path, wanted, environment={}, volume_exists=lambda _: answer, copy=copy)

    with pytest.raises(StackError) as raised:
        look((KEY, PASSWORD, SALT), None)
    assert (
        raised.value.message == f"PASSWORD stand in {copy} alone, and no Docker engine can say whether data needs them"
    )
    assert raised.value.hint.startswith(f"copy their lines from {copy} into {stored(tmp_path)}; ")
    assert look((KEY, SALT), None).generated == ("KEY", "SALT")
    assert look((KEY, PASSWORD), False).generated == ("KEY", "PASSWORD")
    with pytest.raises(StackError, match=r"PASSWORD not in .* holds data that only they open"):
        look((PASSWORD,), True)
    copy.unlink()
    assert look((PASSWORD,), None).generated == ("PASSWORD",)


def test_an_emptied_secret_is_no_reason_to_make_a_new_one(tmp_path):
    settle(tmp_path, PASSWORD)
    stored(tmp_path).write_text("PASSWORD=\n")
    with pytest.raises(StackError, match="PASSWORD not in"):
        settle(tmp_path, PASSWORD, volumes=("data",))


def test_an_empty_line_does_not_hide_the_callers_value(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text("TOKEN=\n")
    asked = Secret(name="TOKEN", purpose="reads", kind=SecretKind.OPTIONAL, from_environment=True)
    assert settle(tmp_path, asked, environment={"TOKEN": "hf_abc"}).values["TOKEN"].reveal() == "hf_abc"


def test_a_comment_behind_a_value_is_refused_and_open_files_are_closed(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text('TOKEN="hf_abc" # mine\n')
    with pytest.raises(StackError, match="something follows the value of TOKEN"):
        settle(tmp_path, TOKEN)
    stored(tmp_path).write_text('TOKEN="hf_abc"\n')
    stored(tmp_path).chmod(0o644)
    assert settle(tmp_path, TOKEN).values["TOKEN"].reveal() == "hf_abc"
    assert stored(tmp_path).stat().st_mode & 0o777 == 0o600


def test_docker_is_not_asked_while_every_secret_is_there(tmp_path):
    settle(tmp_path, PASSWORD)

    def never(_):
        raise AssertionError

    vault.settle(tmp_path, (PASSWORD, KEY), environment={}, volume_exists=never)


def test_a_required_secret_is_missing_until_somebody_writes_it(tmp_path):
    assert settle(tmp_path, REQUIRED).missing == (REQUIRED,)
    vault.prepare(tmp_path)
    stored(tmp_path).write_text("NEEDED='it is here'\n")
    found = settle(tmp_path, REQUIRED)
    assert (found.missing, found.values["NEEDED"].reveal()) == ((), "it is here")


def test_a_secret_from_the_environment_is_taken_only_when_asked_for_and_then_kept(tmp_path):
    caller = {"TOKEN": "hf_'quoted' $x-0123456789"}
    assert "TOKEN" not in settle(tmp_path, TOKEN, environment=caller).values
    asked = Secret(name="TOKEN", purpose="reads", kind=SecretKind.OPTIONAL, from_environment=True)
    found = settle(tmp_path, replace(asked, kind=SecretKind.GENERATED), environment=caller)
    assert (found.values["TOKEN"].reveal(), found.generated, found.added) == (caller["TOKEN"], (), ("TOKEN",))
    assert settle(tmp_path, asked).values["TOKEN"].reveal() == caller["TOKEN"]


@pytest.mark.parametrize(
    ("secret", "value", "message"),
    [
        (PASSWORD, "a@b/c", "other characters than letters"),
        (KEY, "no-prefix-here", "does not begin with sk-"),
        (KEY, "sk-1234", "is a well-known example"),
        (PASSWORD, "your_password", "is a placeholder"),
        (PASSWORD, "changeme", "is a placeholder"),
        (PASSWORD, "postgres", "is the name of a program"),
        (KEY, "sk-litellm-master-key", "is a well-known example"),
        (KEY, "sk-XXXXXXXXXXXXXXXX", "is a placeholder"),
        (KEY, "sk-", "a prefix with nothing behind it"),
        (PASSWORD, "short-14-chars", "is shorter than 15 characters"),
        (KEY, "sk-short-14-chars", "is shorter than 15 characters behind sk-"),
        (PASSWORD, "a" * 40, "one character again and again"),
        (REQUIRED, "<your-token>", "is a placeholder"),
        (REQUIRED, "x" * 9000, "has more than 8192 characters"),
    ],
)
def test_values_that_do_not_fit_are_refused_without_being_shown(tmp_path, secret, value, message):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text(f"{secret.name}={value}\n")
    with pytest.raises(StackError) as raised:
        settle(tmp_path, secret)
    assert message in raised.value.message
    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TOKEN=hf_abc", "hf_abc"),
        ("  TOKEN=hf_abc\t", "hf_abc"),
        ("export TOKEN=hf_abc", "hf_abc"),
        ("TOKEN= hf_abc", "hf_abc"),
        ("TOKEN=", ""),
        ("TOKEN='hf_abc'", "hf_abc"),
        ('TOKEN="hf_abc"', "hf_abc"),
        ('TOKEN="it\'s"', "it's"),
        ("TOKEN='it\\'s #1'", "it's #1"),
        ("TOKEN='", "'"),
        ("TOKEN=''", ""),
        ('TOKEN=""', ""),
        ("TOKEN=a#b=c", "a#b=c"),
    ],
)
def test_a_line_is_read_as_people_write_it(tmp_path, line, value):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text(f"# mine\n\n{line}\r\n")
    assert vault.read(stored(tmp_path)) == {"TOKEN": value}


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("KEY sk-very-secret", "a line is not NAME=value", "one secret a line, e.g. HF_TOKEN=hf_…"),
        ("2KEY=sk-very-secret", "a line is not NAME=value", "one secret a line, e.g. HF_TOKEN=hf_…"),
        ("KEY=sk-very-secret # mine", "something follows the value of KEY", "write comments on lines of their own"),
        ("KEY='sk-very-secret' mine", "something follows the value of KEY", "write comments on lines of their own"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_not_shown(tmp_path, line, message, hint):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text(f"# ok\n{line}\n")
    with pytest.raises(StackError) as raised:
        settle(tmp_path, KEY)
    assert (raised.value.message, raised.value.where, raised.value.hint) == (message, f"{stored(tmp_path)}:2", hint)


def test_secrets_that_are_no_text_are_not_made_anew(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_bytes(b"KEY=\xff\xfe\n")
    with pytest.raises(StackError, match="no text in UTF-8") as raised:
        settle(tmp_path, KEY)
    assert (raised.value.where, stored(tmp_path).read_bytes()) == (str(stored(tmp_path)), b"KEY=\xff\xfe\n")


def test_secrets_that_cannot_be_written_are_as_they_were(tmp_path, monkeypatch):
    settle(tmp_path, KEY)
    before = stored(tmp_path).read_bytes()

    def refuse(*_):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    for step in ("fsync", "replace"):
        with monkeypatch.context() as disk:
            disk.setattr(os, step, refuse)
            with pytest.raises(StackError, match="the secrets cannot be kept") as raised:
                settle(tmp_path, KEY, PASSWORD)
        assert raised.value.where == str(stored(tmp_path))
        assert stored(tmp_path).read_bytes() == before
        assert sorted(path.name for path in stored(tmp_path).parent.iterdir()) == [".gitignore", "secrets.env"]


def test_secrets_that_others_may_read_and_nobody_can_close_are_refused(tmp_path, monkeypatch):
    settle(tmp_path, KEY)
    stored(tmp_path).chmod(0o644)

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(StackError, match="others may read the secrets") as raised:
        settle(tmp_path, KEY)
    assert raised.value.hint == f"have their owner run: chmod 600 {stored(tmp_path)}"


def test_the_rendered_copy_is_remembered_per_output_folder(tmp_path):
    vault.keep_rendered_env_digests(tmp_path, tmp_path / "rendered", ["abc", "abc", "new"])
    vault.keep_rendered_env_digests(tmp_path, tmp_path / "other", ["def"])
    assert vault.rendered_env_digests(tmp_path, tmp_path / "rendered") == ("abc", "new")
    assert vault.rendered_env_digests(tmp_path, tmp_path / "none") == ()


def test_another_value_in_the_environment_is_told_and_the_kept_one_counts(tmp_path):
    secret = Secret(name="CLOUD", purpose="x", kind=SecretKind.REQUIRED, from_environment=True)

    def settled(value):
        return settle(tmp_path, secret, environment={"CLOUD": value})

    first = settled("first-value")
    assert (first.differing, first.missing) == ((), ())
    again = settled("second-value")
    assert again.differing == ("CLOUD",)
    assert again.values["CLOUD"].reveal() == "first-value"


def test_a_token_that_somebody_else_gave_out_may_be_short_and_plain(tmp_path):
    for value in ("dummy", "none", "short", '{"type": "service_account", "key": "x"}', "$dollar"):
        vault.prepare(tmp_path)
        stored(tmp_path).write_text(f"NEEDED='{value}'\n")
        assert settle(tmp_path, REQUIRED).values["NEEDED"].reveal() == value


def test_generated_values_are_never_taken_for_weak_ones():
    for _ in range(2000):
        assert vault.weakness(KEY, vault.generated(KEY)) == ""


def test_a_weak_value_that_opens_data_is_told_instead_of_refused(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text("PASSWORD=litellm\n")
    with pytest.raises(StackError, match="the name of a program"):
        settle(tmp_path, PASSWORD)
    (complaint,) = settle(tmp_path, PASSWORD, volumes=("data",)).weak
    assert complaint.message == "the value of PASSWORD is the name of a program"
    assert complaint.hint == "`stackgen secrets rotate PASSWORD` makes a strong one"
    fixed = replace(PASSWORD, fixed="what is there cannot be read with another one")
    (complaint,) = settle(tmp_path, fixed, volumes=("data",)).weak
    assert complaint.hint == "it has to stay: what is there cannot be read with another one"


def test_what_a_kill_left_beside_a_file_goes_with_the_next_who_has_the_lock(tmp_path):
    left = [
        vault.prepare(tmp_path) / f"{name}.stackgen-new" for name in ("secrets.env", "rotation.json", "groups.json")
    ]
    for path in left:
        path.write_text("KEY=sk-half")
    with vault.locked(tmp_path):
        assert not any(path.exists() for path in left)


def test_a_changed_value_takes_the_place_of_its_line_and_every_other_line_stays(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text("# mine\nexport TOKEN=first\n\nOTHER='a b'\n  TOKEN=second\n")
    vault.change(stored(tmp_path), {"TOKEN": "it's $new", "ADDED": "x"})
    assert stored(tmp_path).read_text() == "# mine\n\nOTHER='a b'\nTOKEN='it\\'s $new'\nADDED=x\n"
    assert stored(tmp_path).stat().st_mode & 0o777 == 0o600
    assert vault.read(stored(tmp_path)) == {"OTHER": "a b", "TOKEN": "it's $new", "ADDED": "x"}


def test_secrets_behind_a_link_are_kept_where_it_leads(tmp_path):
    settle(tmp_path, KEY)
    elsewhere = tmp_path / "mounted"
    stored(tmp_path).rename(elsewhere)
    stored(tmp_path).symlink_to("../mounted")
    before = vault.read(elsewhere)
    settle(tmp_path, KEY, PASSWORD)
    assert stored(tmp_path).is_symlink()
    assert {**vault.read(elsewhere), **before} == vault.read(elsewhere)
    assert "PASSWORD" in vault.read(elsewhere)
    left = tmp_path / "mounted.stackgen-new"
    left.write_text("KEY=sk-half")
    with vault.locked(tmp_path):
        assert not left.exists()


def test_secrets_that_are_elsewhere_and_not_there_now_are_not_made_anew(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).symlink_to(tmp_path / "unmounted" / "secrets.env")
    with pytest.raises(StackError) as raised:
        settle(tmp_path, KEY)
    target = tmp_path / "unmounted" / "secrets.env"
    assert raised.value.message == f"the secrets cannot be read: it is a link to {target}, which is not there"
    assert raised.value.hint == "mount what it leads to; or remove the link, to begin with new ones"


def test_a_folder_that_git_would_take_is_healed_before_a_secret_is_there(tmp_path, monkeypatch):
    """A disk that is full, or a kill between making .gitignore and writing it."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(StackError, match="the folder for secrets cannot be made: the disk is full"):
            settle(tmp_path, KEY)
    assert [path.name for path in (tmp_path / ".stackgen").iterdir()] == [".gitignore"]
    settle(tmp_path, KEY)
    assert (tmp_path / ".stackgen/.gitignore").read_text() == "*\n"


def test_what_a_person_wants_git_to_ignore_stays(tmp_path):
    (tmp_path / ".stackgen").mkdir()
    (tmp_path / ".stackgen/.gitignore").write_text("*\n!secrets.env.gpg\n")
    vault.prepare(tmp_path)
    assert (tmp_path / ".stackgen/.gitignore").read_text() == "*\n!secrets.env.gpg\n"


def test_the_folder_is_made_by_many_at_once(tmp_path):
    """Before there is a lock to hold; one of them takes leftovers away meanwhile."""
    folders = [tmp_path / str(number) for number in range(100)]
    start = threading.Barrier(4)

    def make() -> None:
        for folder in folders:
            start.wait(timeout=10)
            with vault.locked(folder):
                assert (folder / ".stackgen/.gitignore").read_text() == "*\n"

    with ThreadPoolExecutor(4) as threads:
        for made in [threads.submit(make) for _ in range(4)]:
            made.result()


def test_secrets_outlive_a_power_cut(tmp_path, monkeypatch):
    """A file that is forced onto the disk is whole by then, and a folder that is has the new file in its place."""
    settle(tmp_path, KEY)
    synced, whole, real = [], [], os.fsync

    def watched(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append((os.fstat(descriptor).st_ino, stored(tmp_path).read_bytes()))
        else:
            whole.append(Path(f"/proc/self/fd/{descriptor}").read_bytes())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    settle(tmp_path, KEY, PASSWORD)
    assert whole == [stored(tmp_path).read_bytes()]
    assert synced == [(stored(tmp_path).parent.stat().st_ino, stored(tmp_path).read_bytes())]


def test_a_write_leaves_no_file_open(tmp_path):
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - links that vanish while they are looked at
    settle(tmp_path, KEY)
    with vault.locked(tmp_path):
        settle(tmp_path, KEY, PASSWORD)
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - likewise


def test_what_stands_in_the_way_of_a_write_is_replaced_and_never_followed(tmp_path):
    settle(tmp_path, KEY)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (stored(tmp_path).parent / "secrets.env.stackgen-new").symlink_to(victim)
    found = settle(tmp_path, KEY, PASSWORD)
    assert victim.read_text() == "precious"
    assert vault.read(stored(tmp_path)) == {name: value.reveal() for name, value in found.values.items()}


def test_secrets_are_kept_where_a_file_system_does_not_force_folders_onto_the_disk(tmp_path, monkeypatch):
    real = os.fsync

    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    found = settle(tmp_path, KEY)
    assert vault.read(stored(tmp_path)) == {"KEY": found.values["KEY"].reveal()}


def test_a_refusal_names_what_is_in_the_way(tmp_path):
    (tmp_path / ".stackgen").mkdir()
    ignore = tmp_path / ".stackgen/.gitignore"
    ignore.symlink_to(ignore)
    with pytest.raises(StackError, match="the folder for secrets cannot be made") as raised:
        vault.prepare(tmp_path)
    assert raised.value.where == str(ignore)


def test_an_unreadable_intent_of_a_rotation_is_not_to_be_deleted(tmp_path):
    vault.prepare(tmp_path)
    (tmp_path / ".stackgen/rotation.json").symlink_to("rotation.json")
    with pytest.raises(StackError, match="what a rotation left to do cannot be read: its symbolic links") as raised:
        vault.intended(tmp_path)
    assert "delete" not in raised.value.hint


def test_what_a_rotation_intends_is_private_and_gone_once_nothing_is_left(tmp_path):
    file = tmp_path / ".stackgen" / "rotation.json"
    rotation = vault.Rotation(vault.hidden({"KEY": "sk-new"}), {"LITELLM_KEY_CI": "0" * 64})
    vault.intend(tmp_path, rotation)
    assert file.stat().st_mode & 0o777 == 0o600
    assert vault.intended(tmp_path) == rotation
    assert "sk-new" not in repr(vault.intended(tmp_path))
    vault.intend(tmp_path, vault.Rotation())
    assert not file.exists()
    file.write_text("{")
    with pytest.raises(StackError, match="what a rotation left to do cannot be read"):
        vault.intended(tmp_path)
