"""PostgreSQL: keys, teams and spend of the gateway.

https://hub.docker.com/_/postgres
"""

from __future__ import annotations

from stackgen import facts
from stackgen.backing.scram import verifier
from stackgen.parts import (
    DATA_NETWORK,
    Arg,
    Health,
    Image,
    Joined,
    Limits,
    Mount,
    Port,
    Proof,
    Rekey,
    Secret,
    Service,
    Storage,
)

NAME = "postgres"
PORT = 5432
USER = DATABASE = "litellm"
DATA = Storage(name="postgres-data", holds="the gateway's database", shared=False, size_estimate_gib=2)
PASSWORD = Secret(name="POSTGRES_PASSWORD", purpose="opens the database", guards_volume=DATA.name, url_safe=True)

_DATA_FOLDER_BELOW_MAJOR_SINCE = 18


def url() -> Joined:
    """Where the gateway finds its database; the password is URL-safe, so it needs no escapes."""
    return Joined((f"postgresql://{USER}:", PASSWORD, f"@{NAME}:{PORT}/{DATABASE}"))


def service(image: Image) -> Service:
    """The server on the data network. Health asks over TCP: during the first start a private server answers the socket."""
    locks = facts.locks(NAME)
    major = image.release[0]
    target = "/var/lib/postgresql" if major >= _DATA_FOLDER_BELOW_MAJOR_SINCE else "/var/lib/postgresql/data"
    return Service(
        name=NAME,
        image=image,
        why="the gateway keeps keys, teams and spend here",
        environment={
            "POSTGRES_USER": Arg(value=USER),
            "POSTGRES_DB": Arg(value=DATABASE),
            "POSTGRES_PASSWORD": Arg(value=PASSWORD, why="only read while the volume is empty"),
        },
        ports=(Port(container=PORT),),
        mounts=(Mount(storage=DATA, target=target),),
        scratch=locks.writable(),
        read_only=locks.read_only(),
        capabilities=locks.capabilities,
        limits=Limits(memory_gib=locks.memory_gib, pids=locks.pids, cpus=locks.cpus),
        health=Health(command=("pg_isready", "-h", "127.0.0.1", "-U", USER, "-d", DATABASE)),
        start_budget_seconds=120,
        networks=(DATA_NETWORK,),
        stop_seconds=60,
        proof=_login(),
        rekey=_new_password(),
    )


def _login() -> Proof:
    """As the gateway does, by the service's name: the image lets everybody in who comes from 127.0.0.1."""
    return Proof(
        name="login",
        command=("psql", "--no-password", "-h", NAME, "-U", USER, "-d", DATABASE, "-tAc", "select 1"),
        environment={"PGPASSWORD": PASSWORD},
        refusals=("password authentication failed",),
        complaint="the password of the database is not the one in .stackgen/secrets.env",
        hint=f"`stackgen secrets rotate {PASSWORD.name}{{simulate}}` gives both a new one",
    )


def _new_password() -> Rekey:
    """As the image's superuser on the socket, where the image asks for no password; another image may ask for the old one.

    The server gets a verifier in the place of the password: with `log_statement` on, it logs what it is told.
    """
    return Rekey(
        secret=PASSWORD,
        command=(
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--no-password",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            USER,
            "-d",
            DATABASE,
        ),
        environment={"PGPASSWORD": PASSWORD},
        order=_order,
    )


def _order(password: str) -> str:
    return f"ALTER ROLE {USER} PASSWORD '{verifier(password)}';\n"
