from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.definitions import Found
from shared.domain.inventory.catalog import Listing, Missing, Shelf
from shared.domain.inventory.environments import Use
from shared.domain.inventory.scan import scan
from shared.domain.names import package_name
from shared.limits import DEFINITION_BYTES, INCLUDE_DEPTH
from tests.domain.repositories import (
    DOCKERFILE,
    blob_id,
    catalog_of,
    environment,
    listing_of,
    naming,
    problems,
    scanned,
    sole,
    used,
)

REPOSITORY: Mapping[str, str] = {
    "README.md": "our-pkg",
    "docs/requirements.txt": "our-pkg==1.0\n",
    "environments/training/environment.yml": environment("training"),
    "environments/training/Dockerfile": "FROM python:3.10\nCOPY . .\nRUN pip install -r requirements.txt\n",
    "environments/training/requirements.txt": "-r ../base.txt\nour-pkg==1.0\n",
    "environments/training/src/train.py": "import our_pkg\n",
    "environments/base.txt": "other==2.0\n",
    "environments/scoring.yaml": "name: scoring\nimage: x\nconda_file: scoring-conda.yml\n",
    "environments/scoring-conda.yml": "dependencies:\n  - python=3.9\n  - pip:\n      - Our.Pkg==1.0\n",
    "jobs/train.yml": "command: python train.py\nenvironment: azureml:training@latest\n",
}


class TestMissingBlobs:
    def test_a_scan_asks_for_what_decides_about_environments_and_for_nothing_else(self) -> None:
        _, asked = scanned(REPOSITORY)

        assert asked[0] == {path for path in REPOSITORY if path.endswith((".yml", ".yaml", ".py"))}
        assert set().union(*asked) == {
            *asked[0],
            "environments/training/Dockerfile",
            "environments/training/requirements.txt",
            "environments/base.txt",
        }

    def test_blobs_that_are_known_are_not_asked_for_again(self) -> None:
        shelf = Shelf()
        scanned(REPOSITORY, shelf)

        assert scanned(REPOSITORY, shelf)[1] == []

    def test_a_second_commit_costs_only_the_blobs_that_it_brings(self) -> None:
        shelf = Shelf()
        first, _ = scanned(REPOSITORY, shelf)
        shelf.trim(listing_of(REPOSITORY), first.blobs.values())
        changed = {**REPOSITORY, "environments/base.txt": "other==2.1\n", "README.md": "new", "src/more.py": "x"}

        second, asked = scanned(changed, shelf)

        assert asked == [{"environments/base.txt", "src/more.py"}]
        assert second.environments == first.environments
        assert second.definitions["environments/base.txt"].source.text == "other==2.1\n"

    def test_a_file_that_only_moved_costs_nothing(self) -> None:
        shelf = Shelf()
        scanned(REPOSITORY, shelf)
        moved = {path.replace("training/", "learning/"): text for path, text in REPOSITORY.items()}

        catalog, asked = scanned(moved, shelf)

        assert asked == []
        assert naming(catalog, "our-pkg") == ["environments/learning/environment.yml", "environments/scoring.yaml"]

    def test_files_with_the_same_content_are_read_once(self) -> None:
        files = {"a/e.yml": environment("a"), "a/requirements.txt": "x==1\n", "b/requirements.txt": "x==1\n",
                 "b/e.yml": environment("b"), "b/Dockerfile": DOCKERFILE, "a/Dockerfile": DOCKERFILE}  # fmt: skip
        catalog = catalog_of(files)

        assert catalog.definitions["a/requirements.txt"] is catalog.definitions["b/requirements.txt"]
        assert catalog.definitions["a/Dockerfile"] is catalog.definitions["b/Dockerfile"]

    def test_what_names_stand_in_an_unreadable_file_is_known_when_its_bytes_are_gone(self) -> None:
        files: dict[str, str | bytes] = {
            "e.yml": environment(),
            "Dockerfile": DOCKERFILE,
            "requirements.txt": b"our-pkg==1.0 # \xff\n",
        }
        shelf = Shelf()
        scanned(files, shelf)
        shelf.trim(listing_of(files), [])

        catalog, asked = scanned(files, shelf)

        assert asked == []
        assert naming(catalog, "our-pkg") == ["e.yml"]

    def test_files_that_a_dockerfile_hands_over_are_asked_for_when_it_is_here(self) -> None:
        """Until then its context's requirements.txt may be nothing that the environment reads."""
        files = {"e.yml": environment(), "Dockerfile": "FROM x\nRUN pip install -r other.txt\n",
                 "requirements.txt": "a==1\n", "other.txt": "our-pkg==1.0\n"}  # fmt: skip

        assert {"requirements.txt", "other.txt"}.isdisjoint(scanned(files)[1][1])

    def test_a_scan_without_any_blob_says_so_and_raises_nothing(self) -> None:
        listing = listing_of(REPOSITORY)
        missing = scan(listing, Shelf())

        assert isinstance(missing, Missing)
        assert missing.blobs <= set(listing.files.values())

    def test_trimming_keeps_what_blobs_of_the_commit_say_and_only_the_bytes_asked_for(self) -> None:
        shelf = Shelf()
        catalog, _ = scanned(REPOSITORY, shelf)
        kept = catalog.blobs["environments/base.txt"]
        shelf.trim(listing_of(REPOSITORY), [kept])

        assert set(shelf.raw) == {kept}
        assert scan(listing_of(REPOSITORY), shelf) == catalog

    def test_trimming_forgets_what_the_commit_does_not_hold(self) -> None:
        shelf = Shelf()
        scanned(REPOSITORY, shelf)
        shelf.trim(Listing("other", {}), [])

        assert isinstance(scan(listing_of(REPOSITORY), shelf), Missing)


class TestIndexes:
    def test_environments_stand_in_the_order_of_their_paths(self) -> None:
        assert [
            found.path
            for found in catalog_of({path: REPOSITORY[path] for path in sorted(REPOSITORY, reverse=True)}).environments
        ] == [
            "environments/scoring.yaml",
            "environments/training/environment.yml",
        ]

    def test_a_package_is_named_in_every_spelling_by_the_files_that_environments_read(self) -> None:
        catalog = catalog_of(REPOSITORY)

        assert catalog.named["our-pkg"] == {"environments/scoring-conda.yml", "environments/training/requirements.txt"}
        assert naming(catalog, "our-pkg") == ["environments/scoring.yaml", "environments/training/environment.yml"]
        assert naming(catalog, "other") == ["environments/training/environment.yml"]
        assert naming(catalog, "nobody") == []

    def test_a_longer_name_is_another_package(self) -> None:
        files = {"e.yml": environment(), "requirements.txt": "our-pkg-extra==1.0\nmy-our-pkg==1\nour-pkg2\n"}

        assert naming(catalog_of(files), "our-pkg") == []

    def test_a_name_in_a_comment_may_be_found_and_is_no_requirement(self) -> None:
        """Words are found without reading what they mean; what names the package by a comment only is unaffected."""
        files = {"e.yml": environment(), "requirements.txt": "# not our-pkg\nx[our-pkg]==1\n"}

        assert catalog_of(files).definitions["requirements.txt"].naming(package_name("our-pkg")) == Found()

    def test_the_readers_of_a_file_are_all_environments_whose_content_it_decides(self) -> None:
        catalog = catalog_of(REPOSITORY)

        for path in ("environment.yml", "Dockerfile", "requirements.txt", "../base.txt"):
            (reader,) = catalog.reading(f"environments/training/{path}".replace("training/../", ""))
            assert reader.name == "training"
        assert catalog.reading("docs/requirements.txt") == []
        assert catalog.reading("jobs/train.yml") == []

    def test_a_shared_file_has_several_readers(self) -> None:
        files = {"a.yml": environment("a"), "b.yml": environment("b"), "requirements.txt": "our-pkg==1.0\n"}

        assert [reader.path for reader in catalog_of(files).reading("requirements.txt")] == ["a.yml", "b.yml"]

    def test_namesakes_are_found(self) -> None:
        catalog = catalog_of({"a.yml": environment("same"), "b.yml": environment("same"), "c.yml": environment("c")})

        assert [found.path for found in catalog.called("same")] == ["a.yml", "b.yml"]
        assert [found.path for found in catalog.called("c")] == ["c.yml"]
        assert catalog.called("nobody") == []

    def test_the_blobs_of_all_files_that_may_be_edited_are_known(self) -> None:
        catalog = catalog_of(REPOSITORY)

        assert catalog.commit == listing_of(REPOSITORY).commit
        assert set(catalog.blobs) == {*catalog.definitions, *catalog.sources}
        assert all(catalog.blobs[path] == blob_id(REPOSITORY[path].encode()) for path in catalog.blobs)

    def test_an_empty_repository_has_an_empty_catalog(self) -> None:
        catalog = catalog_of({})

        assert (catalog.environments, catalog.warnings, dict(catalog.named)) == ((), (), {})


class TestIncludes:
    def test_includes_are_followed_from_the_folder_of_the_file_that_includes(self) -> None:
        files = {
            "envs/a/e.yml": environment(),
            "envs/a/requirements.txt": "-r ../shared/base.txt\n",
            "envs/shared/base.txt": "-c limits/all.txt\n-r core.txt\n",
            "envs/shared/core.txt": "our-pkg==1.0\n",
            "envs/shared/limits/all.txt": "-r more.txt\n",
            "envs/shared/limits/more.txt": "our-pkg==1.0\n",
        }
        found = sole(files)

        assert found.uses == (
            Use("envs/a/requirements.txt"),
            Use("envs/shared/base.txt"),
            Use("envs/shared/limits/all.txt", constraint=True),
            Use("envs/shared/limits/more.txt", constraint=True),
            Use("envs/shared/core.txt"),
        )
        assert found.problems == ()

    def test_a_file_may_be_included_twice(self) -> None:
        files = {"e.yml": environment(), "requirements.txt": "-r a.txt\n-r b.txt\n", "a.txt": "-r c.txt\n",
                 "b.txt": "-r c.txt\n", "c.txt": "our-pkg==1.0\n"}  # fmt: skip
        found = sole(files)

        assert used(found) == ["requirements.txt", "a.txt", "c.txt", "b.txt"]
        assert found.problems == ()

    @pytest.mark.parametrize(
        ("files", "where"),
        [
            ({"requirements.txt": "x==1\n-r requirements.txt\n"}, "requirements.txt line 2"),
            ({"requirements.txt": "-r a.txt\n", "a.txt": "-r requirements.txt\n"}, "a.txt line 1"),
            ({"requirements.txt": "-c a.txt\n", "a.txt": "\n-r ./requirements.txt\n"}, "a.txt line 2"),
        ],
    )
    def test_files_that_include_each_other_are_a_problem(self, files: dict[str, str], where: str) -> None:
        (problem,) = problems(sole({"e.yml": environment(), **files}))

        assert problem.startswith(f"{where}: it includes ")
        assert problem.endswith(", which includes it")

    @pytest.mark.parametrize("path", ["nope.txt", "../outside.txt", "a/../../b.txt", "sub/", "${BASE}.txt"])
    def test_a_file_that_is_not_in_the_repository_is_a_problem(self, path: str) -> None:
        files = {"e.yml": environment(), "requirements.txt": f"our-pkg==1.0\n-r {path}\n", "sub/x.txt": ""}

        assert problems(sole(files)) == [f"requirements.txt line 2: it includes {path!r}, which is not there"]

    @pytest.mark.parametrize("path", ["https://host.test/base.txt", "file:///base.txt", "/etc/base.txt"])
    def test_an_address_or_absolute_path_is_not_read_and_said(self, path: str) -> None:
        found = sole({"e.yml": environment(), "requirements.txt": f"-r {path}\n", "etc/base.txt": "", "base.txt": ""})

        assert used(found) == ["requirements.txt"]
        assert found.problems == ()
        assert [str(one) for one in found.opaque] == [f"requirements.txt line 1: -r {path}"]

    def test_a_path_from_the_root_is_not_read_however_it_is_written(self) -> None:
        found = sole({"e.yml": environment(), "requirements.txt": "-r '\\base.txt'\n", "base.txt": ""})

        assert used(found) == ["requirements.txt"]
        assert [str(one) for one in found.opaque] == ["requirements.txt line 1: -r \\base.txt"]

    @pytest.mark.parametrize("path", ["../base.txt", "..\\\\base.txt", "x/../../base.txt", "..base.txt"])
    def test_a_path_may_go_up_and_may_begin_with_dots(self, path: str) -> None:
        files = {
            "ctx/e.yml": environment(),
            "ctx/requirements.txt": f"-r {path}\n",
            "base.txt": "",
            "ctx/..base.txt": "",
        }

        assert used(sole(files))[1] in ("base.txt", "ctx/..base.txt")

    def test_includes_are_followed_to_a_limit(self) -> None:
        chain = {f"r{at}.txt": f"-r r{at + 1}.txt\n" for at in range(INCLUDE_DEPTH + 5)}
        found = sole({"e.yml": environment(), "requirements.txt": "-r r0.txt\n", **chain, f"r{len(chain)}.txt": ""})

        assert len(found.uses) == INCLUDE_DEPTH
        assert problems(found) == [f"r{INCLUDE_DEPTH - 2}.txt line 1: more than {INCLUDE_DEPTH} includes deep"]

    @given(st.lists(st.lists(st.integers(0, 7), max_size=4), min_size=8, max_size=8))
    def test_any_graph_of_includes_is_read_to_its_end_and_every_loop_is_seen(self, graph: list[list[int]]) -> None:
        files = {f"r{at}.txt": "".join(f"-r r{to}.txt\n" for to in targets) for at, targets in enumerate(graph)}
        found = sole({"e.yml": environment(), "Dockerfile": "FROM x\nRUN pip install -r r0.txt\n", **files})

        reached, fresh = {0}, {0}
        while fresh:
            fresh = {to for at in fresh for to in graph[at]} - reached
            reached |= fresh
        left = {at: set(graph[at]) for at in reached}
        while leaves := [at for at, targets in left.items() if not targets & left.keys()]:
            for at in leaves:
                del left[at]

        assert sorted(used(found)) == ["Dockerfile", *sorted(f"r{at}.txt" for at in reached)]
        assert bool(found.problems) is bool(left)
        assert all("which includes it" in problem for problem in problems(found))


class TestUnreadableFiles:
    def test_a_yaml_file_that_cannot_be_read_is_a_warning_and_the_others_go_on(self) -> None:
        catalog = catalog_of(
            {"a.yml": "name: [\nimage: x\n", "b.yml": environment("b"), "c.yml": b"name: \xff\nimage: x"}
        )

        assert [found.name for found in catalog.environments] == ["b"]
        assert [warning.path for warning in catalog.warnings] == ["a.yml", "c.yml"]

    @pytest.mark.parametrize(
        "content",
        [b"our-pkg==1.0 \xff\n", b"our-pkg==1.0\0\n", b"our-pkg==1.0\n" + b"#" * DEFINITION_BYTES],
        ids=["another encoding", "NUL", "too large"],
    )
    def test_an_environment_may_name_every_word_of_a_file_that_cannot_be_read(self, content: bytes) -> None:
        catalog = catalog_of({"e.yml": environment(), "requirements.txt": content})

        assert naming(catalog, "our-pkg") == ["e.yml"]
        assert naming(catalog, "other") == []
        assert [problem.path for problem in catalog.environments[0].problems] == ["requirements.txt"]

    def test_a_file_of_the_largest_size_is_read(self) -> None:
        content = b"our-pkg==1.0\n# ".ljust(DEFINITION_BYTES, b"x")

        assert sole({"e.yml": environment(), "requirements.txt": content}).problems == ()

    def test_a_line_that_cannot_be_read_is_told_of_the_package_that_it_names_and_of_no_other(self) -> None:
        catalog = catalog_of({"e.yml": environment(), "requirements.txt": "x==1\nour-pkg=1.0\n"})
        definition = catalog.definitions["requirements.txt"]
        unread = (2, "'our-pkg=1.0' is not a requirement")

        assert catalog.environments[0].problems == ()
        assert naming(catalog, "our-pkg") == ["e.yml"]
        assert definition.unreadable == (unread,)
        assert definition.naming(package_name("our-pkg")).unreadable == (unread,)
        assert definition.naming(package_name("x")).unreadable == ()

    def test_a_dockerfile_that_cannot_be_read_is_a_problem(self) -> None:
        catalog = catalog_of({"e.yml": environment(), "Dockerfile": b"FROM x\nRUN pip install our-pkg \xff\n"})

        assert problems(catalog.environments[0]) == ["Dockerfile: it is not utf-8 text"]
        assert naming(catalog, "our-pkg") == ["e.yml"]
