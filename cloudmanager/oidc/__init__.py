"""Tokens of an OpenID Connect issuer: whether they are its own, and whose.

Knows nothing of ours but the errors. Raises `Unauthenticated` for a token that does not count, `Forbidden`
for one that gives no project, `Unavailable` when the issuer's keys cannot be had.
"""

from cloudmanager.oidc.claims import Tenant, tenant_of
from cloudmanager.oidc.keys import IssuerKeys
from cloudmanager.oidc.verifier import Verifier

__all__ = ["IssuerKeys", "Tenant", "Verifier", "tenant_of"]
