"""The whole inventory as a file: what is stored, what a file wants, and the way from one to the other.

stored ─┐
        ├─ merged ── checked by rules ── compared with stored ── written
file ───┘
"""

from cloudmanager.inventory.transfer import Outcome, export_inventory, import_inventory

__all__ = ["Outcome", "export_inventory", "import_inventory"]
