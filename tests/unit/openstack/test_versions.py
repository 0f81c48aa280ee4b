"""Which microversion is spoken with which Nova."""

import pytest

from cloudmanager.errors import CloudRefused, CloudUnreachable
from cloudmanager.openstack.versions import EVACUATE, HYPERVISORS, USUAL, spoken


@pytest.mark.parametrize(
    ("speech", "newest", "version"),
    [
        (USUAL, (2, 103), "2.96"),
        (USUAL, (2, 90), "2.90"),
        (USUAL, (2, 80), "2.80"),
        (EVACUATE, (2, 103), "2.94"),
        (EVACUATE, (2, 79), "2.79"),
        (HYPERVISORS, (2, 96), "2.87"),
    ],
)
def test_the_newest_that_both_know(speech, newest, version):
    assert spoken(speech, newest, "verb") == version


def test_a_nova_that_is_too_old_is_refused_with_both_versions():
    with pytest.raises(CloudRefused, match=r"evacuate needs microversion 2\.68, its newest is 2\.53"):
        spoken(EVACUATE, (2, 53), "evacuate")


def test_a_nova_that_does_not_say_what_it_speaks_may_do_so_later():
    with pytest.raises(CloudUnreachable, match=r"v2\.1"):
        spoken(USUAL, None, "services")
