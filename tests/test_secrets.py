"""secrets list, set and rotate: what is told, what is refused, and a rotation that is killed at every step."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import sys
from functools import partial

import gateway_api
import pytest
from engine_stand_in import Engine, container
from support import write_spec

from stackgen import files, runtime, vault, verbs
from stackgen.backing import scram
from stackgen.errors import DockerError
from stackgen.verbs import rotation, running

SPEC = """\
version: 1
name: small
profiles: [cpu]
secrets:
  FAR_KEY: {required: true}
  OUTSIDE: {source: environment, generate: true}
  OWN_SECRET: {generate: true, purpose: signs cookies}
endpoints:
  far: {provider: openai, url: "http://127.0.0.9:9/v1", modalities: [chat], model: far, key: FAR_KEY}
gateway: {port: 4000, database: true, cache: redis, keys: {ci: {}}}
services:
  web:
    secret_environment: {KEY: LITELLM_MASTER_KEY, COOKIES: OWN_SECRET, MORE: OUTSIDE}
    compose: {image: "python:3.13-slim", mem_limit: 256m}
"""
FAR = "far-key-'quoted'-$x"


class Database(Engine):
    """An engine whose Postgres knows the verifier of one password, as the real one does."""

    def __init__(self):
        super().__init__([container("postgres")])
        self.has_data, self.verifier, self.orders, self.refuses = True, "", [], ""
        self.mistaken = 0
        """How many orders it takes without a word and carries out wrongly."""

    def has_volume(self, name):
        return self.has_data and name == "small_postgres-data"

    def execute(self, identifier, command, stdin, environment=None, *, timeout_seconds):
        assert identifier == "id-postgres"
        assert not any(environment["PGPASSWORD"] in word for word in command)
        if "select 1" in command:
            good = self.opens(environment["PGPASSWORD"])
            return (
                (0, b"1\n", b"") if good else (2, b"", b'FATAL:  password authentication failed for user "litellm"\n')
            )
        self.orders.append(stdin.decode())
        if self.refuses:
            return 3, b"", f"ERROR:  {self.refuses}\nLINE 1: {stdin.decode()}".encode()
        self.verifier = re.fullmatch(r"ALTER ROLE litellm PASSWORD '([^']+)';\n", stdin.decode())[1]
        if self.mistaken:
            self.mistaken, self.verifier = self.mistaken - 1, verifier_of("what-nobody-knows")
        return 0, b"", b""

    def opens(self, password):
        rounds, salt, keys = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$(.+)", self.verifier).groups()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
        stored, server = (base64.b64decode(key) for key in keys.split(":"))
        client = hmac.digest(salted, b"Client Key", "sha256")
        return hashlib.sha256(client).digest() == stored and hmac.digest(salted, b"Server Key", "sha256") == server


@pytest.fixture
def database(monkeypatch):
    made = Database()
    monkeypatch.setattr(runtime, "connect", lambda: made)
    return made


@pytest.fixture
def stopped(monkeypatch, engine):
    """An engine that has nothing."""
    return engine


@pytest.fixture
def run(run, tmp_path):
    write_spec(tmp_path, SPEC)
    return partial(run, spec=None)


@pytest.fixture
def feed(monkeypatch):
    """What a pipe brings."""

    def put(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


@pytest.fixture
def made(run, feed, database, tmp_path):
    """A stack that was rendered, whose database was made with its password and runs alone."""
    database.has_data = False
    feed(FAR.encode())
    assert run("secrets", "set", "FAR_KEY")[0] == 0
    assert run("render")[0] == 0
    database.has_data = True
    database.verifier = verifier_of(kept(tmp_path)["POSTGRES_PASSWORD"])
    database.states = []
    return tmp_path


def verifier_of(password):
    return scram.verifier(password)


def kept(folder):
    return vault.read(folder / ".stackgen" / "secrets.env")


def copied(folder):
    return vault.read(folder / "rendered" / ".env")


def shown(folder, *texts):
    """Values that stand in a text."""
    return [name for name, value in kept(folder).items() for text in texts if value in text]


# list


def test_list_tells_everything_but_values(run, made, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    code, out, err = run("secrets", "list")
    assert (code, err, shown(tmp_path, out)) == (0, "", [])
    rows = {line.split()[0]: re.split(r"  +", line) for line in out.splitlines()}
    assert rows["POSTGRES_PASSWORD"][1:] == [
        "generated", "kept", "small_postgres-data", "litellm, postgres", "opens the database",
    ]  # fmt: skip
    assert rows["LITELLM_MASTER_KEY"][4] == "litellm, web"
    assert rows["OWN_SECRET"][3:] == ["-", "web", "signs cookies"]
    assert rows["FAR_KEY"][1:3] == ["required", "kept"]


def test_list_as_json_has_a_version_and_every_state(run, stopped, tmp_path, monkeypatch):
    vault.prepare(tmp_path)
    (tmp_path / ".stackgen" / "secrets.env").write_text(
        "REDIS_PASSWORD=redis\nLITELLM_MASTER_KEY=no-prefix-0123456789\nOLD_ONE=x\nLITELLM_SALT_KEY=sk-0123-4567-89ab-cdef-x\n"
    )
    monkeypatch.setenv("OUTSIDE", "from-outside-0123456789")
    code, out, err = run("secrets", "list", "--json")
    found = json.loads(out)
    assert (code, list(found)) == (0, ["version", "stack", "secrets", "unused", "unfinished"])
    assert {entry["name"]: entry["state"] for entry in found["secrets"]} == {
        "FAR_KEY": "missing", "LITELLM_KEY_CI": "not made yet", "LITELLM_MASTER_KEY": "unfit", "LITELLM_SALT_KEY": "kept",
        "OUTSIDE": "from environment", "OWN_SECRET": "not made yet", "POSTGRES_PASSWORD": "not made yet",
        "REDIS_PASSWORD": "weak",
    }  # fmt: skip
    assert set(found["secrets"][0]) == {"name", "kind", "state", "guards", "read_by", "purpose", "complaint"}
    assert (found["version"], found["unused"], found["unfinished"]) == (1, ["OLD_ONE"], [])
    assert "from-outside" not in out + err
    assert "the value of REDIS_PASSWORD is the name of a program" in err
    assert not (tmp_path / "rendered").exists()


# set


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"hf_abc\n", "hf_abc"),
        (b"hf_abc\r\n", "hf_abc"),
        (b"hf_abc", "hf_abc"),
        (b'it\'s "$HOME" #1 \\n\n', 'it\'s "$HOME" #1 \\n'),
        ("pässwörd-ключ\n".encode(), "pässwörd-ключ"),
    ],
)
def test_set_takes_a_value_from_a_pipe_as_it_is(run, stopped, feed, tmp_path, data, value):
    feed(data)
    code, out, err = run("secrets", "set", "FAR_KEY")
    assert (code, out, err) == (0, "", "kept FAR_KEY; `stackgen up` gives it to litellm\n")
    assert kept(tmp_path) == {"FAR_KEY": value}
    assert run("render")[0] == 0
    assert copied(tmp_path)["FAR_KEY"] == value
    feed(data)
    assert run("secrets", "set", "FAR_KEY")[2] == "FAR_KEY has this value already\n"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("FAR_KEY", b"", "an empty value of FAR_KEY"),
        ("FAR_KEY", b"\n", "an empty value of FAR_KEY"),
        ("FAR_KEY", b"two\nlines\n", "has a control character or a line break"),
        ("FAR_KEY", b"hf_val\n\n", "has a control character or a line break"),
        ("FAR_KEY", b"bell\x07", "has a control character or a line break"),
        ("FAR_KEY", b"nul\x00", "has a control character or a line break"),
        ("FAR_KEY", "line\u2028separator".encode(), "has a control character or a line break"),
        ("FAR_KEY", b" padded", "begins or ends with white space"),
        ("FAR_KEY", b"\xff\xfe", "is no UTF-8 text"),
        ("FAR_KEY", b"x" * 70_000, "has more than 8192 characters"),
        ("FAR_KEY", b"backslash\\", "Compose cannot read that"),
        ("FAR_KEY", b"your-api-key", "is a placeholder"),
        ("LITELLM_MASTER_KEY", b"sk-1234", "is a well-known example"),
        ("LITELLM_MASTER_KEY", b"no-prefix-0123456789", "does not begin with sk-"),
        ("LITELLM_MASTER_KEY", b"sk-with space-0123456789", "other characters than letters, digits"),
        ("REDIS_PASSWORD", b"only14-letters", "is shorter than 15 characters"),
        ("REDIS_PASSWORT", b"0123456789-abcdefgh", "the stack small has no secret `REDIS_PASSWORT`"),
    ],
)
def test_set_refuses_what_could_not_work_and_keeps_nothing(run, stopped, feed, tmp_path, name, data, words):
    feed(data)
    code, out, err = run("secrets", "set", name)
    assert (code, out) == (1, "")
    assert words in err
    assert "hint: " in err
    assert not data.strip() or data.decode(errors="replace").strip() not in err
    assert kept(tmp_path) == {}


def test_a_generated_secret_may_be_set_before_its_data_is_there_and_not_afterwards(run, made, feed, database, tmp_path):
    before = kept(tmp_path)
    for name, words in [
        ("POSTGRES_PASSWORD", "`stackgen secrets rotate POSTGRES_PASSWORD` tells the server a new one"),
        ("LITELLM_SALT_KEY", "credentials in the database are encrypted with it"),
    ]:
        feed(b"sk-mine-0123456789-abcdef")
        code, _, err = run("secrets", "set", name)
        assert (code, words in err) == (1, True), err
    assert kept(tmp_path) == before
    database.has_data = False
    feed(b"mine-0123456789-abcdef")
    assert run("secrets", "set", "POSTGRES_PASSWORD")[0] == 0
    assert kept(tmp_path) == {**before, "POSTGRES_PASSWORD": "mine-0123456789-abcdef"}


def test_a_lost_value_can_be_set_again_from_a_backup_where_its_data_is(run, made, feed, tmp_path):
    lost = kept(tmp_path)["POSTGRES_PASSWORD"]
    file = tmp_path / ".stackgen" / "secrets.env"
    file.write_text(file.read_text().replace(lost, ""))
    feed(lost.encode())
    assert run("secrets", "set", "POSTGRES_PASSWORD")[0] == 0
    assert kept(tmp_path)["POSTGRES_PASSWORD"] == lost


def test_without_an_engine_nobody_knows_of_data_so_nothing_is_changed(run, made, feed, tmp_path, monkeypatch):
    def connect():
        raise DockerError("no Docker engine answers on this machine")

    monkeypatch.setattr(runtime, "connect", connect)
    before = kept(tmp_path)
    feed(b"mine-0123456789-abcdef")
    for words in (["set", "POSTGRES_PASSWORD"], ["rotate", "POSTGRES_PASSWORD"]):
        code, _, err = run("secrets", *words)
        assert (code, "no Docker engine answers" in err) == (1, True)
    assert kept(tmp_path) == before
    assert run("secrets", "rotate", "REDIS_PASSWORD")[0] == 0
    assert kept(tmp_path)["REDIS_PASSWORD"] != before["REDIS_PASSWORD"]


# rotate


def test_rotate_of_a_stack_that_does_not_run_changes_files_alone(run, made, database, tmp_path):
    before = kept(tmp_path)
    names = ["LITELLM_MASTER_KEY", "REDIS_PASSWORD", "OWN_SECRET"]
    code, out, err = run("secrets", "rotate", *names)
    assert (code, out, shown(tmp_path, err)) == (0, "", [])
    after = kept(tmp_path)
    assert [name for name in before if before[name] != after[name]] == [name for name in before if name in names]
    assert all(after[name] == copied(tmp_path)[name] for name in after)
    assert after["LITELLM_MASTER_KEY"].startswith("sk-")
    assert "OWN_SECRET: new containers for web\n" in err
    assert "whoever shows the old one is refused from then on; keys of teams and clients stay" in err
    assert "nothing of small runs here: `stackgen up` starts it with the new values" in err
    assert not any(old in file.read_text() for file in tmp_path.rglob("*") if file.is_file() for old in
                   (before[name] for name in names))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("FAR_KEY", "only you can get a new value of FAR_KEY", "`stackgen secrets set FAR_KEY` takes it"),
        ("LITELLM_SALT_KEY", "LITELLM_SALT_KEY cannot change while small_postgres-data holds data", "down --volumes"),
        (
            "POSTGRES_PASSWORD",
            "and postgres, which must be told, is not running",
            "first `stackgen up`, then rotate it",
        ),
        ("OUTSIDE", "which has none", "export the new value as OUTSIDE, then rotate it"),
        ("OUTSIDE2", "the stack small has no secret `OUTSIDE2`", "did you mean `OUTSIDE`?"),
    ],
)
def test_rotate_refuses_all_where_one_cannot(run, made, tmp_path, name, words, hint):
    before = kept(tmp_path)
    code, _, err = run("secrets", "rotate", "REDIS_PASSWORD", name, "--yes")
    assert (code, words in err, hint in err) == (1, True, True), err
    assert kept(tmp_path) == before
    assert not (tmp_path / ".stackgen" / "rotation.json").exists()


def test_a_secret_from_the_environment_gets_what_is_there_now(run, made, tmp_path, monkeypatch):
    old = kept(tmp_path)["OUTSIDE"]
    for value, words in ((old, "the same value as before"), ("short", "is shorter than 15 characters")):
        monkeypatch.setenv("OUTSIDE", value)
        code, _, err = run("secrets", "rotate", "OUTSIDE")
        assert (code, words in err) == (1, True)
    assert "hint: export another one as OUTSIDE\n" in err
    monkeypatch.setenv("OUTSIDE", "another-0123456789-abc")
    assert run("secrets", "rotate", "OUTSIDE")[0] == 0
    assert kept(tmp_path)["OUTSIDE"] == copied(tmp_path)["OUTSIDE"] == "another-0123456789-abc"


def test_rotate_asks_before_it_replaces_containers(run, made, database, feed, tmp_path):
    database.states = [container("postgres")]
    before = kept(tmp_path)
    feed(b"")
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD")
    assert (code, "nobody is there to ask" in err, "--yes" in err) == (1, True, True)
    assert (kept(tmp_path), database.orders) == (before, [])


def test_what_a_render_would_refuse_is_refused_before_the_server_is_told(run, made, database, tmp_path):
    database.states = [container("postgres")]
    file = tmp_path / "rendered" / ".env"
    file.write_text(file.read_text() + "# by hand\n")
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert (code, "would overwrite what stackgen did not write: .env" in err, database.orders) == (1, True, [])
    assert run("render", "--force")[0] == 0
    (tmp_path / "rendered" / "docker-compose.yml").write_text("services: {}\n")
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert (code, "docker-compose.yml" in err, database.orders) == (1, True, [])


def test_a_simulation_has_secrets_of_its_own(run, stopped, feed, tmp_path):
    feed(FAR.encode())
    assert run("secrets", "set", "FAR_KEY", "--simulate")[0] == 0
    assert kept(tmp_path) == {}
    assert kept(tmp_path / ".stackgen" / "simulation") == {"FAR_KEY": FAR}
    assert '"small-sim"' in run("secrets", "list", "--simulate", "--json")[1]


class KilledError(BaseException):
    """Ends a verb as a kill does: nothing that comes after it is done."""


STEPS = {
    "the intent": (vault, "intend"),
    "the server": (Database, "execute"),
    "the secrets": (vault, "change"),
    "the files": (files, "write"),
    "their digest": (vault, "keep_rendered_env_digests"),
}


def interrupted(monkeypatch, stack, where, *, nth, after):
    """Rotate, and be killed at the nth time that a step is done, before or after it."""
    owner, name = STEPS[where]
    real, seen = getattr(owner, name), []

    def deadly(*arguments, **options):
        seen.append(name)
        if len(seen) == nth and not after:
            raise KilledError
        found = real(*arguments, **options)
        if len(seen) == nth:
            raise KilledError
        return found

    def rotate():
        rotation.begin_rotation(stack, ["POSTGRES_PASSWORD", "LITELLM_MASTER_KEY"], {})
        verbs.render_stack(stack)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, deadly)
        with pytest.raises(KilledError):
            rotate()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("where", "nth"),
    [("the intent", 1), ("the server", 1), ("the server", 2), ("the secrets", 1), ("the files", 1),
     ("their digest", 1), ("their digest", 2),
     ("the intent", 2)],
)  # fmt: skip
@pytest.mark.parametrize("verb", [("render",), ("secrets", "rotate", "POSTGRES_PASSWORD")], ids=["render", "rotate"])
def test_whoever_comes_after_a_kill_makes_one_set_of_it(
    run, made, database, tmp_path, monkeypatch, where, nth, after, verb
):
    database.states = [container("postgres")]
    old = kept(tmp_path)
    interrupted(monkeypatch, verbs.open_stack(tmp_path), where, nth=nth, after=after)
    assert not list((tmp_path / ".stackgen").glob("*.stackgen-new"))
    monkeypatch.setattr("stackgen.cli.secrets._finish", lambda stack, _: verbs.render_stack(stack))
    code, _, err = run(*verb, *(["--yes"] if verb[0] == "secrets" else []))
    assert code == 0, err
    new = kept(tmp_path)
    assert database.opens(new["POSTGRES_PASSWORD"])
    assert copied(tmp_path)["POSTGRES_PASSWORD"] == new["POSTGRES_PASSWORD"]
    assert copied(tmp_path)["LITELLM_MASTER_KEY"] == new["LITELLM_MASTER_KEY"]
    assert not (tmp_path / ".stackgen" / "rotation.json").exists()
    began = (where, nth, after) != ("the intent", 1, False)
    assert (new["LITELLM_MASTER_KEY"] != old["LITELLM_MASTER_KEY"]) is began
    assert database.opens(old["POSTGRES_PASSWORD"]) is (not began and verb == ("render",))
    assert not any(value in order for order in database.orders for value in (*old.values(), *new.values()))
    assert shown(tmp_path, err) == []
    assert run("render")[0] == 0


def test_an_interrupted_rotation_of_a_server_that_is_down_waits_for_up(
    run, made, database, feed, tmp_path, monkeypatch
):
    database.states = [container("postgres")]
    stack = verbs.open_stack(tmp_path)
    interrupted(monkeypatch, stack, "the server", nth=1, after=True)
    before, database.states = kept(tmp_path), []
    code, _, err = run("render")
    assert (code, kept(tmp_path)) == (1, before)
    assert "a rotation of POSTGRES_PASSWORD was interrupted, and postgres, which must be told, is not running" in err
    assert "`stackgen up` finishes the rotation" in err
    assert (
        "not everybody knows the new LITELLM_MASTER_KEY, POSTGRES_PASSWORD yet; `stackgen up` finishes it"
        in run("secrets", "list")[2]
    )
    database.has_data = False
    feed(b"sk-mine-0123456789-abc")
    assert "`stackgen up` finishes it first" in run("secrets", "set", "LITELLM_MASTER_KEY")[2]
    database.has_data = True

    def start_alone(folder, names, service):
        assert (folder, service) == (stack.out, "postgres")
        database.states = [container("postgres")]

    monkeypatch.setattr(runtime.compose, "start_alone", start_alone)
    assert set(verbs.render_stack(stack, may_start=True).rotated) == {"LITELLM_MASTER_KEY", "POSTGRES_PASSWORD"}
    assert database.opens(kept(tmp_path)["POSTGRES_PASSWORD"])


def test_an_interrupted_rotation_is_finished_where_its_data_was_given_up(run, made, database, tmp_path, monkeypatch):
    database.states = [container("postgres")]
    interrupted(monkeypatch, verbs.open_stack(tmp_path), "the server", nth=1, after=False)
    database.states, database.has_data = [], False
    assert run("render")[0] == 0
    assert copied(tmp_path) == {**copied(tmp_path), **kept(tmp_path)}
    assert database.orders == []


def test_a_server_that_refuses_leaves_everything_as_it_was(run, made, database, tmp_path):
    database.states, database.refuses = [container("postgres")], "permission denied to alter role"
    before = kept(tmp_path)
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert code == 1
    assert "postgres does not take a new POSTGRES_PASSWORD: ERROR:  permission denied to alter role" in err
    assert "SCRAM" not in err
    assert kept(tmp_path) == before
    assert not (tmp_path / ".stackgen" / "rotation.json").exists()
    assert run("render")[0] == 0


def test_a_server_that_does_not_open_with_the_new_value_gets_the_old_one_back(run, made, database, tmp_path):
    database.states, database.mistaken = [container("postgres")], 1
    before = kept(tmp_path)
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert (code, "postgres does not take a new POSTGRES_PASSWORD: FATAL:" in err) == (1, True), err
    assert "nothing has changed" in err
    assert (kept(tmp_path), database.opens(before["POSTGRES_PASSWORD"])) == (before, True)
    assert not (tmp_path / ".stackgen" / "rotation.json").exists()


def test_a_server_that_takes_neither_value_is_told_again_later(run, made, database, tmp_path):
    database.states, database.mistaken = [container("postgres")], 2
    before = kept(tmp_path)
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert (code, "postgres takes neither the old nor a new POSTGRES_PASSWORD" in err) == (1, True), err
    assert "hint: look at `stackgen logs postgres`; `stackgen up` tries again" in err
    assert kept(tmp_path) == before
    assert run("render")[0] == 0
    assert database.opens(kept(tmp_path)["POSTGRES_PASSWORD"])
    assert kept(tmp_path) != before


def test_a_server_that_is_not_healthy_is_told_nothing(run, made, database, tmp_path):
    database.states = [container("postgres", health="unhealthy"), container("redis")]
    before = kept(tmp_path)
    code, _, err = run("secrets", "rotate", "POSTGRES_PASSWORD", "--yes")
    assert (code, "postgres, which must be told, is not running" in err, database.orders) == (1, True, [])
    assert kept(tmp_path) == before


def test_a_rotation_of_a_secret_that_the_spec_has_left_out_waits_until_it_is_back(run, made, tmp_path):
    before = kept(tmp_path)["OWN_SECRET"]
    rotation.begin_rotation(verbs.open_stack(tmp_path), ["OWN_SECRET", "REDIS_PASSWORD"], {})
    intended = vault.intended(tmp_path).new["OWN_SECRET"].reveal()
    without = SPEC.replace("  OWN_SECRET: {generate: true, purpose: signs cookies}\n", "")
    write_spec(tmp_path, without.replace(", COOKIES: OWN_SECRET", ""))
    assert "rotated REDIS_PASSWORD\n" in run("render")[2]
    assert (kept(tmp_path)["OWN_SECRET"], list(vault.intended(tmp_path).new)) == (before, ["OWN_SECRET"])
    write_spec(tmp_path, SPEC)
    assert "rotated OWN_SECRET\n" in run("render")[2]
    assert kept(tmp_path)["OWN_SECRET"] == copied(tmp_path)["OWN_SECRET"] == intended
    assert not (tmp_path / ".stackgen" / "rotation.json").exists()


def test_a_server_with_another_password_than_the_kept_one_is_mended(made, database, tmp_path):
    database.states, database.verifier = [container("postgres")], verifier_of("somebody-else-set-this")
    stack = verbs.open_stack(tmp_path)
    rotation.begin_rotation(stack, ["POSTGRES_PASSWORD"], {})
    verbs.render_stack(stack)
    assert database.opens(kept(tmp_path)["POSTGRES_PASSWORD"])


# keys of clients


def test_the_gateway_forgets_the_key_that_was_replaced_and_gets_the_new_one(made, database, tmp_path, feed, run):
    with gateway_api.running() as (gateway, port):
        write_spec(tmp_path, SPEC.replace("port: 4000", f"port: {port}"))
        file = tmp_path / ".stackgen" / "secrets.env"
        file.write_text(file.read_text().replace(kept(tmp_path)["LITELLM_MASTER_KEY"], gateway_api.MASTER))
        settled(tmp_path)
        first = kept(tmp_path)["LITELLM_KEY_CI"]
        assert set(gateway.keys) == {gateway_api.digest(first)}
        assert run("secrets", "rotate", "LITELLM_KEY_CI")[0] == 0
        assert run("secrets", "rotate", "LITELLM_KEY_CI")[0] == 0  # before the gateway heard of the first new one
        gateway.replies["/key/delete"] = (500, '{"error": {"message": "down"}}')
        failures = settled(tmp_path)
        assert failures[0].message.startswith("the gateway has not forgotten the old LITELLM_KEY_CI: HTTP 500: ")
        assert first not in str(failures)
        gateway.replies.clear()
        assert settled(tmp_path) == []
        assert live(gateway) == {gateway_api.digest(kept(tmp_path)["LITELLM_KEY_CI"])}
        feed(b"sk-mine-0123456789-abcdef")
        assert run("secrets", "set", "LITELLM_KEY_CI")[0] == 0
        assert settled(tmp_path) == []
        assert live(gateway) == {gateway_api.digest("sk-mine-0123456789-abcdef")}
        assert not (tmp_path / ".stackgen" / "rotation.json").exists()


def test_a_key_of_a_client_that_is_set_again_is_to_be_forgotten_and_nothing_else_is(run, stopped, feed, tmp_path):
    for name, values in {
        "FAR_KEY": (b"far-one", b"far-two"),
        "LITELLM_KEY_CI": (b"sk-mine-0123456789-abcdef",),
    }.items():
        for value in values:
            feed(value)
            assert run("secrets", "set", name)[0] == 0
        assert vault.intended(tmp_path) == vault.Rotation()
    old = vault.SecretValue(kept(tmp_path)["LITELLM_KEY_CI"])
    feed(b"sk-other-9876543210-fedcba")
    assert run("secrets", "set", "LITELLM_KEY_CI")[0] == 0
    assert vault.intended(tmp_path) == vault.Rotation({}, {"LITELLM_KEY_CI": old.digest})
    err = run("secrets", "list")[2]
    assert err == "warning: not everybody knows the new LITELLM_KEY_CI yet; `stackgen up` finishes it\n"


def live(gateway):
    return {digest for digest, row in gateway.keys.items() if row["status"] == "active"}


def settled(folder):
    """What `up` does about teams and keys once the gateway is healthy; what failed."""
    stack = verbs.open_stack(folder)
    values = verbs.render_stack(stack).values
    failures = running.forget_replaced(stack, values)
    return [*failures, *(entry for entry in running.settle_access(stack, values) if entry.has_failed)]
