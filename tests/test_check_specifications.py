"""What the specifications say of the functions: their mistakes are mistakes, and the places
that they send a reader to exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from nndl.check import check_gradients, specifications
from nndl.check._compare import same
from nndl.check._diagnosis import _outputs_of_twin
from nndl.check._model._stages import _READ

ALL = specifications.all_specifications()
CHAPTERS = Path(__file__).resolve().parent.parent / "book" / "chapters"
PLACE = re.compile(r'chapter (\d), section "(.*)"')


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_known_mistake_is_wrong_somewhere_and_says_why_in_a_sentence(name):
    specification = ALL[name]
    expected = [specification.expected(case) for case in specification.cases]
    for mistake in specification.mistakes:
        twins = [
            _outputs_of_twin(specification, mistake, case)
            for case in specification.cases
        ]
        assert any(
            not same(twin.get(output), right[output])
            for twin, right in zip(twins, expected, strict=True)
            for output in right
        ), f"{mistake.cause}: {mistake.why}"
        assert re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", mistake.cause)
        assert mistake.why.endswith((".", "?", ".)"))


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_output_has_a_formula_and_every_case_a_name_of_its_own(name):
    specification = ALL[name]
    outputs = specification.expected(specification.cases[0])
    assert outputs
    assert specification.formulas
    names = [case.name for case in specification.cases]
    assert len(set(names)) == len(names)


def headings(chapter: int) -> set[str]:
    (path,) = CHAPTERS.glob(f"{chapter:02}-*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join(
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
    )
    return set(re.findall(r"^#+ (.*)$", text, re.MULTILINE))


@pytest.mark.skipif(
    not CHAPTERS.is_dir(), reason="the book is not here: only the tests were copied"
)
def test_the_book_has_every_section_that_a_reader_is_sent_to():
    sigmoid = check_gradients(
        lambda x: (np.tanh(x), x), lambda dout, x: dout, np.ones((2, 3))
    )
    places = {one.read for one in ALL.values()} | {sigmoid.findings[0].read}
    places |= set(_READ.values())
    for place in sorted(places):
        found = PLACE.fullmatch(place)
        assert found, place
        assert found[2] in headings(int(found[1])), place
