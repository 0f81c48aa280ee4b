"""Words for node classes, node types and PXE images."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmanager.api.document.glossary.words import Words

CREATED = ("When it was created.", "2024-03-05T09:30:00")

TYPE: Words = {
    "id": ("Number of the type.", 24),
    "name": ('Name of the type, unique within its class; "" is the unspecified one.', "all-flash"),
}

CLASS: Words = {
    "id": ("Number of the class.", 5),
    "name": ("Name of the class, unique.", "backup"),
    "is_default": ("Whether new nodes get this class when they name none; exactly one class has it.", False),
    "node_types": "Types of the class.",
}

CLASS_BODY: Words = {
    **CLASS,
    "node_types": ("Names of all types of the class; those left out are deleted.", ["all-flash", "tape"]),
}

IMAGE: Words = {
    "id": ("Number of the image.", 2),
    "image_name": ("Name of the image, unique.", "rescue-12"),
    "file_data": (
        "The boot configuration that nodes with this image get.",
        "default rescue\nlabel rescue\nkernel vmlinuz-rescue\nappend initrd=rescue.img ip=dhcp",
    ),
    "created_at": CREATED,
}

SCHEMAS: Mapping[str, Words] = {
    "InfoShape": {
        "version": ("Version of the program that answers.", "0.1.0"),
        "license": "The licence; only where one is configured.",
    },
    "LicenseShape": {
        "created_at": ("From when it is in force, in seconds since 1970.", 1704067200),
        "expire_at": ("When it ends, in seconds since 1970.", 1861920000),
        "module_package": ("The module that it is for.", "cloud_manager"),
        "name": ("Its name.", "Example Ltd, production"),
        "product": ("The product that it is for.", "CloudManager"),
        "surrogate_name": ("The name under which the product is sold.", "CloudManager"),
        "unique_id": ("Its own id.", "04-002-9c1d5e0f7a3b2648"),
        "verified": ("Whether the issuer has signed it, for this module, and it is in force.", True),
        "problem": ("What is wrong with it; null when it is verified.", None),
    },
    "NodeTypeShape": TYPE,
    "NodeTypeBody": TYPE,
    "NodeTypeChange": {**TYPE, "type_id": ("Number of the type, as in the path.", 27)},
    "NodeClassShape": CLASS,
    "NodeClassBody": CLASS_BODY,
    "NodeClassChange": CLASS_BODY,
    "NodeImageShape": IMAGE,
    "NodeImageBody": IMAGE,
}
