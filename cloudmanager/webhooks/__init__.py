"""Webhooks: telling others of events. An outbox in the database, emptied by whichever monitor is alive."""
