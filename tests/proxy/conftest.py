"""What several tests of the road share."""

from collections.abc import Iterator

import pytest
from scripted import Upstream, scripted


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """A scripted upstream, for the tests of one file."""
    with scripted() as made:
        yield made
