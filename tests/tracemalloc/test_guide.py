"""The recipes of ``docs/guides/from-tracemalloc.md`` do what the page says."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "from-tracemalloc.md"
RECIPES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

# What the output of each recipe matches, in the order of the page.
EXPECTED = [
    r"from-tracemalloc\.py:4: size=.* KiB, count=\d+, average=.*\n(.*\n)*",
    r"(read_configuration(\.<locals>\.<dictcomp>)?|<dictcomp>) 6\d{5}\n(.*\n)*",
    r"from-tracemalloc\.py:7: size=98\d KiB \(\+98\d KiB\), count=10\d \(\+10\d\), average=.*\n(.*\n)*",
    r"10\d{5}\ncollecting garbage freed .* KiB and found \d+ objects in uncollected cycles: memory changed by .*\n",
    r"from-tracemalloc\.py:6: size=10\d\d KiB, count=1\d\d\d, average=.*\n(?!.*json)(.*\n)*",
    r"\d+\n",
    r"from-tracemalloc\.py:6: size=1[45]\d KiB, count=100\d, .*, \d+% freed at once, 9[89]% in all\n\d+ b.* dropped\n",
    r"\(10\d{5}, 10\d{5}\)\n",
    r"from-tracemalloc\.py:4: size=488 KiB, count=2, average=244 KiB\n",
    r'2 blocks, 50\.0 MB\n  File "from-tracemalloc\.py", line 13\n    data = main\(\)\n'
    r'  File "from-tracemalloc\.py", line 10\n    return load\(\)\n'
    r'  File "from-tracemalloc\.py", line 6\n    return bytearray\(50_000_000\)\n',
    r"from-tracemalloc\.py:3\n",
    r"first_peak=\d{7} second_peak=\d{5}\n",
    r"",
    r"True\n",
]


def test_every_recipe_is_expected_to_say_something() -> None:
    assert len(RECIPES) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_the_recipe_says_what_it_is_for(number: int, run_plainly: Any, script: Any, tmp_path: Path) -> None:
    source = "import heapline.tracemalloc as tracemalloc\n" + RECIPES[number]
    program = script(source, "from-tracemalloc.py")
    finished = run_plainly([program.name], directory=program.parent)
    assert (finished.status, finished.err) == (0, b"")
    output = finished.out.decode()
    assert re.fullmatch(EXPECTED[number], output.replace(str(program.parent) + "/", "")), output
