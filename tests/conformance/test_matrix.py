"""The matrix: {chat, responses, messages} x {whole, stream} x seven upstreams x twelve scenes, no cell missing.

Every cell is asked with the official SDK, judged by its types and the invariant checkers, and compared with what the
upstream said: content, finish, usage and the ledger's row; and with its twin in the other mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from matrix_cell import CLIENTS, Cell
from matrix_road import Road, build
from matrix_scenes import SCENES
from matrix_shapes import SHAPES
from matrix_words import Heard

MODES = {"whole": False, "stream": True}
CELLS = [(api, mode, shape, scene) for api in CLIENTS for mode in MODES for shape in SHAPES for scene in SCENES]


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with build() as built:
        yield built


def told(road: Road, api: str, mode: str, shape: str, scene: str) -> list[Any]:
    """What was heard in a cell, played once."""
    place = (api, mode, shape, scene)
    if place not in road.told:
        play: Callable[[Cell], list[Any]] = SCENES[scene]
        road.told[place] = play(Cell(road, api, MODES[mode], shape))
    heard: list[Any] = road.told[place]
    return heard


@pytest.mark.parametrize(("api", "mode", "shape", "scene"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_cell(road: Road, api: str, mode: str, shape: str, scene: str) -> None:
    heard = told(road, api, mode, shape, scene)
    assert heard
    if MODES[mode] and not scene.startswith("error"):
        for streamed, whole in zip(heard, told(road, api, "whole", shape, scene), strict=True):
            _assert_twins(api, streamed, whole)


def _assert_twins(api: str, streamed: Heard, whole: Heard) -> None:
    """Equal but for ids that we invented."""
    assert replace(streamed, calls=()) == replace(whole, calls=())
    assert [(call.name, call.arguments) for call in streamed.calls] == [(c.name, c.arguments) for c in whole.calls]
    CLIENTS[api].twins(streamed, whole)


def test_no_cell_is_missing() -> None:
    assert len(set(CELLS)) == 3 * 2 * 7 * 12
    assert len(CELLS) == 504
