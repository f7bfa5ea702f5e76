"""A program under ``heapline run`` behaves as under ``python``, to the letter.

Each case runs both ways in the same directory; standard output, standard error and exit status must be the same bytes.
"""

import os
import py_compile
import re
import signal
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PLAIN = Path(__file__).parents[1] / "targets" / "plain"
CONSOLE_SCRIPT = Path(sys.executable).with_name("heapline")


@dataclass(frozen=True)
class Case:
    """A program, and how it is run."""

    name: str
    program: Sequence[str | bytes]
    interpreter: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    since: tuple[int, int] = (3, 10)
    status: int | None = None
    """The expected status where a wrong program could make both runs fail alike."""


def script(name: str, *arguments: str, label: str = "", **how: Any) -> Case:
    """A case for a script in ``targets/plain``."""
    name_of_case = "-".join([name, *filter(None, [label or "-".join(arguments)])])
    return Case(name_of_case, [str(PLAIN / f"{name}.py"), *arguments], **how)


def code(name: str, source: str, *arguments: str, **how: Any) -> Case:
    """A case for ``-c``."""
    return Case(f"code-{name}", ["-c", source, *arguments], **how)


STATUSES = {
    "none": "sys.exit(None)",
    "nothing": "sys.exit()",
    "zero": "sys.exit(0)",
    "three": "sys.exit(3)",
    "true": "sys.exit(True)",
    "255": "sys.exit(255)",
    "256": "sys.exit(256)",
    "negative": "sys.exit(-1)",
    "large": "sys.exit(2**40 + 5)",
    "huge": "sys.exit(2**70)",
    "text": "sys.exit('gone')",
    "empty-text": "sys.exit('')",
    "surrogates": "sys.exit('\\udc80')",
    "list": "sys.exit([])",
    "tuple": "sys.exit((1, 2))",
    "float": "sys.exit(3.5)",
    "two-arguments": "raise SystemExit(1, 2)",
    "class": "raise SystemExit",
    "subclass": "raise WithCode",
    "nested": "raise SystemExit(SystemExit(4))",
    "unprintable": "sys.exit(Unprintable())",
    "exit": "exit(2)",
    "in-finally": "try:\n  sys.exit(1)\nfinally:\n  sys.exit(2)",
}

FAILURES = [
    ("plain", (3, 10)),
    ("chained", (3, 10)),
    ("in_context", (3, 10)),
    ("recursive", (3, 10)),
    ("unprintable", (3, 10)),
    ("noted", (3, 11)),
    ("grouped", (3, 11)),
    ("base", (3, 10)),
    ("generator_exit", (3, 10)),
    ("compiled", (3, 10)),
    ("misspelt", (3, 10)),
    ("import_error", (3, 10)),
    ("assertion", (3, 10)),
    ("without_traceback", (3, 10)),
]

INTERRUPTIONS = {
    "raised": -signal.SIGINT,
    "with_text": -signal.SIGINT,
    "subclass": None,
    "signalled": -signal.SIGINT,
    "caught": 0,
    "own_handler": 42,
    "default_handler": -signal.SIGINT,
    "own_hook": -signal.SIGINT,
    "terminated": -signal.SIGTERM,
    "killed": -signal.SIGKILL,
    "aborted": -signal.SIGABRT,
    "in_thread": 0,
    "after_interrupt_exit": 4,
}

CASES = [
    script("arguments", "-x", "--", "caf\xe9", "", "run", label="words"),
    script("arguments", label="isolated", interpreter=["-I"]),
    script("arguments", label="no-user-site", interpreter=["-s", "-E", "-u", "-B", "-X", "utf8", "-W", "error"]),
    script("arguments", label="safe-path", interpreter=["-P"], since=(3, 11)),
    script("arguments", label="safe-path-variable", environment={"PYTHONSAFEPATH": "1"}, since=(3, 11)),
    Case("arguments-bytes", [str(PLAIN / "arguments.py"), b"caf\xe9"]),
    script("namespace"),
    script("frames"),
    script("pickling"),
    script("processes", "spawn"),
    script("processes", "fork", environment={"PYTHONWARNINGS": "ignore"}),
    script("processes", "forkserver"),
    *(script("exit_with", source, label=name) for name, source in STATUSES.items()),
    *(script("failing", name, since=since) for name, since in FAILURES),
    *(script("interrupted", name, status=status) for name, status in INTERRUPTIONS.items()),
    script("ending"),
    script("threads"),
    *(script("hooks", name) for name in ("unchanged", "deleted", "printing", "raising", "exiting")),
    script("forking"),
    script("leaving", "exit", status=6),
    script("leaving", "execute", status=8),
    script("closing", "sys.stdout.close()", label="stdout"),
    script("closing", "sys.stderr.close()", label="stderr"),
    script("closing", "sys.stdin.close()", label="stdin"),
    script("closing", "print('lost'); os.close(1)", label="descriptor-1", status=120),
    script("closing", "os.close(2); print(1 / 0)", label="descriptor-2"),
    script("closing", "sys.stdout = None; print('nowhere')", label="no-stdout"),
    script("closing", "sys.stderr = None; 1 / 0", label="no-stderr"),
    script("closing", "del sys.stdout, sys.stderr, sys.argv, sys.path", label="deleted"),
    script("closing", "sys.modules.clear()", label="no-modules"),
    script("closing", "del sys.modules['__main__']", label="no-main"),
    script("closing", "os.chdir('/')", label="directory"),
    script("warning"),
    script("warning", label="as-errors", interpreter=["-W", "error"]),
    script("warning", label="development", interpreter=["-X", "dev"]),
    script("debug"),
    script("debug", label="optimised", interpreter=["-O"], status=0),
    script("debug", label="optimised-more", interpreter=["-OO", "-X", "dev"], status=0),
    script("ending", label="development", interpreter=["-X", "dev"]),
    *(
        script(name, label=f"allocator-{allocator}", environment={"PYTHONMALLOC": allocator})
        for name in ("ending", "tasks", "forking", "threads")
        for allocator in ("debug", "malloc", "malloc_debug", "pymalloc_debug")
    ),
    script("input", stdin=b"one\ntwo\nthree\nfour\n"),
    script("input", label="encoding", stdin=b"one\n\xff\n", environment={"PYTHONIOENCODING": "latin-1:ignore"}),
    script("observing"),
    script("tasks"),
    script("source"),
    script("usage", "--help"),
    script("usage", "--number", "x"),
    script("interpreters", since=(3, 12)),
    code("names", "print(list(globals()), __name__, __spec__, __loader__)"),
    code("arguments", "import sys; print(sys.argv, sys.orig_argv, sys.path)", "-c", "-m", "--help"),
    code("isolated", "import sys; print(sys.argv, sys.path)", interpreter=["-I"]),
    code("empty", ""),
    code("lines", "def f():\n    return 1 / 0\nprint('caf\xe9')\nf()"),
    code("syntax", "print("),
    # From 3.14 on indentation that all lines have in common is taken away.
    code("indentation", "  print(1)"),
    code("indented", "\n    if True:\n   \t \n        print('''a\n     b\n      \n    ''')\n      # c\n    1 / 0\n  "),
    code("indented-by-tabs", "\tprint(1)\n\tif 1:\n\t\tprint(2)\n \n"),
    code("indented-differently", "\t  print(1)\n  print(2)"),
    code("indented-less", "    print(1)\n  print(2)"),
    code("indented-with-others", "\f  print(1)\n\xa0 print(2)"),
    code("blanks", "   \n  "),
    code("cookie", "# coding: latin-1\nprint('caf\xe9')"),
    code("exit", "import sys; sys.exit(5)", status=5),
    code("exit-text", "raise SystemExit('text')", status=1),
    code("interrupted", "raise KeyboardInterrupt", status=-signal.SIGINT),
    code("frames", "import sys, traceback; print(sys._getframe().f_back); traceback.print_stack()"),
    code("development", "import sys; print(sys.flags); 1/0", interpreter=["-X", "dev"]),
    code("namespace", "import sys; print(sys.modules['__main__'].__dict__ is globals()); print(__file__)"),
    Case("code-bytes", ["-c", b"print('caf\xe9')"]),
    Case("code-attached", ["-cprint(1)", "argument"]),
    Case("module-with-input", ["-m", "json.tool"], stdin=b'{"a": [1]}', status=0),
    Case("module-attached", ["-mjson.tool", "--indent", "2"], stdin=b"[1]", status=0),
    Case("module-failing", ["-m", "json.tool", "no such file"]),
    Case("module-missing", ["-m", "no_such_module"], status=1),
    Case("module-without-main", ["-m", "json"], status=1),
    *(
        Case(f"staying-{name}", program, interpreter=interpreter, environment=environment)
        for name, program, interpreter, environment in (
            ("module-missing", ["-m", "no_such_module"], [], {"PYTHONINSPECT": "1"}),
            ("module-exit", ["-m", "json.tool", "--no-such-option"], ["-i"], {}),
            ("script", [str(PLAIN / "failing.py"), "plain"], ["-i"], {}),
            ("code-exit", ["-c", "import sys; sys.exit(3)"], [], {"PYTHONINSPECT": "1"}),
            ("code-failing", ["-c", "1 / 0"], ["-i"], {}),
            (
                "code-at-end",
                ["-c", "import atexit, sys; atexit.register(lambda: print(vars(sys).get('last_type')))"],
                ["-i"],
                {},
            ),
        )
    ),
    Case("module-isolated", ["-m", "json.tool"], interpreter=["-I"], stdin=b"{}"),
    Case("module-development", ["-m", "json.tool"], interpreter=["-X", "dev"], stdin=b"{}"),
    Case("stdin", ["-", "argument"], stdin=b"import sys\nprint(sys.argv, sys.path, list(globals()), __file__)\n"),
    Case("stdin-failing", ["-"], stdin=b"def f():\n  1 / 0\nf()\n"),
    Case("stdin-syntax", ["-"], stdin=b"print(\n"),
    Case("stdin-exit", ["-"], stdin=b"raise SystemExit(6)\n", status=6),
    Case("stdin-file", ["/dev/stdin"], stdin=b"import sys\nprint(sys.argv, sys.path[0], __file__)\n"),
]


@pytest.fixture
def compare(run_plainly: Any, run_recorded: Any) -> Callable[..., None]:
    """Run a case both ways and compare."""

    def compare(case: Case, **how: Any) -> None:
        common = {"interpreter": case.interpreter, "environment": case.environment, "stdin": case.stdin, **how}
        launcher = common.pop("launcher", ("-m", "heapline"))
        plain = run_plainly(case.program, **common)
        recorded = run_recorded(case.program, launcher=launcher, **common)
        assert comparable(recorded.out) == comparable(plain.out)
        assert comparable(recorded.err) == comparable(plain.err)
        assert recorded.status == plain.status
        if case.status is not None:
            assert plain.status == case.status
        assert recorded.capture.stat().st_size > 0, "the program was not recorded"

    return compare


def comparable(text: bytes) -> str:
    """Text without what differs between any two runs (addresses, ids), and how deep a recursion came.

    For the latter see ``test_recursion_depth``.
    """
    varying = r"0x[0-9a-f]{6,}|(?<=started )\d{6,}|(?<=pid=)\d+|(?<=line repeated )\d+(?= more times)"
    return re.sub(varying, "...", text.decode(errors="replace"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, compare: Callable[..., None]) -> None:
    if sys.version_info < case.since:
        pytest.skip(f"needs Python {'.'.join(map(str, case.since))}")
    compare(case)


THROUGH_CONSOLE_SCRIPT = {
    "arguments-words",
    "arguments-isolated",
    "frames",
    "namespace",
    "code-arguments",
    "code-interrupted",
    "exit_with-three",
    "failing-plain",
    "interrupted-signalled",
    "ending",
    "module-failing",
    "processes-spawn",
    "staying-module-missing",
    "staying-script",
    "staying-code-exit",
    "stdin",
}


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in THROUGH_CONSOLE_SCRIPT], ids=lambda case: case.name
)
def test_case_through_the_console_script(case: Case, compare: Callable[..., None]) -> None:
    compare(case, launcher=[CONSOLE_SCRIPT])


def test_console_script_cases_exist() -> None:
    assert {case.name for case in CASES} >= THROUGH_CONSOLE_SCRIPT


# Where the layout of frames is not known our own cannot be hidden from a program that looks for them; what it prints
# and how it ends must be the same all the same. `exit_with-huge` leaves an exception set, and 3.12 and newer print it
# while they finalise, with the frames of that moment.
LOOKING_FOR_FRAMES = {"frames", "observing", "warning", "code-frames", "interpreters", "exit_with-huge"}


@pytest.mark.skipif(
    sys.version_info >= (3, 14) and hasattr(sys, "gettotalrefcount"),
    reason="such a debug build is not recorded: see test_frame_access.py",
)
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not any(case.name.startswith(name) for name in LOOKING_FOR_FRAMES)],
    ids=lambda case: case.name,
)
def test_case_with_an_unknown_layout_of_frames(case: Case, run_plainly: Any, run_recorded: Any) -> None:
    if sys.version_info < case.since:
        pytest.skip(f"needs Python {'.'.join(map(str, case.since))}")
    environment = {**case.environment, "HEAPLINE_FRAMES": "public"}
    common = {"interpreter": case.interpreter, "environment": environment, "stdin": case.stdin}
    plain, recorded = run_plainly(case.program, **common), run_recorded(case.program, **common)
    assert comparable(recorded.out) == comparable(plain.out)
    assert comparable(without_notice(recorded.err)) == comparable(plain.err)
    assert recorded.status == plain.status


def without_notice(text: bytes) -> bytes:
    """Standard error without the one line that says that frames are read the slow way."""
    return re.sub(rb"^heapline: .*\n", b"", text, count=1, flags=re.MULTILINE)


SOURCES = {
    "syntax error": b"print(1)\nif True print(2)\n",
    "indentation": b"if True:\nprint(2)\n",
    "tabs": b"if True:\n        print(1)\n\tprint(2)\n",
    "unterminated": b'x = """abc\n\n',
    "null byte": b"print(1)\nprint(2)\0\n",
    "null byte first": b"\0print(1)\n",
    "bad utf-8": b"print('caf\xe9')\n",
    "cookie": b"# -*- coding: latin-1 -*-\nprint('caf\xe9', ascii('\xe9'))\n",
    "cookie in second line": b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nprint(ascii('\x80'))\n",
    "cookie and error": b"# -*- coding: latin-1 -*-\nprint('caf\xe9' 1)\n",
    "unknown cookie": b"# -*- coding: no-such -*-\nprint(1)\n",
    "byte order mark": b"\xef\xbb\xbfprint('caf\xc3\xa9')\n",
    "byte order mark and cookie": b"\xef\xbb\xbf# coding: latin-1\nprint(1)\n",
    "carriage returns": b"print(1)\rprint(2)\r\nprint(__file__)",
    "no end of line": b"print(1)\n#",
    "empty": b"",
    "future": b"from __future__ import annotations\nx: undefined = 1\nprint(globals().get('__annotations__'))\n",
    "docstring": b"'''About.'''\nprint(__doc__)\n",
    "warning": b"x = 1 is 1\nprint('\\d')\n",
    "coroutine": b"await x\n",
    "return": b"return 3\n",
}


@pytest.mark.parametrize("name", SOURCES)
def test_source(name: str, script: Callable[..., Path], compare: Callable[..., None]) -> None:
    path = script(SOURCES[name])
    compare(Case(name, [str(path)]))


def test_script_paths(script: Callable[..., Path], tmp_path: Path, compare: Callable[..., None]) -> None:
    source = (
        "import sys\nprint(__file__, sys.argv, sys.path, sys._getframe().f_code.co_filename)\nimport beside\n1 / 0\n"
    )
    path = script(source, "folder/program")
    script("print('beside', __file__)", "folder/beside.py")
    (tmp_path / "link.py").symlink_to(path)
    (tmp_path / "relative.py").symlink_to("folder/../folder/program")
    for word in (
        "folder/program",
        "./folder/program",
        ".//folder/../folder/program",
        "link.py",
        "relative.py",
        str(path),
        f"{tmp_path}/folder/../link.py",
    ):
        compare(Case(word, [word, "x"]), directory=tmp_path)
    compare(Case("own directory", ["program"]), directory=tmp_path / "folder")


def test_script_with_a_name_that_is_not_utf8(tmp_path: Path, compare: Callable[..., None]) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.py")
    with open(path, "wb") as file:
        file.write(b"import sys\nprint(ascii(sys.argv), ascii(__file__))\n1 / 0\n")
    compare(Case("bytes", [path]))


MAIN = """import sys
print(__name__, __file__, __package__, __spec__, sys.argv, sys.path, sys._getframe().f_code.co_filename)
"""


def test_packages(script: Callable[..., Path], tmp_path: Path, compare: Callable[..., None]) -> None:
    script("print('package', __name__, __import__('sys').argv)", "package/__init__.py")
    script(MAIN + "from . import other\nraise SystemExit(3)", "package/__main__.py")
    script(MAIN + "import pickle\nclass C: pass\nprint(type(pickle.loads(pickle.dumps(C()))) is C)", "package/other.py")
    script("1 / 0", "package/failing.py")
    script("import no_such_module", "package/importing.py")
    script("raise ImportError('own')", "broken/__init__.py")
    script(MAIN, "namespace/program.py")
    script("raise KeyboardInterrupt", "package/interrupted.py")
    for name in (
        "package",
        "package.__main__",
        "package.other",
        "package.failing",
        "package.importing",
        "package.missing",
        "package.other.deeper",
        "package.interrupted",
        "broken",
        "broken.deeper",
        "namespace.program",
        "namespace",
        "package/other.py",
        "package.other.py",
    ):
        compare(Case(name, ["-m", name, "argument"]), directory=tmp_path)


def test_directories_and_archives(script: Callable[..., Path], tmp_path: Path, compare: Callable[..., None]) -> None:
    script(MAIN + "import beside", "folder/__main__.py")
    script("print('beside', __file__)", "folder/beside.py")
    (tmp_path / "empty").mkdir()
    for name, members in (("good.zip", ["__main__.py", "beside.py"]), ("without.zip", ["beside.py"])):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.write(tmp_path / "folder" / member, member)
    for word in ("folder", "folder/", "./folder", str(tmp_path / "folder"), "empty", "good.zip", "without.zip", "."):
        compare(Case(word, [word, "argument"]), directory=tmp_path)
        compare(Case(word, [word], interpreter=["-I"]), directory=tmp_path)
    compare(Case("own directory", ["."]), directory=tmp_path / "folder")


def test_compiled_files(script: Callable[..., Path], tmp_path: Path, compare: Callable[..., None]) -> None:
    path = script("import sys\nprint(__file__, __cached__, __loader__.__class__, sys.argv)\n1 / 0\n")
    py_compile.compile(str(path), cfile=str(tmp_path / "compiled.pyc"), doraise=True)
    compare(Case("good", ["compiled.pyc", "x"]), directory=tmp_path)
    (tmp_path / "bad.pyc").write_bytes(b"\0" * 40)
    (tmp_path / "cut.pyc").write_bytes((tmp_path / "compiled.pyc").read_bytes()[:20])
    for name in ("bad.pyc", "cut.pyc"):
        compare(Case(name, [name]), directory=tmp_path)


def test_deleted_working_directory(tmp_path: Path, compare: Callable[..., None]) -> None:
    (tmp_path / "lost").mkdir()
    for program in (["-c", "import sys; print(sys.path)"], ["-m", "json.tool"]):
        compare(Case("deleted", program, stdin=b"{}"), directory=tmp_path / "lost", prepare=remove_directory)


def remove_directory() -> None:
    """Remove the working directory of this process, and make it again for the next one."""
    directory = os.getcwd()
    if os.path.isdir(directory):
        os.rename(directory, f"{directory}-{os.getpid()}")
        os.mkdir(directory)
        os.rmdir(f"{directory}-{os.getpid()}")


def test_recursion_depth(run_plainly: Any, run_recorded: Any) -> None:
    """Our own frames, though hidden, count towards the recursion limit: at most these few."""
    source = "def f(n=1):\n  global depth\n  depth = n\n  f(n + 1)\ntry: f()\nexcept RecursionError: print(depth)"
    plain = int(run_plainly(["-c", source]).out)
    assert plain - 6 <= int(run_recorded(["-c", source]).out) <= plain
    assert plain - 3 <= int(run_recorded(["-c", source], launcher=[CONSOLE_SCRIPT]).out) <= plain


def test_closed_streams(compare: Callable[..., None]) -> None:
    program = ["-c", "import sys; print(sys.stdin, sys.stdout, sys.stderr); sys.exit(3)"]
    for descriptor in (0, 1, 2):
        compare(Case(str(descriptor), program, status=3), prepare=lambda descriptor=descriptor: os.close(descriptor))


def test_ignored_interrupts(compare: Callable[..., None]) -> None:
    source = "import signal; print(signal.getsignal(signal.SIGINT)); signal.raise_signal(signal.SIGINT); print(1)"
    compare(Case("ignored", ["-c", source], status=0), prepare=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
