"""Secrets: generated once, kept for ever, never shown, never guessed."""

from __future__ import annotations

import json

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
    assert "PASSWORD and SALT" in raised.value.message
    assert "down --volumes" in raised.value.hint
    assert not stored(tmp_path).exists()
    settle(tmp_path, KEY, PASSWORD, SALT)
    settle(tmp_path, KEY, PASSWORD, SALT, volumes=("data",))


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
    caller = {"TOKEN": "hf_'quoted' $x"}
    assert "TOKEN" not in settle(tmp_path, TOKEN, environment=caller).values
    asked = Secret(name="TOKEN", purpose="reads", kind=SecretKind.OPTIONAL, from_environment=True)
    assert settle(tmp_path, asked, environment=caller).values["TOKEN"].reveal() == caller["TOKEN"]
    assert settle(tmp_path, asked).values["TOKEN"].reveal() == caller["TOKEN"]


@pytest.mark.parametrize(
    ("secret", "value", "message"),
    [
        (PASSWORD, "a@b/c", "other characters than letters"),
        (KEY, "no-prefix-here", "does not begin with sk-"),
        (KEY, "sk-1234", "placeholder or a well-known example"),
        (PASSWORD, "your_password", "placeholder or a well-known example"),
        (PASSWORD, "changeme", "placeholder or a well-known example"),
    ],
)
def test_values_that_do_not_fit_are_refused_without_being_shown(tmp_path, secret, value, message):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text(f"{secret.name}={value}\n")
    with pytest.raises(StackError) as raised:
        settle(tmp_path, secret)
    assert message in raised.value.message
    assert value not in str(raised.value)


def test_a_broken_line_is_named_but_not_shown(tmp_path):
    vault.prepare(tmp_path)
    stored(tmp_path).write_text("# ok\nKEY sk-very-secret\n")
    with pytest.raises(StackError) as raised:
        settle(tmp_path, KEY)
    assert raised.value.where.endswith("secrets.env:2")
    assert "very-secret" not in str(raised.value)


def test_the_rendered_copy_is_remembered_per_output_folder(tmp_path):
    vault.keep_rendered_env_digest(tmp_path, tmp_path / "rendered", "abc")
    vault.keep_rendered_env_digest(tmp_path, tmp_path / "other", "def")
    assert vault.rendered_env_digest(tmp_path, tmp_path / "rendered") == "abc"
    assert vault.rendered_env_digest(tmp_path, tmp_path / "none") is None


def test_another_value_in_the_environment_is_told_and_the_kept_one_counts(tmp_path):
    secret = Secret(name="CLOUD", purpose="x", kind=SecretKind.REQUIRED, from_environment=True)

    def settled(value):
        return settle(tmp_path, secret, environment={"CLOUD": value})

    assert settled("first-value").differing == ()
    again = settled("second-value")
    assert again.differing == ("CLOUD",)
    assert again.values["CLOUD"].reveal() == "first-value"
