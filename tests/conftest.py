"""Fixtures to run programs: plainly, under ``heapline run``, and the ``heapline`` command itself."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heapline
import pytest

TARGETS = Path(__file__).parent / "targets"


def pytest_configure() -> None:
    """Have programs start with SIGINT at its default: a shell that runs the tests in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    out: bytes
    err: bytes
    capture: Path
    """Where the process was told to put its capture; there need not be one."""

    def snapshot(self) -> heapline.Snapshot:
        """What the capture holds."""
        return heapline.load(self.capture)


def clean_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment without what changes how Python behaves, so that tests do not depend on who runs them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    environment.update(LC_ALL="C.UTF-8", PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
    for name in ("HEAPLINE", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        environment.pop(name, None)
    environment.update(changes)
    return environment


@pytest.fixture(scope="session")
def obey_permissions() -> Callable[[], None]:
    """For ``prepare``: has the process obey file permissions even when it is root's."""

    def obey_permissions() -> None:
        drop_from_bounding_set, override, read_search = 24, 1, 2
        for capability in (override, read_search):
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)

    return obey_permissions


@pytest.fixture(scope="session")
def targets() -> Path:
    """The folder of the programs that tests run."""
    return TARGETS


@pytest.fixture
def execute(tmp_path: Path) -> Callable[..., Finished]:
    """Run words as a process: ``execute(words, environment={}, stdin=b"", directory=...)``."""
    working_directory = tmp_path / "work"
    working_directory.mkdir()

    def execute(
        words: Sequence[str | bytes | Path],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        directory: Path = working_directory,
        prepare: Callable[[], None] | None = None,
    ) -> Finished:
        process = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            cwd=directory,
            env=clean_environment(environment or {}),
            timeout=120,
            preexec_fn=prepare,
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr, tmp_path / "out.heapline")

    return execute


@pytest.fixture
def run_plainly(execute: Callable[..., Finished]) -> Callable[..., Finished]:
    """Run a program with ``python``: ``run_plainly([script, argument], interpreter=["-O"])``."""

    def run_plainly(
        program: Sequence[str | bytes | Path], *, interpreter: Sequence[str] = (), **how: object
    ) -> Finished:
        return execute([sys.executable, *interpreter, *program], **how)

    return run_plainly


@pytest.fixture
def run_recorded(execute: Callable[..., Finished], tmp_path: Path) -> Callable[..., Finished]:
    """Run a program with ``heapline run``: ``run_recorded([script, argument], options=["-q"])``."""

    def run_recorded(
        program: Sequence[str | bytes | Path],
        *,
        interpreter: Sequence[str] = (),
        options: Sequence[str] = ("-q",),
        launcher: Sequence[str | Path] = ("-m", "heapline"),
        **how: object,
    ) -> Finished:
        capture = tmp_path / "out.heapline"
        return execute([sys.executable, *interpreter, *launcher, "run", "-o", capture, *options, *program], **how)

    return run_recorded


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``targets/time/clock.c``: clocks that stand still until the program says that time has passed."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = TARGETS / "time" / "clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


@pytest.fixture
def run_service(run_recorded: Callable[..., Finished], clock: Path) -> Callable[..., Finished]:
    """Run ``targets/time/service.py`` with ``heapline run``: ``run_service("100")`` for that many steps."""

    def run_service(*words: str) -> Finished:
        return run_recorded([TARGETS / "time" / "service.py", *words], environment={"LD_PRELOAD": str(clock)})

    return run_service


@pytest.fixture
def command(execute: Callable[..., Finished]) -> Callable[..., Finished]:
    """Run the ``heapline`` command: ``command("report", path)``."""

    def command(*words: str | bytes | Path, **how: object) -> Finished:
        return execute([sys.executable, "-m", "heapline", *words], **how)

    return command


@pytest.fixture
def report(command: Callable[..., Finished], tmp_path: Path) -> Callable[..., Any]:
    """The JSON report of the capture that `run_recorded` left: ``report("--at", "50%")``."""

    def report(*words: str) -> Any:
        finished = command("report", tmp_path / "out.heapline", "--json", *words)
        assert (finished.status, finished.err) == (0, b"")
        return json.loads(finished.out)

    return report


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Write a program and return its path: ``script("print(1)")``."""

    def script(source: str | bytes, name: str = "script.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.encode() if isinstance(source, str) else source)
        return path

    return script
