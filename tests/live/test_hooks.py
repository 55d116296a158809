"""What the organisation tells of its service hooks. None is created: nobody could be called."""

from tests.live.site import Site


def test_subscriptions_can_be_listed(site: Site) -> None:
    found = site.azure_devops.hooks(site.organization).subscriptions()
    statuses = {"enabled", "onProbation", "disabledByUser", "disabledBySystem", "disabledByInactiveIdentity"}
    assert {one.status for one in found} <= statuses
    assert all(one.id and one.event for one in found)
