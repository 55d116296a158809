"""Repositories that would have the pipeline upload, fetch, prove or run something else than it says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.wheels import empty_wheel
from shared.steps.job_state import StepFailed, context_folder, packages_folder
from shared.steps.package import package
from shared.steps.prepare import prepare
from shared.steps.verify import check_upload, uploaded_without, verify
from tests.local.index import Index
from tests.steps.conftest import DOCKERFILE, PYTHON, Checkout

REQUIREMENTS = "training/context/requirements.txt"


def refusal(step: Callable[[], object]) -> str:
    with pytest.raises(StepFailed) as caught:
        step()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Index]:
    """Another index, with a greater version of what the feed has."""
    wheel = empty_wheel("our-helper", "99.0", tmp_path / "elsewhere")
    page = f'<a href="/{wheel.name}">{wheel.name}</a>'.encode()
    contents = {"/simple/our-helper/": page, "/simple/": page, f"/{wheel.name}": wheel.read_bytes()}
    with Index({**contents, "/simple/more.txt": b"our-helper==99.0\n"}) as made:
        yield made


class TestLinks:
    @pytest.mark.parametrize(
        ("link", "to", "complaint"),
        [
            ("passwd", "/etc/passwd", "training/context/passwd is a link that leads out of the repository"),
            ("deep/environ", "/proc/self/environ", "training/context/deep/environ is a link that leads out"),
            ("dotgit", "../../.git", "training/context/dotgit is a link that leads out of the repository"),
            ("gone", "nowhere", "training/context/gone is a link that leads nowhere"),
            ("loop", "loop", "training/context/loop is a link that leads nowhere"),
            ("self", ".", "training/context/self is a link to a folder that holds it"),
        ],
    )
    def test_what_is_not_the_repositorys_is_never_staged(
        self, checkout: Checkout, link: str, to: str, complaint: str
    ) -> None:
        checkout.write({".git/config": b"[http]\n  extraheader = AUTHORIZATION: bearer canary\n"})
        path = checkout.job.sources / "training/context" / link
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(to)

        assert refusal(lambda: prepare(checkout.job)).startswith(complaint)
        assert not (context_folder(checkout.job) / link).exists()

    def test_folders_that_link_to_each_other_end(self, checkout: Checkout) -> None:
        checkout.write({"a/x": b"", "b/x": b""})
        (checkout.job.sources / "a" / "b").symlink_to("../b")
        (checkout.job.sources / "b" / "a").symlink_to("../a")
        (checkout.job.sources / "training/context/a").symlink_to("../../a")

        assert "is a link to a folder that holds it" in refusal(lambda: prepare(checkout.job))

    def test_a_build_context_that_is_a_link_may_not_lead_out(self, checkout: Checkout, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "secret").write_text("canary")
        context = checkout.job.sources / "training/context"
        context.rename(tmp_path / "moved")
        context.symlink_to(tmp_path / "other")

        assert refusal(lambda: prepare(checkout.job))
        assert not list(checkout.job.folder.rglob("secret"))

    def test_a_link_inside_the_repository_is_staged_as_what_it_names(self, checkout: Checkout) -> None:
        checkout.write({"common/src/code.py": b"x = 1\n"})
        (checkout.job.sources / "training/context/src").symlink_to("../../common/src")

        prepare(checkout.job)

        staged = context_folder(checkout.job) / "src" / "code.py"
        assert staged.read_bytes() == b"x = 1\n"
        assert not staged.parent.is_symlink()

    def test_rules_that_are_a_link_are_refused_as_the_app_does_not_follow_them(self, checkout: Checkout) -> None:
        rules = checkout.job.sources / "rebuilder.yml"
        rules.rename(checkout.job.sources / "real.yml")
        rules.symlink_to("real.yml")

        assert "rebuilder.yml is a link" in refusal(lambda: prepare(checkout.job))


class TestOtherPlaces:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_no_other_index_is_asked_whatever_a_file_says(
        self, checkout: Checkout, elsewhere: Index, encoding: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every way in which pip would read one, each of which alone would be enough."""
        ways = ["--extra-index-url {url}", "--pre --extra-index-url {url}", "--prefer-binary --extra-index-url={url}",
                "--pypi-url {url}", "-i{url}", "--extra-index-url \\\n {url}", "# \u2028--extra-index-url {url}",
                "--extra-index-url {url} --trusted-host 127.0.0.1"]  # fmt: skip
        lines = [way.format(url=elsewhere.url) for way in ways]
        checkout.write({REQUIREMENTS: "\n".join([*lines, "our-package==1.1", "our-helper", ""]).encode(encoding)})
        prepare(checkout.job)

        work = package(checkout.job)
        verify(checkout.job)

        assert work.packages == {"our-helper": "2.5", "our-package": "1.1"}
        assert elsewhere.asked == []
        assert "requirements.txt names an index of its own" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("--find-links {url}", "line 1: --find-links leads to another place than the feed"),
            ("-f{url}", "line 1: -f leads to another place than the feed"),
            ("-r {url}more.txt", "more.txt is not in the repository: an offline install cannot read it"),
            ("-c {url}more.txt", "more.txt is not in the repository"),
            ("our-helper @ {url}our_helper-99.0-py3-none-any.whl", "is taken from another place than the feed"),
            ("{url}our_helper-99.0-py3-none-any.whl", "is taken from another place than the feed"),
            ("our-helper @ file:///tmp/our_helper-99.0-py3-none-any.whl", "is taken from another place than the feed"),
            ("/tmp/our_helper-99.0-py3-none-any.whl", "is taken from another place than the feed"),
            ("../../our_helper-99.0-py3-none-any.whl", "is taken from another place than the feed"),
            ("git+https://example.com/x.git#egg=our-helper", "is taken from another place than the feed"),
            ("-e .", "is taken from another place than the feed"),
            ("our-helper @ {url}x.whl?x=${{PIP_INDEX_URL}}", "it holds a variable"),
            ("our-helper==${{VERSION}}", "it holds a variable"),
        ],
    )
    def test_what_leads_past_the_feed_is_refused_before_anything_is_fetched(
        self, checkout: Checkout, elsewhere: Index, line: str, complaint: str
    ) -> None:
        checkout.write({REQUIREMENTS: f"{line.format(url=elsewhere.url)}\nour-package==1.1\n".encode()})

        why = refusal(lambda: prepare(checkout.job))

        assert why.startswith(f"{REQUIREMENTS} line 1")
        assert complaint in why
        assert elsewhere.asked == []

    def test_a_conda_files_list_is_no_way_around(self, checkout: Checkout, elsewhere: Index) -> None:
        checkout.write(
            {
                "training/environment.yml": b"name: training\nimage: mcr.microsoft.com/x\nconda_file: conda.yml\n",
                "training/conda.yml": f"dependencies:\n- pip:\n  - --pre\n  - --extra-index-url {elsewhere.url}\n"
                "  - our-package==1.1\n  - our-helper\n".encode(),
            }
        )
        prepare(checkout.job)
        work = package(checkout.job)

        assert work.packages == {"our-helper": "2.5", "our-package": "1.1"}
        assert elsewhere.asked == []
        assert (
            context_folder(checkout.job) / "requirements.txt"
        ).read_text() == "--pre\nour-package==1.1\nour-helper\n"

    def test_a_wheel_inside_the_context_is_installed_from_there(self, checkout: Checkout) -> None:
        wheel = empty_wheel("our-local", "3.0", checkout.job.sources / "training/context/libs", requires=["our-helper"])
        checkout.write({REQUIREMENTS: f"./libs/{wheel.name}\nour-package==1.1\n".encode()})
        prepare(checkout.job)

        package(checkout.job)
        verify(checkout.job)

        assert (packages_folder(checkout.job) / "our_helper-2.5-py3-none-any.whl").exists()

    def test_a_network_that_is_there_does_not_help_the_proof(self, packaged: Checkout, elsewhere: Index) -> None:
        """As if the file had changed after it was read: only the blocked way out is left."""
        text = f"--find-links {elsewhere.url}\nour-package==1.1\nour-helper>=3\n"
        (context_folder(packaged.job) / "requirements.txt").write_text(text)

        assert "the offline install fails" in refusal(lambda: verify(packaged.job))
        assert elsewhere.asked == []


class TestPipItself:
    def test_nothing_in_the_context_takes_pips_place(self, checkout: Checkout) -> None:
        checkout.write({"training/context/pip.py": b"", "training/context/venv.py": b"raise SystemExit(3)\n"})
        prepare(checkout.job)
        package(checkout.job)
        (packages_folder(checkout.job) / "our_helper-2.5-py3-none-any.whl").unlink()

        assert "no file of our-helper" in refusal(lambda: verify(checkout.job))

    def test_what_pip_says_is_no_command_for_the_agent(
        self, checkout: Checkout, capsys: pytest.CaptureFixture[str]
    ) -> None:
        marker = 'python_version < "3" and sys_platform == "##vso[task.setvariable variable=REBUILDER_WORKSPACES]x"'
        checkout.write({REQUIREMENTS: f"our-package==1.1\nour-other; {marker}\n".encode()})
        prepare(checkout.job)
        package(checkout.job)
        verify(checkout.job)

        said = capsys.readouterr().out
        assert "task.setvariable variable=REBUILDER_WORKSPACES" in said
        assert not [line for line in said.splitlines() if "##vso[task.setvariable variable=REBUILDER" in line]


class TestTheUpload:
    @pytest.mark.parametrize(
        "rules", [b"\xef\xbb\xbfpip_packages/\n", b"pip_packages\n", b"**/*.whl\n", b"*\n!*.txt\n"]
    )
    def test_wheels_that_would_not_be_uploaded_are_found_out(self, checkout: Checkout, rules: bytes) -> None:
        checkout.write({"training/context/.amlignore": rules})
        work = prepare(checkout.job)
        empty_wheel("our-package", "1.1", packages_folder(checkout.job))

        assert refusal(lambda: check_upload(checkout.job, work)).startswith(".amlignore keeps ")

    @pytest.mark.parametrize(
        "rules",
        ["", "*.whl", "pip_packages", "/pip_packages/", "pip_packages/*", "*\n!*.txt", "*\n!pip_packages/",
         "!pip_packages/a.whl\npip_packages/a.whl", "\ufeffpip_packages/", "**/a.whl", "# comment\n\n  \n", "a.whl ",
         "Dockerfile\n!Dockerfile", "src/**/x.py", "/*\n!/pip_packages", "[ab].whl", "PIP_PACKAGES"],
    )  # fmt: skip
    def test_ignore_rules_are_read_as_azure_ai_ml_reads_them(self, tmp_path: Path, rules: str) -> None:
        from azure.ai.ml._utils._asset_utils import get_ignore_file

        (tmp_path / ".amlignore").write_text(rules, encoding="utf-8")
        paths = ["Dockerfile", "requirements.txt", "pip_packages/a.whl", "src/deep/x.py", "a.whl", "src/a.whl"]
        theirs, ours = get_ignore_file(tmp_path), uploaded_without(tmp_path)

        assert [bool(ours(path)) for path in paths] == [theirs.is_file_excluded(tmp_path / path) for path in paths]

    def test_a_file_that_the_dockerfile_names_is_needed_whatever_it_is_called(self, checkout: Checkout) -> None:
        (checkout.job.sources / REQUIREMENTS).unlink()
        dockerfile = DOCKERFILE.replace(b"requirements.txt", b"our.in")
        checkout.write(
            {
                "training/context/Dockerfile": dockerfile,
                "training/context/our.in": b"our-package==1.1\n",
                "training/context/.amlignore": b"*.in\n",
            }
        )
        work = prepare(checkout.job)
        empty_wheel("our-package", "1.1", packages_folder(checkout.job))

        assert refusal(lambda: check_upload(checkout.job, work)).startswith(".amlignore keeps our.in out of the upload")

    @pytest.mark.parametrize("as_folder", [True, False])
    def test_an_amlignore_that_cannot_be_followed_is_named(self, checkout: Checkout, as_folder: bool) -> None:
        if as_folder:
            (checkout.job.sources / "training/context/.amlignore").mkdir()
        else:
            checkout.write({"training/context/.amlignore": b"!\n"})
        work = prepare(checkout.job)
        empty_wheel("our-package", "1.1", packages_folder(checkout.job))

        assert refusal(lambda: check_upload(checkout.job, work)).startswith(".amlignore cannot be followed")

    @pytest.mark.parametrize(
        ("rules", "warned"),
        [
            (b"*\n", True),
            (b"pip_packages\n", True),
            (b"**/*.whl\n", True),
            (b"*\n!pip_packages\n", False),
            (b"*.whl\n", False),
            (b"# pip_packages\nsrc\n", False),
        ],
    )
    def test_a_dockerignore_that_hides_the_wheels_is_warned_of(
        self, checkout: Checkout, rules: bytes, warned: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        checkout.write({"training/context/.dockerignore": rules})
        work = prepare(checkout.job)
        empty_wheel("our-package", "1.1", packages_folder(checkout.job))
        check_upload(checkout.job, work)

        assert (".dockerignore keeps pip_packages/" in capsys.readouterr().out) is warned

    def test_only_the_contexts_own_folder_of_wheels_is_left_out(self, checkout: Checkout) -> None:
        checkout.write({"training/context/src/pip_packages/__init__.py": b"", "training/context/pip_packages/x": b""})

        prepare(checkout.job)

        assert (context_folder(checkout.job) / "src/pip_packages/__init__.py").exists()
        assert not list(packages_folder(checkout.job).iterdir())


class TestDefinitions:
    @pytest.mark.parametrize(
        ("yaml_text", "complaint"),
        [
            ("name: training\nbuild: {path: context, dockerfile_path: ../Dockerfile}\n", "outside the build context"),
            ("name: training\nbuild: {path: context}\nfoo: 1\n", "`foo`: Unknown field."),
            ("name: training\nbuild: {path: context}\nos_type: bsd\n", "`os_type`: Value 'bsd' passed is not in set"),
            ("name: training\nbuild: {path: context}\ndescription: 5\n", "`description`: Not a valid string."),
            ("name: training\nbuild: {path: context}\ntags: {1: a}\n", "`tags` is not a map of texts"),
            ("name: training\nbuild: {path: context}\nversion: 2024-01-01\n", "write it in quotes"),
            ("name: training\nbuild: {path: context}\nversion: true\n", "write it in quotes"),
            ('name: training\nimage: "x\\nRUN curl evil"\nconda_file: conda.yml\n', "is no name of an image"),
        ],
    )
    def test_what_would_be_refused_later_is_refused_first(
        self, checkout: Checkout, yaml_text: str, complaint: str
    ) -> None:
        checkout.write(
            {
                "training/environment.yml": yaml_text.encode(),
                "training/Dockerfile": DOCKERFILE,
                "training/conda.yml": b"dependencies: [{pip: [our-package==1.1]}]\n",
            }
        )

        assert complaint in refusal(lambda: prepare(checkout.job))

    def test_a_conda_file_that_the_dockerfile_installs_is_packaged_and_proven_too(self, checkout: Checkout) -> None:
        (checkout.job.sources / REQUIREMENTS).unlink()
        conda = f"dependencies:\n- python={PYTHON}\n- pip:\n  - our-package==1.1\n".encode()
        checkout.write(
            {
                "training/context/Dockerfile": b"FROM x\nCOPY pip_packages /p\nENV PIP_FIND_LINKS=/p\n"
                b"RUN conda env create -f conda.yml\n",
                "training/context/conda.yml": conda,
            }
        )
        work = prepare(checkout.job)
        package(checkout.job)
        verify(checkout.job)

        assert (work.requirements, work.files) == ([], ["conda.yml"])
        (packages_folder(checkout.job) / "our_helper-2.5-py3-none-any.whl").unlink()
        assert "no file of our-helper" in refusal(lambda: verify(checkout.job))
