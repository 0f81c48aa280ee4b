"""A simulated Keycloak: one realm whose tokens a portal takes."""

from cloudmanager.simulators.keycloak.realm import Client, Person, Realm
from cloudmanager.simulators.keycloak.service import Keycloak

__all__ = ["Client", "Keycloak", "Person", "Realm"]
