"""The id of what was deleted is never given to something new: automation may remember it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("path", "noun", "body"),
    [
        ("/v1/nodes/", "node", {"name": "n"}),
        (
            "/v1/power-controls/",
            "power_control",
            {
                "control_type": "SupermicroRackDevice",
                "protocol_type": "ipmi",
                "host": "h",
                "port_number": 623,
            },
        ),
        ("/v1/node-images/", "node_image", {"image_name": "i", "file_data": "x"}),
        ("/v1/node-classes/", "node_class", {"name": "c"}),
    ],
)
def test_ids_are_not_used_again(api, path, noun, body):
    first = api.post(path, {noun: body})[noun]["id"]
    api.delete(f"{path}{first}")
    assert api.post(path, {noun: body})[noun]["id"] > first
