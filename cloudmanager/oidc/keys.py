"""The issuer's public keys: fetched when needed, remembered, fetched again when it rotates them."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog

from cloudmanager.errors import Unavailable
from cloudmanager.oidc.fetching import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)

_PATIENCE = 1.0
"""Seconds for which a request waits while another fetches: strangers must not hold all threads."""

_DISCOVERY = "/.well-known/openid-configuration"


class IssuerKeys:
    """Keys by id, as [oidc] of a configuration says. Many threads may ask."""

    def __init__(self, options: Any) -> None:
        self._options = options
        self._fetching = Lock()
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._fetched_at = float("-inf")
        self._next_attempt = float("-inf")
        self._failure: str | None = None

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """The key with this id, None when the issuer has none; `Unavailable` when nobody can tell now.

        Keys that are only old are fetched by one thread, while the others still go by them.
        """
        is_known = True
        if kid not in self._keys or self._age() > self._options.keys_stale_seconds:
            is_known = self._refresh(patience=_PATIENCE)
        elif self._age() > self._options.keys_seconds:
            self._refresh(patience=0)
        known = self._keys if self._age() <= self._options.keys_stale_seconds else {}
        if kid not in known and not is_known:
            raise Unavailable("the issuer's keys are being fetched", 1)
        if kid not in known and self._failure is not None:
            message = f"the issuer's keys cannot be had, and tokens not be checked: {self._failure}"
            raise Unavailable(message, max(1, round(self._next_attempt - monotonic())))
        return known.get(kid)

    def _age(self) -> float:
        return monotonic() - self._fetched_at

    def _refresh(self, *, patience: float) -> bool:
        """Fetch the keys, unless somebody just has; false when another still does after `patience` s."""
        if not self._fetching.acquire(timeout=patience):
            return False
        try:
            if monotonic() >= self._next_attempt:
                self._attempt()
                self._next_attempt = monotonic() + self._options.refresh_interval
        finally:
            self._fetching.release()
        return True

    def _attempt(self) -> None:
        try:
            self._keys, self._failure = self._fetch(), None
            self._fetched_at = monotonic()
        except Unavailable as error:
            self._failure = error.message
            log.warning("the keys of the issuer of tokens cannot be had", error=error.message)

    def _fetch(self) -> Mapping[str, Mapping[str, Any]]:
        options, deadline = self._options, monotonic() + self._options.timeout
        url = options.jwks_url or self._discovered(deadline)
        listed = fetch(url, cafile=options.cafile, deadline=deadline).get("keys")
        if not isinstance(listed, list):
            raise Unavailable(f"{url} answered with no set of keys")
        keys = (key for key in listed if isinstance(key, dict))
        return {key["kid"]: key for key in keys if isinstance(key.get("kid"), str)}

    def _discovered(self, deadline: float) -> str:
        """Where the issuer's own document says that its keys are."""
        issuer: str = self._options.issuer
        url = issuer.rstrip("/") + _DISCOVERY
        document = fetch(url, cafile=self._options.cafile, deadline=deadline)
        if document.get("issuer") != issuer:
            raise Unavailable(f"{url} is not of [oidc] issuer, but of {document.get('issuer')!r}")
        found = document.get("jwks_uri")
        schemes = ("https://",) if issuer.startswith("https:") else ("https://", "http://")
        if not isinstance(found, str) or not found.startswith(schemes):
            raise Unavailable(f"{url} does not say where the keys are, or leads from https to http")
        return found
