import hashlib
import os
from pathlib import Path

import pytest

from local.azure_devops.server import Organization
from local.wheels import empty_wheel
from shared.steps.job_state import StepFailed, context_folder, packages_folder
from shared.steps.package import package
from shared.steps.pip import explain_pip, installer_environment
from shared.steps.prepare import prepare
from shared.steps.uv import explain_uv
from shared.steps.verify import verify
from tests.steps.conftest import PYTHON, Checkout


def packages(checkout: Checkout) -> list[str]:
    return sorted(path.name for path in packages_folder(checkout.job).iterdir())


def test_everything_that_is_needed_is_downloaded_and_installs_offline(checkout: Checkout) -> None:
    prepare(checkout.job)

    work = package(checkout.job)
    verify(checkout.job)

    assert work.packages == {"our-helper": "2.5", "our-package": "1.1"}
    assert packages(checkout) == ["our_helper-2.5-py3-none-any.whl", "our_package-1.1-py3-none-any.whl"]


def own(commands: str) -> dict[str, bytes]:
    """A Dockerfile that installs by itself, with a rule that names our packages."""
    text = f"FROM scratch\nCOPY pip_packages /pip_packages\n{commands}"
    rules = f'deliver: push\npython: {{"**": "{PYTHON}"}}\npackages: [{{match: "our-*"}}]\n'
    return {"training/context/Dockerfile": text.encode(), "rebuilder.yml": rules.encode()}


def test_what_a_dockerfile_installs_by_itself_is_downloaded_and_installs_offline(checkout: Checkout) -> None:
    (checkout.job.sources / "training/context/requirements.txt").unlink()
    checkout.write(own("RUN pip install --no-index --find-links /pip_packages our-linux==1.0 numpy==1.0\n"))
    prepare(checkout.job)

    work = package(checkout.job)
    verify(checkout.job)

    assert work.packages == {"our-helper": "2.5", "our-linux": "1.0"}


def test_files_and_commands_of_a_dockerfile_need_not_agree(checkout: Checkout, organization: Organization) -> None:
    """Hashes in the file would ask for hashes of everything, if pip saw both together."""
    wheel = organization.feed.file("our-helper", "2.5", "our_helper-2.5-py3-none-any.whl")
    assert wheel is not None
    digest = hashlib.sha256(wheel).hexdigest()
    checkout.write(
        own("RUN pip install -r requirements.txt\nRUN pip install our-package==1.0\nRUN echo our-clash==1.0\n")
        | {"training/context/requirements.txt": f"our-helper==2.5 --hash=sha256:{digest}\n".encode()}
    )
    prepare(checkout.job)

    work = package(checkout.job)
    verify(checkout.job)

    assert work.packages == {"our-helper": "2.5", "our-package": "1.0"}


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ("", "2.0"),
        ("allow: '<2'", "1.2"),
        ("hold: ['2.0', '1.2']", "1.1"),
        ("allow: '!=2.0', hold: ['1.2']", "1.1"),
        ("prereleases: true", "2.0"),
    ],
)
@pytest.mark.parametrize("way", ["file", "command"])
def test_what_a_range_takes_follows_the_rules(checkout: Checkout, rule: str, taken: str, way: str) -> None:
    rules = f'deliver: push\npython: {{"**": "{PYTHON}"}}\npackages: [{{match: "our-*", {rule}}}]\n'
    command = "-r requirements.txt" if way == "file" else "'our-range>=1.0'"
    docker = f"FROM scratch\nCOPY . /context\nRUN pip install --no-index --find-links /context {command}\n"
    files = {"training/context/Dockerfile": docker.encode(), "rebuilder.yml": rules.encode()}
    checkout.write({**files, "training/context/requirements.txt": b"our-range>=1.0\n"})
    prepare(checkout.job)

    work = package(checkout.job)
    verify(checkout.job)

    assert work.packages == {"our-range": taken}


def test_a_version_that_the_rules_hold_and_a_file_pins_is_what_its_person_wants(checkout: Checkout) -> None:
    rules = f'deliver: push\npython: {{"**": "{PYTHON}"}}\npackages: [{{match: "our-*", hold: ["1.2"]}}]\n'
    checkout.write({"rebuilder.yml": rules.encode(), "training/context/requirements.txt": b"our-range==1.2\n"})
    prepare(checkout.job)
    assert package(checkout.job).packages == {"our-range": "1.2"}


def test_a_range_that_the_rules_leave_nothing_of_is_named(checkout: Checkout) -> None:
    rules = f'deliver: push\npython: {{"**": "{PYTHON}"}}\npackages: [{{match: "our-*", allow: "<1"}}]\n'
    checkout.write({"rebuilder.yml": rules.encode(), "training/context/requirements.txt": b"our-range>=1.0\n"})
    prepare(checkout.job)
    with pytest.raises(StepFailed, match=r"our-range"):
        package(checkout.job)


def test_a_dockerfile_that_installs_nothing_of_the_feed_is_named(checkout: Checkout) -> None:
    (checkout.job.sources / "training/context/requirements.txt").unlink()
    checkout.write(own("RUN pip install numpy==1.0\n"))

    with pytest.raises(StepFailed, match="names a package of the feed"):
        prepare(checkout.job)


def test_what_was_left_over_is_gone_and_a_second_download_gives_the_same(packaged: Checkout) -> None:
    before = {path.name: path.read_bytes() for path in packages_folder(packaged.job).iterdir()}
    (packages_folder(packaged.job) / "stale-1.0-py3-none-any.whl").write_bytes(b"stale")

    package(packaged.job)

    assert {path.name: path.read_bytes() for path in packages_folder(packaged.job).iterdir()} == before


def test_an_index_that_a_file_names_is_not_asked(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    text = b"--index-url https://elsewhere.invalid/simple\n--extra-index-url https://public.invalid\nour-package==1.1\n"
    checkout.write({"training/context/requirements.txt": text})
    prepare(checkout.job)

    package(checkout.job)
    verify(checkout.job)

    assert "requirements.txt names an index of its own" in capsys.readouterr().out
    assert (context_folder(checkout.job) / "requirements.txt").read_bytes() == text


def test_a_second_index_is_never_asked(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://public.invalid/simple")
    prepare(checkout.job)

    package(checkout.job)

    assert "PIP_EXTRA_INDEX_URL is ignored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("requirements", "complaint"),
    [
        (
            b"our-package==9.9\n",
            f"no file of our-package==9.9 for Python {PYTHON} on Linux x86_64: the feed has wheels of 1.0, 1.1",
        ),
        (
            b"our-unknown==1.0\n",
            f"no file of our-unknown==1.0 for Python {PYTHON} on Linux x86_64: the feed has no version",
        ),
        (b"our-late==1.0\n", f"no file of our-late==1.0 for Python {PYTHON} on Linux x86_64"),
        (b"our-package==1.1\nour-clash==1.0\n", "the requirements contradict each other"),
    ],
)
def test_what_the_feed_cannot_give_is_named(checkout: Checkout, requirements: bytes, complaint: str) -> None:
    checkout.write({"training/context/requirements.txt": requirements})
    prepare(checkout.job)

    with pytest.raises(StepFailed) as caught:
        package(checkout.job)

    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)


def test_a_feed_that_refuses_the_pipeline_is_named(
    checkout: Checkout, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", organization.feed_index("an-expired-token"))
    prepare(checkout.job)

    with pytest.raises(StepFailed, match="the feed does not accept the pipeline's identity"):
        package(checkout.job)


def test_a_feed_that_is_away_is_not_taken_for_an_empty_one(
    checkout: Checkout, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")  # pip's own waits change nothing but the time
    prepare(checkout.job)
    organization.faults.set("index", "503", times=100)

    with pytest.raises(StepFailed, match=r"^the feed does not answer; a rerun may succeed$"):
        package(checkout.job)

    organization.faults.clear()


def test_without_signing_in_nothing_is_downloaded(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_INDEX_URL")
    prepare(checkout.job)

    with pytest.raises(StepFailed, match="PipAuthenticate@1 has not signed in"):
        package(checkout.job)


def test_no_credential_is_written_to_the_log(
    checkout: Checkout, organization: Organization, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", organization.feed_index("canary-token"))
    prepare(checkout.job)

    with pytest.raises(StepFailed) as caught:
        package(checkout.job)

    assert "canary-token" not in capsys.readouterr().out + str(caught.value)


def test_an_interpreter_that_is_not_there_is_named(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(checkout.job)
    monkeypatch.setenv("REBUILDER_PYTHON", "/nowhere/3.6")

    with pytest.raises(StepFailed, match=r"there is no interpreter of the environment's Python in /nowhere/3\.6"):
        package(checkout.job)


def test_the_steps_have_to_run_in_their_order(checkout: Checkout) -> None:
    with pytest.raises(StepFailed, match="the step `prepare` has not run"):
        package(checkout.job)


def test_a_wheel_that_is_missing_is_found_out(packaged: Checkout) -> None:
    (packages_folder(packaged.job) / "our_helper-2.5-py3-none-any.whl").unlink()

    with pytest.raises(StepFailed, match="the offline install fails: no file of our-helper>=2"):
        verify(packaged.job)


def test_no_setting_of_the_machine_can_make_the_proof_lie(
    packaged: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing wheel lies where PIP_FIND_LINKS, a configuration file and uv's variables point to."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    name = "our_helper-2.5-py3-none-any.whl"
    (packages_folder(packaged.job) / name).rename(elsewhere / name)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nfind-links = {elsewhere}\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(elsewhere))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("UV_FIND_LINKS", str(elsewhere))
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(configuration.read_text())
    monkeypatch.setenv("HOME", str(home))

    with pytest.raises(StepFailed, match="the offline install fails"):
        verify(packaged.job)


def test_packages_that_do_not_fit_together_are_found_out(packaged: Checkout) -> None:
    """A wheel whose requirement is met at download and not any more at installation."""
    folder = packages_folder(packaged.job)
    (folder / "our_package-1.1-py3-none-any.whl").unlink()
    empty_wheel("our-package", "1.1", folder)
    checkout_requirements = context_folder(packaged.job) / "requirements.txt"
    checkout_requirements.write_text("our-package==1.1\nour-helper==9\n")

    with pytest.raises(StepFailed, match="no file of our-helper==9"):
        verify(packaged.job)


def stock(checkout: Checkout, **wheels: tuple[str, ...]) -> None:
    """Put wheels into the context: `name_1_0` and what it requires."""
    for label, requires in wheels.items():
        name, major, minor = label.rsplit("_", 2)
        empty_wheel(name, f"{major}.{minor}", packages_folder(checkout.job), requires=requires)


def test_a_command_that_spoils_what_a_file_installed_is_found_out(checkout: Checkout) -> None:
    checkout.write(own("RUN pip install -r requirements.txt\nRUN pip install our-clash==1.0\n"))
    prepare(checkout.job)
    stock(checkout, our_package_1_1=("our-helper>=2",), our_helper_2_5=(), our_helper_1_5=(),
          our_clash_1_0=("our-helper<2",))  # fmt: skip

    with pytest.raises(StepFailed) as caught:
        verify(checkout.job)

    assert str(caught.value) == (
        "what was installed does not fit together: "
        "The package `our-package` requires `our-helper>=2`, but `1.5` is installed"
    )


def test_a_command_keeps_what_a_file_installed_where_that_will_do(checkout: Checkout) -> None:
    checkout.write(own("RUN pip install -r requirements.txt\nRUN pip install our-linux==1.0\n"))
    prepare(checkout.job)
    stock(checkout, our_package_1_1=("our-helper==2.4",), our_helper_2_4=(), our_helper_2_5=(),
          our_linux_1_0=("our-helper",))  # fmt: skip

    verify(checkout.job)


def test_a_wheel_for_another_python_is_not_installed(checkout: Checkout) -> None:
    """As far as the agent's own platform can tell."""
    prepare(checkout.job)
    stock(checkout, our_package_1_1=())
    wheel = packages_folder(checkout.job) / "our_package-1.1-py3-none-any.whl"
    wheel.rename(wheel.with_name("our_package-1.1-cp36-cp36m-manylinux2014_x86_64.whl"))

    with pytest.raises(StepFailed, match=r"the offline install fails: no file of our-package==1\.1 for Python"):
        verify(checkout.job)


def test_a_damaged_wheel_is_found_out(packaged: Checkout) -> None:
    wheel = packages_folder(packaged.job) / "our_helper-2.5-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-40])

    with pytest.raises(StepFailed, match=r"^the offline install fails: .*our_helper-2\.5") as caught:
        verify(packaged.job)

    assert "\n" not in str(caught.value)


def test_a_context_without_packages_is_found_out(checkout: Checkout) -> None:
    prepare(checkout.job)

    with pytest.raises(StepFailed, match="the build context has no packages in pip_packages"):
        verify(checkout.job)


def test_an_amlignore_that_keeps_wheels_out_of_the_upload_is_found_out(checkout: Checkout) -> None:
    checkout.write({"training/context/.amlignore": b"*.whl\n"})
    prepare(checkout.job)
    package(checkout.job)

    with pytest.raises(StepFailed, match=r"^\.amlignore keeps pip_packages/our_helper-2.5-py3-none-any.whl out"):
        verify(checkout.job)


def test_a_setting_of_uv_in_the_context_changes_nothing(checkout: Checkout) -> None:
    settings = b'[pip]\nno-binary = [":all:"]\nindex-url = "https://elsewhere.invalid/simple"\n'
    overrides = b'[project]\nname = "x"\nversion = "1"\n[tool.uv]\noverride-dependencies = ["our-helper==9"]\n'
    checkout.write({"training/context/uv.toml": settings, "training/context/pyproject.toml": overrides})
    checkout.write(own("RUN pip install -r requirements.txt\nRUN pip install our-linux==1.0\n"))
    prepare(checkout.job)
    package(checkout.job)

    verify(checkout.job)


def test_pip_and_uv_run_with_nothing_of_the_machines_settings() -> None:
    variables = {
        "PIP_INDEX_URL": "https://feed", "PIP_EXTRA_INDEX_URL": "x", "PIP_FIND_LINKS": "x", "PIP_NO_INDEX": "1",
        "PIP_CONFIG_FILE": "x", "UV_INDEX": "x", "PATH": "/bin", "PIP_CERT": "/ca.pem",
    }  # fmt: skip

    online, offline = installer_environment(variables), installer_environment(variables, index=False)

    assert online == {
        "PIP_INDEX_URL": "https://feed",
        "PIP_CERT": "/ca.pem",
        "PATH": "/bin",
        "PIP_CONFIG_FILE": os.devnull,
    }
    assert offline == {"PATH": "/bin", "PIP_CONFIG_FILE": os.devnull}


_FETCH = "2026-01-01T00:00:00,000 Could not fetch URL http://feed/simple/foo/: {} - skipping\n"
_NOTHING = "ERROR: No matching distribution found for foo\n"


@pytest.mark.parametrize(
    ("output", "details", "line"),
    [
        ("", "", "pip: it failed without a word"),
        ("something odd\n\n", "", "pip: something odd"),
        ("ERROR: Could not open requirements file: [Errno 2] x\n", "",
         "pip: Could not open requirements file: [Errno 2] x"),
        (f"ERROR: Could not find foo (from versions: {', '.join(map(str, range(20)))})\n{_NOTHING}", "",
         "no file of foo for Python 3.10 on Linux x86_64: the feed has wheels of …, 12, 13, 14, 15, 16, 17, 18, 19"),
        (_NOTHING, _FETCH.format("404 Client Error: Not Found for url: x"),
         ("no file of foo for Python 3.10 on Linux x86_64: the feed has no version with a wheel for it; "
          "build one (`pip wheel`) on Linux with this Python, and publish it to the feed")),
        (_NOTHING, _FETCH.format("401 Client Error: Unauthorized for url: x"),
         "the feed does not accept the pipeline's identity (401): give the build service the role Reader on the feed"),
        (_NOTHING, _FETCH.format("HTTPConnectionPool(host='x'): Max retries exceeded (too many 503 error responses)"),
         "the feed does not answer; a rerun may succeed"),
        (_NOTHING, _FETCH.format("connection error: x"), "the feed does not answer; a rerun may succeed"),
    ],
)  # fmt: skip
def test_whatever_pip_says_becomes_one_line(output: str, details: str, line: str) -> None:
    assert explain_pip(output, "3.10", details) == line


_UNSOLVED = "error: No solution found when resolving dependencies\n"


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", "uv: it failed without a word"),
        ("something odd\n\n", "uv: something odd"),
        (f"{_UNSOLVED}  cause: Because foo was not found\n         And because you require foo.\n\nhint: try more\n",
         "Because foo was not found And because you require foo."),
        ("Using CPython\nerror: Failed to install: foo.whl\n  cause: The wheel is invalid\n",
         "Failed to install: foo.whl: The wheel is invalid"),
    ],
)  # fmt: skip
def test_whatever_uv_says_becomes_one_line(output: str, line: str) -> None:
    assert explain_uv(output) == line
