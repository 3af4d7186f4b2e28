"""A server that stands for Redis: the commands that a cache needs, behind the right password, and nothing else."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

_OK = b"+OK\r\n"
_NOTHING = b"$-1\r\n"
_WRONG = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
_NO_AUTH = b"-NOAUTH Authentication required.\r\n"
_WELCOMES = {b"AUTH": _OK, b"HELLO": b"%2\r\n+version\r\n+8.0.2\r\n+proto\r\n:3\r\n"}
"""HELLO changes the protocol to version 3, with the password among its words."""


@dataclass(kw_only=True)
class StrictRedis:
    """Texts by their keys; times to live are taken and not kept, for no test lasts that long."""

    password: str
    texts: dict[bytes, bytes] = field(default_factory=dict)
    port: int = field(default=0, init=False)

    def answer(self, words: list[bytes]) -> bytes:
        """The reply to one command of a client that showed the password."""
        command = _COMMANDS.get(words[0].upper())
        return command(self, words[1:]) if command else b"-ERR unknown command\r\n"

    @contextmanager
    def listening(self) -> Iterator[StrictRedis]:
        """The server on a free port of this machine; every thread and socket is gone at the end."""
        with _Server(("127.0.0.1", 0), _handler(self)) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = False


def _whole(text: bytes | None) -> bytes:
    return _NOTHING if text is None else b"$%d\r\n%s\r\n" % (len(text), text)


def _several(replies: list[bytes]) -> bytes:
    return b"*%d\r\n%s" % (len(replies), b"".join(replies))


def _set(redis: StrictRedis, words: list[bytes]) -> bytes:
    options = {word.upper() for word in words[2:]}
    if b"NX" in options and words[0] in redis.texts:
        return _NOTHING
    redis.texts[words[0]] = words[1]
    return _OK


def _increase(redis: StrictRedis, words: list[bytes]) -> bytes:
    number = float(redis.texts.get(words[0], b"0")) + float(words[1])
    redis.texts[words[0]] = f"{number:g}".encode()
    return _whole(redis.texts[words[0]])


def _delete(redis: StrictRedis, words: list[bytes]) -> bytes:
    return b":%d\r\n" % sum(redis.texts.pop(key, None) is not None for key in words)


_COMMANDS: Mapping[bytes, Callable[[StrictRedis, list[bytes]], bytes]] = {
    b"PING": lambda _, __: b"+PONG\r\n",
    b"CLIENT": lambda _, __: _OK,
    b"INFO": lambda _, __: _whole(b"redis_version:8.0.2\r\n"),
    b"TIME": lambda _, __: _several([_whole(str(int(time.time())).encode()), _whole(b"0")]),
    b"GET": lambda redis, words: _whole(redis.texts.get(words[0])),
    b"MGET": lambda redis, words: _several([_whole(redis.texts.get(key)) for key in words]),
    b"SET": _set,
    b"DEL": _delete,
    b"INCRBYFLOAT": _increase,
    b"EXPIRE": lambda redis, words: b":%d\r\n" % (words[0] in redis.texts),
    b"TTL": lambda redis, words: b":%d\r\n" % (-1 if words[0] in redis.texts else -2),
}


def _handler(redis: StrictRedis) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = 300  # a client keeps its connections; its end closes them

        def handle(self) -> None:
            known = False
            while words := self.command():
                name = words[0].upper()
                if name in {b"AUTH", b"HELLO"}:
                    known = known or redis.password.encode() in words
                    self.wfile.write(_WELCOMES[name] if known else _WRONG)
                else:
                    self.wfile.write(redis.answer(words) if known else _NO_AUTH)

        def command(self) -> list[bytes]:
            """The words of the next command; none where the client is gone."""
            head = self.rfile.readline()
            return [self.word() for _ in range(int(head[1:]))] if head else []

        def word(self) -> bytes:
            length = int(self.rfile.readline()[1:])
            return self.rfile.read(length + 2)[:-2]

    return Handler
