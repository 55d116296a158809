"""What `Repository` promises, kept by the adapter (on the stand) and by the fake."""

from dataclasses import replace

import pytest

from local.azure_devops.repository import PUSHER, git
from local.azure_devops.server import Organization
from local.environments import SAMPLE
from shared.adapters.azure_devops import AzureDevOpsOrganizations
from shared.adapters.folder import Folder
from shared.domain.inventory.catalog import Link
from shared.domain.targets import Target
from shared.errors import BranchMoved, NotThere, Permanent, RejectedByPolicy, ServiceUnavailable
from shared.limits import COMMITS_PER_REQUEST
from shared.ports import Commit
from tests.contracts.worlds import MemoryRepository, RepositoryWorld, StandRepository
from tests.counting import calls

REQUIREMENTS = "training_environment/docker-context/requirements.txt"
BYTES = b"\xef\xbb\xbfnot utf-8: \xff\xfe\r\nno newline at the end \x00"
MESSAGE = f"Bump our-package 2.0.0\n\nRebuilds:\n- {'a' * 150}.yml\n- ünïcode.yml\n\nRebuild-Plan: 0123456789abcdef"


@pytest.fixture(params=["adapter", "fake"])
def world(request: pytest.FixtureRequest) -> RepositoryWorld:
    if request.param == "adapter":
        made: StandRepository = request.getfixturevalue("stand_repository")
        return made
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    return MemoryRepository(files)


def test_tip_is_the_newest_commit(world: RepositoryWorld) -> None:
    before = world.repository.tip()
    commit = world.commit({"new.txt": b"new\n"})
    assert world.repository.tip() == commit != before


def test_tip_of_a_missing_branch_is_not_there(world: RepositoryWorld) -> None:
    # On the stand it is the beginning of another branch's name, and the service's filter is "starts with".
    with pytest.raises(NotThere):
        world.without_branch().tip()


def test_listing_holds_every_file_and_no_folder(world: RepositoryWorld) -> None:
    tip = world.commit({"deep/er/file.txt": b"file\n", "sp ace/ü.yml": b"name: x\n", "empty": b""})
    listing = world.repository.listing(tip)
    assert listing.commit == tip
    assert listing.files.keys() == world.files().keys()
    assert {"deep/er/file.txt", "sp ace/ü.yml", "empty"} <= listing.files.keys()


def test_listing_is_that_of_the_commit_and_not_of_the_branch(world: RepositoryWorld) -> None:
    before = world.commit({"new.txt": b"old\n"})
    world.commit({"new.txt": b"changed\n", "other.txt": b"other\n"})
    files = world.repository.listing(before).files
    assert "other.txt" not in files
    assert world.repository.blobs([files["new.txt"]])[files["new.txt"]] == b"old\n"


def test_listing_names_equal_files_equally(world: RepositoryWorld) -> None:
    files = world.repository.listing(world.commit({"one": b"same\n", "other": b"same\n", "third": b"else\n"})).files
    assert files["one"] == files["other"] != files["third"]


def test_listing_of_an_unknown_commit_fails_for_good(world: RepositoryWorld) -> None:
    with pytest.raises(Permanent):
        world.repository.listing("1" * 40)


def test_blobs_are_exactly_the_bytes(world: RepositoryWorld) -> None:
    tip = world.commit({"bytes": BYTES, "empty": b"", "crlf.txt": b"a\r\nb\r\n"})
    files = world.repository.listing(tip).files
    found = world.repository.blobs(files.values())
    assert {path: found[blob] for path, blob in files.items()} == world.files()


def test_blobs_come_in_any_number(world: RepositoryWorld) -> None:
    tip = world.commit({f"many/{number}.txt": f"{number}\n".encode() for number in range(450)})
    wanted = {blob for path, blob in world.repository.listing(tip).files.items() if path.startswith("many/")}
    assert sorted(world.repository.blobs(wanted).values()) == sorted(f"{number}\n".encode() for number in range(450))
    assert world.repository.blobs([]) == {}


def test_an_unknown_blob_is_not_there(world: RepositoryWorld) -> None:
    with pytest.raises(NotThere):
        world.repository.blobs(["1" * 40])


def test_push_changes_these_bytes_and_nothing_else(world: RepositoryWorld) -> None:
    base = world.commit({"bytes": b"before", "untouched": BYTES})
    before = world.files()
    made = world.repository.push(base, MESSAGE, {"bytes": BYTES, REQUIREMENTS: b"our-package==2.0.0\r\n"})
    assert world.repository.tip() == made
    assert world.files() == {**before, "bytes": BYTES, REQUIREMENTS: b"our-package==2.0.0\r\n"}


def test_push_makes_one_commit_on_top_of_its_base(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    made = world.repository.push(base, MESSAGE, {REQUIREMENTS: b"one\n", "rebuilder.yml": b"two\n"})
    assert [commit.id for commit in world.repository.commits_since(base)] == [made]


def test_push_onto_another_tip_changes_nothing(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    moved = world.commit({"theirs": b"theirs\n"})
    with pytest.raises(BranchMoved):
        world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    assert world.repository.tip() == moved


def test_the_same_push_is_refused_the_second_time(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    made = world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    with pytest.raises(BranchMoved):
        world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    assert world.repository.tip() == made


def test_push_to_a_protected_branch_changes_nothing(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    world.protect()
    with pytest.raises(RejectedByPolicy):
        world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    assert world.repository.tip() == base


def test_a_refusal_by_policy_names_the_ways_out(stand_repository: StandRepository) -> None:
    stand_repository.protect()
    with pytest.raises(RejectedByPolicy, match=r"TF402455: .*Bypass policies when pushing\), or set `deliver: report`"):
        stand_repository.repository.push(stand_repository.repository.tip(), MESSAGE, {REQUIREMENTS: b"ours\n"})


def test_a_commit_is_by_whom_the_target_names(
    organization: Organization, azure_devops: AzureDevOpsOrganizations, target: Target
) -> None:
    for author, expected in ((None, PUSHER), (("Mülheim Bot", "bot@contoso.com"), ("Mülheim Bot", "bot@contoso.com"))):
        repository = azure_devops.repository(replace(target, author=author))
        made = repository.push(repository.tip(), f"{MESSAGE} {author}", {REQUIREMENTS: f"{author}".encode()})
        shown = git("show", "--no-patch", "--format=%an|%ae|%cn|%ce", made, at=organization.repository.path)
        assert shown.decode().strip() == "|".join(expected * 2)


def test_push_creates_no_files(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    with pytest.raises(Permanent):
        world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n", "nobody/has/this.txt": b"ours\n"})
    assert world.repository.tip() == base


def test_commits_come_newest_first_with_their_whole_messages(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    first = world.commit({"a": b"a"}, "Short")
    second = world.repository.push(first, MESSAGE, {"a": b"b"})
    third = world.commit({"a": b"c"}, "x" * 300)
    found = world.repository.commits_since(base)
    assert [(commit.id, commit.message.rstrip("\n")) for commit in found] == [
        (third, "x" * 300),
        (second, MESSAGE),
        (first, "Short"),
    ]


def test_all_commits_are_listed_however_many_there_are(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    made = world.commit_often(COMMITS_PER_REQUEST + 1)
    assert [commit.id for commit in world.repository.commits_since(base)] == made
    # One page and no more: the base is the first of the next.
    assert [commit.id for commit in world.repository.commits_since(made[-1])] == made[:-1]


def test_there_are_no_commits_since_the_tip(world: RepositoryWorld) -> None:
    assert list(world.repository.commits_since(world.repository.tip())) == []


def test_a_push_whose_answer_is_lost_is_found_by_its_message(world: RepositoryWorld) -> None:
    base = world.repository.tip()
    world.lose_next_answer()
    with pytest.raises(ServiceUnavailable):
        world.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    found: list[Commit] = list(world.repository.commits_since(base))
    assert [commit.message.rstrip("\n") for commit in found] == [MESSAGE]
    assert world.files()[REQUIREMENTS] == b"ours\n"


def test_listing_names_symbolic_links_and_submodules_apart(world: RepositoryWorld) -> None:
    before = world.repository.listing(world.repository.tip())
    after = world.repository.listing(world.commit_links())
    assert before.links == {}
    assert after.links == {"a-link": Link.SYMBOLIC, "a-submodule": Link.SUBMODULE}
    assert after.files.keys() - {".gitmodules"} == before.files.keys()


# What only a real repository has


def test_a_clone_is_listed_like_the_repository(stand_repository: StandRepository) -> None:
    listing = stand_repository.repository.listing(stand_repository.commit_links())
    checked_out = stand_repository.clone / "a-submodule"
    checked_out.mkdir(exist_ok=True)
    (checked_out / "environment.yml").write_text("name: not ours\nimage: x\n")
    (stand_repository.clone / "a-folder").symlink_to("training_environment")

    found = Folder(stand_repository.clone).listing()

    assert found.files.keys() == listing.files.keys()
    assert found.links == {**listing.links, "a-folder": Link.SYMBOLIC}


def test_a_long_listing_costs_a_few_calls_for_each_file(stand_repository: StandRepository) -> None:
    """The SDK's models would take some two hundred."""
    listed = stand_repository.repository.listing
    few = stand_repository.repository.tip()
    many = stand_repository.commit({f"many/{number}.txt": b"same\n" for number in range(1000)})
    listed(few)  # what is asked for once
    assert calls(lambda: listed(many)) - calls(lambda: listed(few)) < 15 * 1000


def test_the_parent_of_a_push_is_its_base(stand_repository: StandRepository) -> None:
    base = stand_repository.repository.tip()
    made = stand_repository.repository.push(base, MESSAGE, {REQUIREMENTS: b"ours\n"})
    assert stand_repository.parents(made) == [base]


def test_push_keeps_a_files_mode(stand_repository: StandRepository) -> None:
    base = stand_repository.commit_program("run.sh", b"#!/bin/sh\n")
    stand_repository.repository.push(base, MESSAGE, {"run.sh": b"#!/bin/bash\n"})
    assert stand_repository.mode("run.sh") == "100755"
