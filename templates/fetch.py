"""Fetches models into a running Ollama or Speaches; a model that is there is not fetched again, so this works offline.

    python fetch.py ollama http://ollama:11434 MODEL...
    python fetch.py speaches http://speaches:8000 MODEL...        # SPEACHES_API_KEY: the server's key, if it has one

Exit code: 0 every model is there; 1 some are not, or the server does not answer; 2 wrong usage; 130, 143 stopped.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NoReturn

DEFAULTS = {
    "FETCH_ATTEMPTS": 5,
    "FETCH_FIRST_PAUSE_SECONDS": 5,  # doubles after each attempt, up to LONGEST_PAUSE_SECONDS
    "FETCH_PROGRESS_SECONDS": 2,  # least time between two lines of progress
    "FETCH_HEARTBEAT_SECONDS": 15,  # how often to say that a fetch without progress still goes on
    "FETCH_SILENCE_SECONDS": 3600,  # Speaches is silent while it fetches, Ollama while it verifies
}
"""What the environment may set."""
LONGEST_PAUSE_SECONDS, LOOK_SECONDS, LONGEST_REASON = 300, 30, 300
ADDRESS = r"https?://([\w.-]+|\[[\da-f:]+\])(:\d{1,5})?/?"
NOT_FOUND, PASSING_STATUS, FIRST_SERVER_ERROR = 404, (408, 425, 429), 500

FINAL = (
    (r"newer version of ollama", "this Ollama is too old for the model"),
    (r"no space left|disk quota", "the disk is full"),
    (r"permission denied|read-only file system", "the server cannot write its models"),
    (r"invalid model (name|path)", "not a name of a model"),
    (r"file does not exist|model .*not found", "no such model or tag"),
    (r"manifest: 4(?!08|25|29)\d\d|unauthorized", "the registry refuses"),
)
"""Ollama has no error codes: texts that no further attempt changes, and what they mean. All others may pass."""


class FetchError(Exception):
    """Why an attempt failed, in one line; `final` where the next one would end the same way."""

    def __init__(self, reason: str, *, final: bool = False, status: int = 0) -> None:
        # The download addresses that Ollama quotes are signed, and longer than all that matters.
        unsigned = re.sub(r"(https?://[^\s\"?]+)\?[^\s\"]*", r"\1?...", reason)
        printable = "".join(character if character.isprintable() else " " for character in unsigned)
        super().__init__(" ".join(printable.split())[:LONGEST_REASON])
        self.final, self.status = final, status


class Server:
    """A neighbour that fetches models; every failure to talk to it is told in words."""

    list_path, list_key, name_key = "", "", ""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        # Docker may hand a proxy to every container, and no proxy can reach a neighbour.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @contextmanager
    def ask(self, method: str, path: str, seconds: float, body: bytes | None = None) -> Iterator[Any]:
        """A request and its answer, to be read inside the block."""
        request = urllib.request.Request(self.url + path, data=body, headers=self.headers, method=method)  # noqa: S310 - main has checked the URL
        try:
            with self.opener.open(request, timeout=seconds) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            raise refusal(error) from None
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "strerror", None) or error.reason
            raise FetchError(f"no connection to {self.url}: {reason}") from None
        except TimeoutError:
            raise FetchError(f"{self.url} was silent for {seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(f"the connection to {self.url} broke: {str(error) or type(error).__name__}") from None
        except (ValueError, LookupError, TypeError, AttributeError):
            raise FetchError(f"{self.url}{path} gave an answer of another form; is this the right server?") from None

    def listed(self, path: str = "", seconds: float = LOOK_SECONDS) -> set[str]:
        """The models of a list, as `name_of` spells them."""
        with self.ask("GET", path or self.list_path, seconds) as answer:
            return {self.name_of(row[self.name_key]) for row in json.load(answer)[self.list_key]}

    def name_of(self, model: str) -> str:
        """A model's name as the list spells it."""
        return model


class Ollama(Server):
    """POST /api/pull streams a JSON object a line; a failure after the first one is a line too, under HTTP 200."""

    list_path, list_key, name_key = "/api/tags", "models", "name"

    def name_of(self, model: str) -> str:
        """Ollama knows no case, leaves its own registry and namespace out, and adds the tag."""
        name = re.sub(r"^https?://", "", model.lower()).removeprefix("registry.ollama.ai/").removeprefix("library/")
        return name if ":" in name.rpartition("/")[2] else f"{name}:latest"

    def fetch(self, model: str) -> None:
        """Only a stream whose last line says so is a success."""
        progress = Progress(model)
        status, body = "", json.dumps({"model": model}).encode()
        with self.ask("POST", "/api/pull", setting("FETCH_SILENCE_SECONDS"), body) as answer:
            for line in filter(None, map(bytes.strip, answer)):
                event = json.loads(line)
                if "error" in event:
                    raise judged(str(event["error"]))
                progress.take(event)
                status = event.get("status", "")
        if status != "success":
            raise FetchError(f"the stream ended before success, after {status!r}")


class Speaches(Server):
    """POST /v1/models/{id} blocks until the model is there: 200 fetched now, 201 was there already."""

    list_path, list_key, name_key = "/v1/models", "data", "id"

    def fetch(self, model: str) -> None:
        """Newer versions take a hub that they cannot reach for an empty one: 404 for every model."""
        silence, path = setting("FETCH_SILENCE_SECONDS"), f"/v1/models/{urllib.parse.quote(model, safe='/')}"
        try:
            with heartbeat(model), self.ask("POST", path, silence) as answer:
                answer.read()
        except FetchError as error:
            if error.status == NOT_FOUND and self.sees_no_hub():
                raise FetchError("Speaches sees no models at all on the Hugging Face hub: no network?") from None
            raise

    def sees_no_hub(self) -> bool:
        """Whether the list of what could be fetched is empty."""
        with suppress(FetchError):
            return not self.listed("/v1/registry", setting("FETCH_SILENCE_SECONDS"))
        return False


class Progress:
    """What Ollama says of its blobs, summed: a line where the whole percent changed, and not too often."""

    def __init__(self, model: str) -> None:
        self.model, self.blobs = model, dict[str, tuple[int, int]]()
        self.percent, self.step, self.next_line = -1, "", 0.0

    def take(self, event: dict[str, Any]) -> None:
        """A line of the stream: progress of a blob, or the name of a step."""
        step = event.get("status", "")
        if event.get("total"):
            self.blobs[event.get("digest", "")] = (event.get("completed", 0), event["total"])
            self.show(sum(done for done, _ in self.blobs.values()), sum(total for _, total in self.blobs.values()))
        elif "digest" not in event and step not in ("success", self.step):
            self.step = step
            say(f"{self.model}: {step}")

    def show(self, done: int, total: int) -> None:
        """A line, if it is time for one."""
        percent, now, gib = 100 * done // total, time.monotonic(), total / 2**30
        if percent != self.percent and now >= self.next_line:
            self.percent, self.next_line = percent, now + setting("FETCH_PROGRESS_SECONDS")
            say(f"{self.model}: {percent} % of {gib:.{1 if gib >= 1 else 2}f} GiB")


@contextmanager
def heartbeat(model: str) -> Iterator[None]:
    """Say every few seconds that a silent fetch still goes on."""
    done, began, pause = threading.Event(), time.monotonic(), setting("FETCH_HEARTBEAT_SECONDS")

    def beat() -> None:
        while not done.wait(pause):
            say(f"{model}: still fetching after {time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def judged(text: str) -> FetchError:
    """An error of Ollama, judged by its words."""
    for pattern, meaning in FINAL:
        if re.search(pattern, text, re.IGNORECASE):
            return FetchError(f"{meaning} ({text})", final=True)
    return FetchError(text)


def refusal(error: urllib.error.HTTPError) -> FetchError:
    """A status that is no success, with what the server says about it."""
    text = ""
    with error, suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
        text = error.read(65536).decode(errors="replace")
        said = json.loads(text)
        text = str(said.get("error") or said.get("detail") or text)
    final = error.code < FIRST_SERVER_ERROR and error.code not in PASSING_STATUS
    reason = f"HTTP {error.code}: {text or error.reason}"
    return FetchError(reason, final=final or judged(text).final, status=error.code)


def persist(what: str, attempt: Callable[[], object]) -> bool:
    """Try until it works, until it cannot work, or until the attempts are used up."""
    attempts, pause = max(1, int(setting("FETCH_ATTEMPTS"))), setting("FETCH_FIRST_PAUSE_SECONDS")
    for number in range(1, attempts + 1):
        try:
            attempt()
        except FetchError as error:
            if error.final or number == attempts:
                say(f"{what}: failed: {error}" + ("" if error.final else f" (attempt {number} of {attempts})"))
                return False
            pause = min(pause, LONGEST_PAUSE_SECONDS)
            say(f"{what}: {error} (attempt {number} of {attempts}, the next in {pause:g} s)")
            time.sleep(pause)
            pause *= 2
        else:
            return True
    return False


def ensure(server: Ollama | Speaches, model: str) -> None:
    """Look first, fetch second, look again: what the server lists is what counts."""
    name = server.name_of(model)
    if name in server.listed():
        say(f"{model}: present")
        return
    say(f"{model}: fetching")
    server.fetch(model)
    if name not in server.listed():
        raise FetchError("the server says that it has it and does not list it; is this an alias?", final=True)
    say(f"{model}: fetched")


def say(line: str) -> None:
    """A whole line at once: `docker logs` shows it, and two threads write."""
    print(f"{line}\n", end="", flush=True)


def setting(name: str) -> float:
    """A number of DEFAULTS, or what the environment says instead."""
    text = os.environ.get(name) or str(DEFAULTS[name])
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text):
        wrong(f"{name} is no number: {text!r}")
    return float(text)


def wrong(message: str) -> NoReturn:
    """Wrong usage."""
    print(f"fetch.py: {message}", file=sys.stderr)
    raise SystemExit(2)


def stop(number: int, _: object) -> None:
    """End at once. Without a handler the first process of a container would not even hear SIGTERM."""
    os.write(1, f"stopped by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)


def main(arguments: list[str]) -> int:
    """Every model, whatever becomes of the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    key = os.environ.get("SPEACHES_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        wrong("SPEACHES_API_KEY holds characters that no HTTP header can carry")
    for name in DEFAULTS:
        setting(name)
    match arguments:
        case [("ollama" | "speaches") as kind, url, _, *_] if re.fullmatch(ADDRESS, url):
            server: Ollama | Speaches = Ollama(url) if kind == "ollama" else Speaches(url, key)
        case _:
            wrong("usage: fetch.py ollama|speaches http://HOST:PORT MODEL...")
    models = list(dict.fromkeys(arguments[2:]))
    for model in models:
        if not model.strip() or not model.isprintable():
            wrong(f"not a name of a model: {model!r}")
    # A server that does not answer is waited for once, not once a model.
    there = persist(url, server.listed) and sum(persist(model, partial(ensure, server, model)) for model in models)
    say(f"{there:d} of {len(models)} models are there")
    return 0 if there == len(models) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
