"""The recipes of policies/README.md do what they say: each is put below its backends, and its cases are decided."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.cases import Case, judge, read_cases
from proxy.explain import explain
from proxy.snapshot import Snapshot, build_text

README = Path(__file__).resolve().parents[2] / "policies" / "README.md"
ENV = {"ANTHROPIC_API_KEY": "sk-a", "GEMINI_API_KEY": "sk-g"}
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BUDGET = "no team or key here has a budget"


class Recipe(NamedTuple):
    name: str
    config: str
    cases: str


def recipes() -> tuple[str, list[Recipe]]:
    """The backends that all share, and every recipe."""
    text = README.read_text("utf-8").partition("\n## Recipes\n")[2]
    head, *parts = re.split(r"^### ", text, flags=re.MULTILINE)
    [base] = _BLOCK.findall(head)
    found = []
    for part in parts:
        config, cases = _BLOCK.findall(part)
        found.append(Recipe(part.splitlines()[0], config, cases))
    return base, found


BASE, RECIPES = recipes()


def built(recipe: Recipe) -> Snapshot:
    return build_text(BASE + recipe.config, file="recipe.yaml", generation=1, env=ENV)


CASES = [
    pytest.param(recipe, case, id=f"{recipe.name.split('.')[0]}-{case.title}")
    for recipe in RECIPES
    for case in read_cases(recipe.cases, recipe.name)
]


def test_there_are_at_least_ten() -> None:
    assert len(RECIPES) >= 10
    assert [recipe.name.split(".")[0] for recipe in RECIPES] == [str(n + 1) for n in range(len(RECIPES))]


@pytest.mark.parametrize(("recipe", "case"), CASES)
def test_a_recipe_does_what_it_says(recipe: Recipe, case: Case) -> None:
    found, differs = judge(built(recipe), case)
    assert not differs, found.decision.trace if found.decision is not None else found.failure


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_without_warnings(recipe: Recipe) -> None:
    assert [warning for warning in built(recipe).warnings if BUDGET not in warning] == []


def test_every_rule_of_a_recipe_decides_one_of_its_cases() -> None:
    """A recipe whose rule no case reaches may say anything."""
    for recipe in RECIPES:
        snapshot = built(recipe)
        traces = [judge(snapshot, case)[0].decision for case in read_cases(recipe.cases, recipe.name)]
        applied = "\n".join(line for found in traces if found is not None for line in found.trace)
        for name in snapshot.config.policies:
            own = [line.label for line in snapshot.book.policies[name].lines if line.label.startswith(name)]
            assert [label for label in own if f"{label} applies" not in applied] == [], recipe.name


def test_a_long_prompt_goes_where_the_recipe_says() -> None:
    recipe = next(recipe for recipe in RECIPES if "long" in recipe.config)
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "%s"}]}' % (b"Hi! " * 70_000)
    assert explain(built(recipe), "chat", body).backend == "gemini"


def test_a_weight_of_five_in_a_hundred_is_five_in_a_hundred() -> None:
    recipe = next(recipe for recipe in RECIPES if "canary" in recipe.config)
    snapshot = built(recipe)
    [case, *_] = read_cases(recipe.cases, recipe.name)
    firsts = []
    for step in range(1000):
        [thrown] = read_cases(f'- {{text: "Hi!", draw: {step / 1000}, expect: {{}}}}', "throw")
        firsts.append(judge(snapshot, thrown)[0].backend)
    assert case.text == "Hi!"
    assert firsts.count("gemini") == 50
