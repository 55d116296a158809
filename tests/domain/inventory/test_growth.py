"""Work that grows no faster than what there is to say, counted in calls."""

import pytest

from shared.domain.inventory.catalog import Listing, Shelf
from shared.domain.inventory.scan import scan
from shared.domain.planning.plan import Plan
from shared.domain.planning.planner import make_plan
from shared.domain.releases import Release, ReleaseId
from shared.domain.rules.rules import NO_RULES
from tests.counting import calls
from tests.domain.repositories import catalog_of


def sharing_the_root(number: int, dockerfile: str) -> dict[str, bytes]:
    """Environments whose build context is the repository's root."""
    files = {}
    for at in range(number):
        build = f"{{path: .., dockerfile_path: e{at}/Dockerfile}}"
        files[f"e{at}/environment.yml"] = f"name: e{at}\nbuild: {build}\n".encode()
        files[f"e{at}/Dockerfile"] = dockerfile.replace("HERE", f"e{at}").encode()
        files[f"e{at}/list.txt"] = b"our-a==1.0\n"
    return files


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM scratch\nCOPY HERE /app\nRUN pip install -r /app/list.txt\n",
        "FROM scratch\nRUN pip install -r /elsewhere/list2.txt\n",
        "FROM scratch\nRUN pip install our-a==1.0\n",
    ],
    ids=["copied", "nowhere", "in the command"],
)
def test_environments_that_share_a_build_context_cost_no_more_the_more_they_are(dockerfile: str) -> None:
    def cost(number: int) -> int:
        files = sharing_the_root(number, dockerfile)
        shelf = Shelf(dict(files))
        listing = Listing("0" * 40, {path: path for path in files})
        return calls(lambda: scan(listing, shelf))

    assert cost(80) < 2.5 * cost(40)


def test_editing_files_that_many_read_costs_one_look_for_each_file_and_reader() -> None:
    def cost(number: int) -> int:
        files = {f"lists/requirements-{at}.txt": b"our-a==1.0\n" for at in range(number)}
        for at in range(number):
            files[f"e{at}.yml"] = f"name: e{at}\nbuild: {{path: lists}}\n".encode()
        catalog = catalog_of(files)
        release = Release(ReleaseId.of("ml/packages", "our-a", "1.1"), "1.1")

        def plan() -> Plan:
            return make_plan(target="main", catalog=catalog, rules=NO_RULES, releases=[release], pipeline=False)

        assert len(plan().edits) == number
        return calls(plan)

    # Files and readers both double. A look at every edit of every reader would make that part eight times as much.
    assert cost(80) < 4.2 * cost(40)
