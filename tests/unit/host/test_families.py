"""Families of operating systems, by what distributions write into /etc/os-release."""

import pytest

from cloudmanager.host.family import family_of

SYSTEMS = {
    "Debian": ("ID=debian\n", "debian"),
    "Ubuntu": ("NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "debian"),
    "Astra": ('ID=astra\nID_LIKE="debian"\n', "debian"),
    "Rocky": ('NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\n', "redhat"),
    "RHEL": ("ID='rhel'\nID_LIKE=fedora\n", "redhat"),
    "Fedora": ("ID=fedora\n", "redhat"),
    "openSUSE": ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "any"),
    "a quote without its end": ('ID="debian\n', "any"),
    "nothing": ("", "any"),
}


@pytest.mark.parametrize(("text", "family"), SYSTEMS.values(), ids=SYSTEMS)
def test_family(text, family):
    assert family_of(text) == family
