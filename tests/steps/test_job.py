import pytest

from shared.domain.inventory.inline import InlinePin
from shared.domain.inventory.references import Reference
from shared.domain.inventory.surroundings import Elsewhere
from shared.domain.targets import Workspace
from shared.errors import InvalidConfiguration
from shared.steps.job_state import Job, Registered, Work
from shared.steps.register import tags_of
from shared.steps.report import summary
from tests.steps.conftest import Checkout

VARIABLES = {
    "REBUILDER_ENVIRONMENT": "a/b.yml",
    "REBUILDER_REBUILD": "0123",
    "REBUILDER_BATCH": "2",
    "REBUILDER_COMMIT": "c" * 40,
    "REBUILDER_WORKSPACES": "s/ml/training, s/ml/production",
    "REBUILDER_FOLDER": "/tmp/job",
    "BUILD_BUILDID": "12",
    "BUILD_SOURCESDIRECTORY": "/tmp/sources",
}


def test_a_job_is_read_from_the_pipelines_variables() -> None:
    job = Job.read(VARIABLES)

    assert (job.environment, job.run, job.batch, job.earlier) == ("a/b.yml", "12", "2", ())
    assert job.workspaces == (Workspace("s", "ml", "training"), Workspace("s", "ml", "production"))


@pytest.mark.parametrize(
    ("said", "earlier"),
    [("", ()), ("0123", ("0123",)), ("0123456789abcdef+fedcba9876543210", ("0123456789abcdef", "fedcba9876543210"))],
)
def test_earlier_rebuilds_of_the_same_files_are_read(said: str, earlier: tuple[str, ...]) -> None:
    assert Job.read({**VARIABLES, "REBUILDER_EARLIER": said}).earlier == earlier


@pytest.mark.parametrize("said", ["x", "0123,4567", "0123+$(id)", "0123 4567", "ABCD", "0" * 65])
def test_an_earlier_rebuild_that_the_app_never_sends_is_refused(said: str) -> None:
    with pytest.raises(InvalidConfiguration, match="`REBUILDER_EARLIER` is not what the app sends"):
        Job.read({**VARIABLES, "REBUILDER_EARLIER": said})


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        Job.read({"REBUILDER_WORKSPACES": "training"})

    assert len(caught.value.problems) == 8
    assert "workspace 'training' is not `subscription/resource group/workspace`" in str(caught.value)


def test_a_registered_version_is_tied_to_the_release_by_its_tags(checkout: Checkout) -> None:
    work = Work("training", "3.10", private=["our-package"], packages={"our-package": "1.1", "numpy": "2.0"})

    assert tags_of(checkout.job, work) == {
        "rebuilder-rebuild": "0123456789abcdef",
        "rebuilder-run": "12",
        "rebuilder-commit": "c" * 40,
        "package-our-package": "1.1",
    }


def test_the_summary_lists_who_stays_behind_and_what_is_built_elsewhere(checkout: Checkout) -> None:
    reference = Reference("jobs/`a`.yml", 3, "azureml:training:3", "3")
    pin = InlinePin("jobs/b.yml", 2, "our-package", "our-package==1.0", "jobs/b.yml", 7)
    elsewhere = Elsewhere(inline=(pin,), pin_count=1, inline_count=1, references=(reference,), reference_count=1)
    work = Work("training", "3.10", elsewhere=elsewhere)

    def said(*versions: str) -> list[str]:
        work.registered = [Registered(f"ml/{at}", version) for at, version in enumerate(versions)]
        return [line for line in summary(checkout.job, work).splitlines() if line.startswith("- `")]

    inline = "- `jobs/b.yml line 2: our-package==1.0 (line 7)`"
    assert said() == [inline], "nothing is behind what is not registered"
    assert said("4") == ["- `jobs/a.yml line 3 names azureml:training:3; the new version is 4`", inline]
    assert said("4", "4") == said("4")
    assert said("4", "9") == ["- `jobs/a.yml line 3 names azureml:training:3; it stays behind at 3`", inline]


def test_the_summary_tells_what_became_of_the_environment(checkout: Checkout) -> None:
    work = Work(
        "training", "3.10", private=["our-package"], packages={"our-package": "1.1", "numpy": "2.0"},
        registered=[Registered("ml/training", "4"), Registered("ml/other", "3", unchanged=True)],
        warnings=["mind this"], problem="it broke",
    )  # fmt: skip

    text = summary(checkout.job, work)

    for part in ("**Failed:** it broke", "version **4** in ml/training\n",
                 "**3** in ml/other (unchanged)", "2 packages, of them ours: our-package 1.1",
                 "warning: mind this"):  # fmt: skip
        assert part in text
