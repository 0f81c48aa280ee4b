"""Words for webhooks and their deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmanager.api.document.glossary.inventory import CREATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

_TIME = "2027-03-05T11:02:17"

WEBHOOK: Words = {
    "id": ("Number of the webhook.", 1),
    "url": ("Where events are posted to.", "https://alarms.example.net/cloudmanager"),
    "secret": (
        "The key of signatures: `whsec_` and 24 to 64 random bytes in base64. Never answered.",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ),
    "kinds": ("Which kinds it wants: exact ones, `host.*` for all that begin so, or `*`.", ["host.*", "*"]),
    "enabled": ("Whether anything is queued for it and sent to it.", True),
    "created_at": CREATED,
    "updated_at": ("When it was last changed.", None),
    "failing_since": ("Since when its receiver has taken nothing; null: it takes what is sent.", None),
    "pending": ("Deliveries that wait.", 0),
}
DELIVERY: Words = {
    "id": ("Number of the delivery.", 7),
    "event_id": ("Id of the event: it is the same each time that this event is sent.", "event-12"),
    "kind": ("Kind of the event.", "host.down"),
    "subject": ("What the event is about.", "host:r1n07"),
    "event": (
        "What is sent, but for the source.",
        {
            "specversion": "1.0",
            "id": "event-12",
            "type": "cloudmanager.host.down",
            "subject": "host:r1n07",
            "time": f"{_TIME}Z",
            "datacontenttype": "application/json",
            "data": {"message": "r1n07 is down: seen so 3 times in a row"},
        },
    ),
    "status": ("`pending`, `delivered` or `given_up`.", "delivered"),
    "attempts": ("How often it has been sent.", 1),
    "next_attempt_at": ("From when on it is sent next; null: not any more.", None),
    "last_status": ("The status of the last answer.", 204),
    "error": ("Why the last attempt came to nothing.", None),
    "created_at": ("When it was queued.", _TIME),
    "ended_at": ("When it was delivered or given up.", _TIME),
}

SCHEMAS: Mapping[str, Words] = {
    "WebhookBody": WEBHOOK,
    "WebhookChange": WEBHOOK,
    "WebhookShape": WEBHOOK,
    "DeliveryShape": DELIVERY,
    "ReplayBody": {
        "since": ("All that were queued at this time or later.", _TIME),
        "delivery_ids": "These.",
    },
    "QueuedShape": {"delivery_ids": ("Numbers of the deliveries that were queued.", [8])},
}
