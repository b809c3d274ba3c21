"""The rule language of ``proxy.yaml``: its words, and what compiles them into a Book that decides."""

from __future__ import annotations

from policies.book import Book
from policies.compiler import compile_book
from policies.grammar import Guard, Order, Path, Policy, Problem, Route, Rule, RuleErrors

__all__ = ["Book", "Guard", "Order", "Path", "Policy", "Problem", "Route", "Rule", "RuleErrors", "compile_book"]
