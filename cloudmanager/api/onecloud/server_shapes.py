"""Servers as OneCloud documents them: the shapes of answers. What has no source in OpenStack is null."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields

_MOMENT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"


class _Moment(fields.String):
    """A time in UTC; OneCloud writes the zone."""

    json_schema: ClassVar[dict[str, str]] = {"pattern": _MOMENT}


class OneCloudDiskShape(Schema):
    """A disk of a server; sizes are in MiB."""

    aio_mode = fields.String(allow_none=True)
    bps = fields.Integer(allow_none=True)
    cache_mode = fields.String(allow_none=True)
    disk_format = fields.String(allow_none=True)
    disk_type = fields.String(allow_none=True)
    driver = fields.String(allow_none=True)
    fs = fields.String(allow_none=True)
    id = fields.String(allow_none=True)
    image = fields.String(allow_none=True)
    image_id = fields.String(allow_none=True)
    index = fields.Integer(allow_none=True)
    iops = fields.Integer(allow_none=True)
    medium_type = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    size = fields.Integer(allow_none=True)
    storage_type = fields.String(allow_none=True)


class OneCloudNicShape(Schema):
    """An interface of a server."""

    ip_addr = fields.String(allow_none=True)
    ip6_addr = fields.String(allow_none=True)
    is_exit = fields.Boolean(allow_none=True)
    mac = fields.String(allow_none=True)
    network_id = fields.String(allow_none=True)
    team_with = fields.String(allow_none=True)
    vpc_id = fields.String(allow_none=True)


class OneCloudGroupShape(Schema):
    """A security group of a server."""

    id = fields.String(allow_none=True)
    name = fields.String(allow_none=True)


class OneCloudDeviceShape(Schema):
    """A device of a host that a server has for itself."""

    addr = fields.String(allow_none=True)
    created_at = _Moment(allow_none=True)
    deleted = fields.Boolean(allow_none=True)
    deleted_at = _Moment(allow_none=True)
    description = fields.String(allow_none=True)
    dev_type = fields.String(allow_none=True)
    guest_id = fields.String(allow_none=True)
    host_id = fields.String(allow_none=True)
    id = fields.String(allow_none=True)
    is_emulated = fields.Boolean(allow_none=True)
    model = fields.String(allow_none=True)
    name = fields.String(allow_none=True)
    reserved_cpu = fields.Integer(allow_none=True)
    reserved_memory = fields.Integer(allow_none=True)
    reserved_storage = fields.Integer(allow_none=True)
    update_version = fields.Integer(allow_none=True)
    updated_at = _Moment(allow_none=True)
    vendor_device_id = fields.String(allow_none=True)


class OneCloudServerShape(Schema):
    """A server, with every field that OneCloud documents, and `rack`."""

    account = fields.String(allow_none=True)
    account_id = fields.String(allow_none=True)
    admin_secgrp_id = fields.String(allow_none=True)
    admin_security_rules = fields.String(allow_none=True)
    attach_time = _Moment(allow_none=True)
    auto_delete_at = _Moment(allow_none=True)
    auto_renew = fields.Boolean(allow_none=True)
    backup_host_id = fields.String(allow_none=True)
    backup_host_name = fields.String(allow_none=True)
    backup_host_status = fields.String(allow_none=True)
    billing_cycle = fields.String(allow_none=True)
    billing_type = fields.String(allow_none=True)
    bios = fields.String(allow_none=True)
    boot_order = fields.String(allow_none=True)
    brand = fields.String(allow_none=True)
    can_delete = fields.Boolean(allow_none=True)
    can_recycle = fields.Boolean(allow_none=True)
    can_update = fields.Boolean(allow_none=True)
    cdrom = fields.String(allow_none=True)
    cdrom_support = fields.Boolean(allow_none=True)
    cloud_env = fields.String(allow_none=True)
    cloudregion = fields.String(allow_none=True)
    cloudregion_id = fields.String(allow_none=True)
    created_at = _Moment(allow_none=True)
    delete_fail_reason = fields.String(allow_none=True)
    deleted = fields.Boolean(allow_none=True)
    deleted_at = _Moment(allow_none=True)
    description = fields.String(allow_none=True)
    disable_delete = fields.Boolean(allow_none=True)
    disk = fields.Integer(allow_none=True)
    disk_count = fields.Integer(allow_none=True)
    disks = fields.String(allow_none=True)
    disks_info = fields.List(fields.Nested(OneCloudDiskShape), allow_none=True)
    domain_id = fields.String(allow_none=True)
    eip = fields.String(allow_none=True)
    eip_mode = fields.String(allow_none=True)
    environment = fields.String(allow_none=True)
    expired_at = _Moment(allow_none=True)
    external_id = fields.String(allow_none=True)
    flavor_id = fields.String(allow_none=True)
    host = fields.String(allow_none=True)
    host_id = fields.String(allow_none=True)
    host_service_status = fields.String(allow_none=True)
    host_sn = fields.String(allow_none=True)
    host_status = fields.String(allow_none=True)
    host_type = fields.String(allow_none=True)
    hypervisor = fields.String(allow_none=True)
    id = fields.String(allow_none=True)
    instance_type = fields.String(allow_none=True)
    ips = fields.String(allow_none=True)
    is_emulated = fields.Boolean(allow_none=True)
    is_gpu = fields.Boolean(allow_none=True)
    is_prepaid_recycle = fields.Boolean(allow_none=True)
    is_system = fields.Boolean(allow_none=True)
    isolated_devices = fields.List(fields.Nested(OneCloudDeviceShape), allow_none=True)
    keypair = fields.String(allow_none=True)
    keypair_id = fields.String(allow_none=True)
    machine = fields.String(allow_none=True)
    manager = fields.String(allow_none=True)
    manager_domain = fields.String(allow_none=True)
    manager_domain_id = fields.String(allow_none=True)
    manager_id = fields.String(allow_none=True)
    manager_project = fields.String(allow_none=True)
    manager_project_id = fields.String(allow_none=True)
    metadata = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)
    name = fields.String(allow_none=True)
    networks = fields.String(allow_none=True)
    nics = fields.List(fields.Nested(OneCloudNicShape), allow_none=True)
    os_name = fields.String(allow_none=True)
    os_type = fields.String(allow_none=True)
    pending_deleted = fields.Boolean(allow_none=True)
    pending_deleted_at = _Moment(allow_none=True)
    project = fields.String(allow_none=True)
    project_domain = fields.String(allow_none=True)
    project_id = fields.String(allow_none=True)
    project_src = fields.String(allow_none=True)
    provider = fields.String(allow_none=True)
    region = fields.String(allow_none=True)
    region_ext_id = fields.String(allow_none=True)
    region_external_id = fields.String(allow_none=True)
    region_id = fields.String(allow_none=True)
    scaling_group_id = fields.String(allow_none=True)
    scaling_status = fields.String(allow_none=True)
    secgroup = fields.String(allow_none=True)
    secgroups = fields.List(fields.Nested(OneCloudGroupShape), allow_none=True)
    secgrp_id = fields.String(allow_none=True)
    security_rules = fields.String(allow_none=True)
    shutdown_behavior = fields.String(allow_none=True)
    src_ip_check = fields.Boolean(allow_none=True)
    src_mac_check = fields.Boolean(allow_none=True)
    status = fields.String(allow_none=True)
    tenant = fields.String(allow_none=True)
    tenant_id = fields.String(allow_none=True)
    update_fail_reason = fields.String(allow_none=True)
    update_version = fields.Integer(allow_none=True)
    updated_at = _Moment(allow_none=True)
    vcpu_count = fields.Integer(allow_none=True)
    vdi = fields.String(allow_none=True)
    vga = fields.String(allow_none=True)
    virtual_ips = fields.String(allow_none=True)
    vmem_size = fields.Integer(allow_none=True)
    vpc = fields.String(allow_none=True)
    vpc_id = fields.String(allow_none=True)
    zone = fields.String(allow_none=True)
    zone_ext_id = fields.String(allow_none=True)
    zone_id = fields.String(allow_none=True)
    rack = fields.Integer(allow_none=True)
