"""Which faults are put into which functions."""

from __future__ import annotations

import ast

from executor.checks.mutants import Mutant, mutants, own_functions
from executor.checks.sources import SourceFile, read_sources
from executor.resources import config_dir

OWN = '''
import abc

def price(amount: int) -> int:
    """What it costs."""
    if amount > 10:
        return amount * 2
    return amount * 3

async def stored(row: object) -> object:
    return row

def tell(word: str) -> None:
    word.strip()

class Shelf(abc.ABC):
    def count(self, limit: int = 5) -> int:
        return 7 if limit in {1, 2} else 9

    @abc.abstractmethod
    def free(self) -> int:
        """How much."""

    def later(self) -> int:
        raise NotImplementedError
'''


def source(text: str, name: str = "app/own.py") -> SourceFile:
    return SourceFile(name, text, ast.parse(text))


def made(text: str, commit: str = "c", most: int = 9) -> list[Mutant]:
    return mutants(own_functions([source(text)], []), commit, {}, most)


def run(mutant: Mutant) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(mutant.text, mutant.file, "exec"), names)
    return names


def test_functions_that_do_something_are_the_droplets_own_unless_the_template_has_them_word_for_word():
    names = [place.name for place in own_functions([source(OWN)], [])]
    assert names == ["price", "stored", "tell", "Shelf.count"]
    template = source("async def stored(row: object) -> object:\n    return row\n", "app/storage.py")
    assert "stored" not in [place.name for place in own_functions([source(OWN)], [template])]
    assert own_functions([source(OWN, "tests/test_own.py")], []) == []


def test_the_template_has_no_functions_of_its_own():
    template = read_sources(config_dir() / "template")
    assert own_functions(template, template) == []
    assert len(own_functions(template, [])) > 50


def test_the_first_fault_empties_a_function_and_each_is_in_another_one():
    chosen = made(OWN)
    assert chosen[0].is_emptied
    assert len({mutant.what.split()[1] for mutant in chosen}) == len(chosen) == 4
    assert all(mutant.text != ast.unparse(ast.parse(OWN)) for mutant in chosen)


def test_an_emptied_function_answers_none_and_the_rest_of_the_file_is_as_it_was():
    only = made("def one() -> int:\n    return 1\n\ndef fixed() -> int:\n    return 1\n", most=1)[0]
    broken = "one" if " one " in only.what else "fixed"
    whole = {"one": 1, "fixed": 1, broken: None}
    names = run(only)
    assert {name: names[name]() for name in whole} == whole  # type: ignore[operator]


def test_a_comparison_is_turned_round_and_a_number_is_changed():
    text = "".join(f"def f{n}(a):\n    return 5 if a > 10 else 6\n\n" for n in range(3))
    _, negated, miscounted = made(text)
    assert negated.what.endswith("with 'a <= 10' for 'a > 10'")
    assert miscounted.what.endswith("with 6 for 5") or miscounted.what.endswith("with 11 for 10")
    assert not negated.is_emptied and not miscounted.is_emptied


def test_what_has_no_comparison_and_no_number_is_emptied():
    text = "".join(f"def f{n}(a):\n    return a.b\n\n" for n in range(3))
    assert all(mutant.is_emptied for mutant in made(text))


def test_decorators_and_defaults_are_left_alone_for_they_are_read_at_import():
    text = "".join(f"def f{n}(a=5, b=1 > 0):\n    return a\n\n" for n in range(3))
    assert all("a=5, b=1 > 0" in mutant.text for mutant in made(text))


def test_functions_that_answer_come_before_those_that_only_act():
    text = "def tell(a):\n    a()\n\n" + "".join(f"def f{n}(a):\n    return a\n\n" for n in range(3))
    assert {made(text, str(commit), 3)[2].what.split()[1][0] for commit in range(9)} == {"f"}


def test_the_commit_decides_which_functions_are_broken():
    text = "".join(f"def f{n}(a):\n    return a\n\n" for n in range(20))
    assert made(text, "a", 3) == made(text, "a", 3)
    assert len({made(text, str(commit), 3)[0].what for commit in range(20)}) > 3


def test_what_is_nested_too_deep_to_be_copied_is_left_alone():
    deep = "def deep(a):\n    return " + "a" + ".b" * 800 + "\n"
    assert made(deep) == []
    assert made(deep + "\ndef shallow(a):\n    return a\n") == []


def test_functions_that_no_test_ran_are_left_out_where_that_is_known():
    places = own_functions([source(OWN)], [])
    price = next(place for place in places if place.name == "price")
    chosen = mutants(places, "c", {"app/own.py": frozenset(price.lines)}, 3)
    assert [mutant.what.split()[1] for mutant in chosen] == ["price"]
    assert mutants(places, "c", {"app/other.py": frozenset({1})}, 3) == []
