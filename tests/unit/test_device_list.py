"""Lists of devices in CSV."""

from __future__ import annotations

import pytest

from cloudmanager.device_list import read_devices
from cloudmanager.drivers.modbus import ModbusSettings
from cloudmanager.errors import InvalidInput


def read(tmp_path, text, **options):
    path = tmp_path / "devices.csv"
    path.write_text(text)
    return read_devices(path, **{"password": None, "timeout": 1.0, **options})


def test_columns_heading_comments_and_defaults(tmp_path):
    first, second, third = read(
        tmp_path,
        "control_type,host,port,login,password\n"
        "# rack 1\n"
        "\n"
        'SupermicroRackDevice,10.0.0.1,6230,ADMIN,"pass,word"\n'
        "SupermicroRackDevice, bmc2 ,,ADMIN,\n"
        "SupermicroRackDevice,bmc3,,,,1\n",
        password="shared",
    )
    assert (first.settings.host, first.settings.port, first.settings.login) == ("10.0.0.1", 6230, "ADMIN")
    assert first.settings.password == "pass,word"
    assert (second.settings.host, second.settings.port, second.settings.password) == ("bmc2", 623, "shared")
    assert (second.outlets, third.outlets) == ((), ("1",))


def test_options_are_those_of_the_type(tmp_path):
    plain, board = read(tmp_path, 'ET7067,h,502,,,1\nET7067,h,502,,,1,"{""unit_id"": 9}"\n')
    assert isinstance(plain.settings, ModbusSettings)
    assert (plain.settings.unit_id, board.settings.unit_id) == (1, 9)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Toaster,h,1,a,b", "unknown control type 'Toaster'"),
        ("SupermicroRackDevice,,1,a,b", "host is empty"),
        ("SupermicroRackDevice,h,70000,a,b", "port '70000'"),
        ("SupermicroRackDevice,h,-1,a,b", "port '-1'"),
        ("SupermicroRackDevice,h", "2 columns"),
        ("SupermicroRackDevice,h,1,a,b,1,{},x", "8 columns"),
        ("SupermicroRackDevice,h,1,a,b,1,x", "options are not JSON"),
        ("SupermicroRackDevice,h,1,a,b,1,[]", "options are not a JSON object"),
        ('ET7067,h,1,,,1,"{""tls"": ""off""}"', "ET7067 has no option 'tls'; it has unit_id"),
        ("SupermicroRackDevice,h,1,a,b,2", "no outlet '2'"),
    ],
)
def test_mistakes_name_the_line(tmp_path, line, words):
    with pytest.raises(InvalidInput) as refused:
        read(tmp_path, f"SupermicroRackDevice,good,,,\n{line}\n")
    assert "line 2" in refused.value.message
    assert words in refused.value.message
