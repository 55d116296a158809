from itertools import repeat

import pytest

from shared.adapters.paging import bounded
from shared.errors import Permanent


def test_pages_become_one_list() -> None:
    assert list(bounded("listing", [[1, 2], [], [3]], 3)) == [1, 2, 3]


@pytest.mark.parametrize("page", [[1], []])
def test_a_list_without_end_ends_and_says_so(page: list[int]) -> None:
    with pytest.raises(Permanent, match=r"^listing: the list does not end after 3 pages"):
        list(bounded("listing", repeat(page), 3))
