from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pytest
import said
from engine_stand_in import Engine
from support import GOLDEN, MEASURED, SMALL, write_spec

from stackgen import cli, console, runtime
from stackgen.verbs import bugs

_FOREIGN = (
    "HF_TOKEN",
    "LITELLM_MASTER_KEY",
    "VLLM_API_KEY",
    "INFINITY_API_KEY",
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
)
LONGEST_FIRST = (
    "test_real_stack.py",
    "test_routes.py",
    "test_stand_ins_honest.py",
    "test_partial_stack.py",
    "docker",
    "gateway",
    "test_hostile.py",
    "test_placement.py",
)
"""Files and folders of tests that take minutes; many of them wait while containers start."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure() -> None:
    """Programs that tests start hear an interrupt, also where a shell started the tests in its background."""
    said.remember()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest files first, so that no worker is alone with one of them at the end; `make test` keeps this order."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    names = (item.path.name, item.path.parent.name)
    return min((LONGEST_FIRST.index(name) for name in names if name in LONGEST_FIRST), default=len(LONGEST_FIRST))


def pytest_runtest_logstart() -> None:
    """What programs of the test before said is no news."""
    said.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Why it failed is often in what a program said."""
    report = yield
    if report.failed:
        report.sections += said.sections(item)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured; they only record it."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == MEASURED:
                terminalreporter.write_line(f"measured: {value}")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv(bugs.FOLDER_VARIABLE, str(tmp_path_factory.getbasetemp() / "reports"))
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a verb in a folder with a spec; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(console, "_PATIENCE_SECONDS", 600.0)  # what is said does not depend on the machine's other work

    def call(*words: str, spec: str | None = SMALL) -> tuple[int, str, str]:
        if spec is not None:
            write_spec(tmp_path, spec)
        monkeypatch.setattr(sys, "argv", ["stackgen", *words])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return int(code), out, err

    return call


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, str]], None]:
    """Compare the set of files and each text with tests/golden/<name>/."""

    def compare(name: str, texts: Mapping[str, str]) -> None:
        folder = GOLDEN / name
        if request.config.getoption("--update-golden"):
            _write(folder, texts)
        assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(texts)
        for path, text in texts.items():
            assert (folder / path).read_text(encoding="utf-8") == text, (
                f"golden/{name}/{path}; --update-golden writes it"
            )

    return compare


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine that the verbs meet, empty at first; Compose's hashes are those of its containers."""
    made = Engine()
    made.hashes = {}
    monkeypatch.setattr(runtime, "connect", lambda: made)
    monkeypatch.setattr(runtime.compose, "config_hashes", lambda *_: made.hashes)
    return made
