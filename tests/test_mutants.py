"""Every seeded bug can be planted: its line is there, once. Whether it is caught, `make mutants` sees."""

import pytest

from tests.mutants.__main__ import MUTANTS, ROOT
from tests.mutants.catalogue import Mutant


def test_each_has_a_name_of_its_own() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_line_is_there_once(mutant: Mutant) -> None:
    healthy = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert healthy.count(mutant.healthy) == 1
    assert mutant.sick != mutant.healthy
    assert all(
        (ROOT / test.partition("::")[0]).exists() for test in mutant.tests if test.startswith("tests/")
    )
