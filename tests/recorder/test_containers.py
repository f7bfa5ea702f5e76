"""What containers are like: process ids that come again, users without a name, and places that cannot be written.

Name spaces of the kernel stand in for a container engine; where none can be made the tests are skipped and say so.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heapline
import pytest
from heapline._startup import reserve

Execute = Callable[..., Any]
Within = Callable[..., list[Any]]

RUN = [sys.executable, "-m", "heapline", "run"]
PROGRAM = "import os\nkept = [bytearray(1000) for _ in range(1000)]\nprint(os.getpid(), os.getuid())\n"
KEPT_BYTES = 1000 * 1001


@pytest.fixture
def within() -> Within:
    """Have words run in new name spaces: ``within("--pid", "--fork", words=[...], setup="mount ...")``."""

    def within(*options: str, words: list[Any], setup: str = "true") -> list[Any]:
        around = ["unshare", *options, "sh", "-c", f'{setup} && exec "$@"', "sh"]
        try:
            subprocess.run([*around, "true"], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("unshare is not installed (util-linux)")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no such name spaces here: {error.stderr.decode().strip()}")
        return [*around, *words]

    return within


def live_bytes(capture: Path) -> int:
    snapshot = heapline.load(capture)
    assert snapshot.process.finished
    assert snapshot.lost == []
    return snapshot.totals.live_bytes


def test_process_1(execute: Execute, script: Callable[[str], Path], within: Within, tmp_path: Path) -> None:
    """Also without the file system that shows processes."""
    words = [*RUN, "-o", tmp_path / "out.heapline", script(PROGRAM)]
    for proc in ("mount -t proc proc /proc", "mount -t tmpfs none /proc"):
        finished = execute(within("--pid", "--fork", "--mount", words=words, setup=proc))
        err = finished.err.decode()
        assert (finished.status, finished.out.split()[:1]) == (0, [b"1"]), err
        assert "nothing lost" in err
        assert live_bytes(tmp_path / "out.heapline") > KEPT_BYTES
        assert heapline.load(tmp_path / "out.heapline").process.pid == 1


SIGNALS = {
    "interrupted": "os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
    "interrupt raised": "raise KeyboardInterrupt",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "aborted": "os.abort()",
    "crashed": "import ctypes; ctypes.string_at(0)",
}


@pytest.mark.parametrize("end", SIGNALS)
def test_process_1_and_signals(execute: Execute, script: Callable[[str], Path], within: Within, end: str) -> None:
    """The kernel keeps signals without a handler from process 1; what it does then is what it does without us."""
    program = script(f"import os, signal, time\n{SIGNALS[end]}\nprint('end', flush=True)\n")
    options = ("--pid", "--fork", "--mount-proc", "--kill-child")
    plain = execute(within(*options, words=[sys.executable, program]))
    recorded = execute(within(*options, words=[*RUN, "-q", "-o", "out.heapline", program]))
    assert (recorded.status, recorded.out) == (plain.status, plain.out), recorded.err.decode()
    assert recorded.err.splitlines()[-1:] == plain.err.splitlines()[-1:]


def test_captures_of_one_process_id_do_not_mix(
    execute: Execute, script: Callable[[str], Path], within: Within, tmp_path: Path
) -> None:
    """Containers that start in the same second, all of them process 1, share a directory."""
    (tmp_path / "captures").mkdir()
    program = script("import sys\nkept = bytearray(int(sys.argv[1]) * 1_000_000)\n")
    options = ("--pid", "--fork", "--mount-proc")
    runs = [
        [*RUN, "-q", "-o", f"{tmp_path}/captures/", program],
        ["env", f"HEAPLINE={tmp_path}/captures/web-{{pid}}.heapline", sys.executable, program],
    ]
    for words in runs:
        processes = [
            subprocess.Popen(within(*options, words=[*words, str(size)]), stderr=subprocess.PIPE)
            for size in range(1, 5)
        ]
        for process in processes:
            assert process.communicate(timeout=60)[1] == b""
            assert process.returncode == 0
        found = sorted((tmp_path / "captures").iterdir())
        assert len(found) == len(processes)
        # One more, while all of them are there.
        assert execute(within(*options, words=[*words, "5"])).err == b""
        found = sorted((tmp_path / "captures").iterdir())
        assert sorted(live_bytes(path) // 1_000_000 for path in found) == [1, 2, 3, 4, 5]
        assert all(heapline.load(path).process.pid == 1 for path in found)
        for path in found:
            path.unlink()


def test_names_of_ours_replace_nothing(tmp_path: Path) -> None:
    """The same without name spaces: what already has the name stays, be it a capture or not."""
    taken = tmp_path / "taken.heapline"
    taken.write_bytes(b"somebody's")
    for number in range(2, 5):
        assert reserve(str(taken)) == str(tmp_path / f"taken-{number}.heapline")
    assert taken.read_bytes() == b"somebody's"


def test_a_user_without_a_name(execute: Execute, script: Callable[[str], Path], within: Within, tmp_path: Path) -> None:
    """As container platforms choose them: no entry in the list of users, no home, no name in the environment."""
    words = within(
        "--user", "--map-user=123456", "--map-group=123456", words=[*RUN, "-o", f"{tmp_path}/", script(PROGRAM)]
    )
    finished = execute(["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", *words])
    err = finished.err.decode()
    assert (finished.status, finished.out.split()[1:]) == (0, [b"123456"]), err
    assert "nothing lost" in err
    (capture,) = tmp_path.glob("heapline-*.heapline")
    assert live_bytes(capture) > KEPT_BYTES
    report = execute(within("--user", "--map-user=123456", words=[*RUN[:-1], "report", capture]))
    assert (report.status, report.err) == (0, b"")


READ_ONLY = "mount --make-rprivate / && mount -o remount,bind,ro / "


def test_a_root_that_cannot_be_written(
    execute: Execute, script: Callable[[str], Path], within: Within, tmp_path: Path
) -> None:
    program = script(PROGRAM)
    (tmp_path / "volume").mkdir()
    volume = f"{READ_ONLY} && mount -t tmpfs none {tmp_path}/volume"
    finished = execute(within("--mount", words=[*RUN, program], setup=READ_ONLY), directory=Path("/"))
    first, *report = finished.err.decode().splitlines()
    assert finished.status == 0
    assert re.fullmatch(
        r"heapline: cannot write /heapline-script\.py-\S+\.heapline: read-only file system \(-o FILE or -o DIRECTORY/ "
        "puts it elsewhere\\); recording in memory, no capture will be left",
        first,
    )
    assert "nothing lost" in report[0]
    finished = execute(
        within("--mount", words=["env", "HEAPLINE=1", sys.executable, program], setup=READ_ONLY), directory=Path("/")
    )
    (line,) = finished.err.decode().splitlines()
    assert line.startswith("heapline: HEAPLINE=1: [Errno 30] Read-only file system: 'heapline-")
    assert line.endswith(" (HEAPLINE=DIRECTORY/ chooses a place); the program runs unrecorded")
    place = f"{tmp_path}/volume/"
    listed = ["sh", "-c", f'"$@" && ls {place}', "sh"]
    for words in ([*RUN, "-q", "-o", place, program], ["env", f"HEAPLINE={place}", sys.executable, program]):
        finished = execute(within("--mount", words=[*listed, *words], setup=volume), directory=Path("/"))
        assert (finished.status, finished.err) == (0, b"")
        assert re.search(rb"\nheapline-\S+\.heapline\n", finished.out)


def test_64_megabytes_of_shared_memory(
    execute: Execute, script: Callable[[str], Path], within: Within, tmp_path: Path
) -> None:
    """The size that container engines give. Nothing is put there unasked; a capture that does not fit says so."""
    size = "mount --make-rprivate / && mount -t tmpfs -o size=64m none /dev/shm"
    end = 'import os; status = os.statvfs("/dev/shm"); print((status.f_blocks - status.f_bfree) * status.f_bsize)'
    program = script(f"{PROGRAM}{end}")
    default = execute(within("--mount", words=[*RUN, "-q", program], setup=size))
    assert (default.status, default.err, default.out.split()[2:]) == (0, b"", [b"0"])
    words = ["sh", "-c", '"$@"; cp /dev/shm/*.heapline "$AT"', "sh", *RUN, "-q", "-o", "/dev/shm/"]
    asked = execute(within("--mount", words=[*words, program], setup=size), environment={"AT": str(tmp_path)})
    assert (asked.status, asked.err) == (0, b"")
    (capture,) = tmp_path.glob("heapline-*")
    assert live_bytes(capture) > KEPT_BYTES
    capture.unlink()
    # What else is there leaves 250 kB.
    fill = f"{size} && head -c 66850000 /dev/zero > /dev/shm/other"
    many = script("exec('\\n'.join(f'def f{n}(): return [{n}] * 9\\nf{n}()' for n in range(9000)))\nprint('end')\n")
    full = execute(within("--mount", words=[*words, many], setup=fill), environment={"AT": str(tmp_path)})
    assert (full.status, full.out) == (0, b"end\n"), full.err.decode()
    (line,) = full.err.decode().splitlines()
    assert line.endswith(" allocations have no stack: the capture could not grow (disk full?)")
    (capture,) = tmp_path.glob("heapline-*")
    assert [loss.kind for loss in heapline.load(capture).lost] == ["capture_full"]
    with contextlib.suppress(FileNotFoundError):
        capture.unlink()
