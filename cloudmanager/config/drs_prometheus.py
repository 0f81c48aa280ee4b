"""[drs_prometheus] what the server of [prometheus] is asked where `[drs] metrics` is `prometheus`.

The queries are PromQL and find one series for each host or server: its load at one moment. They are asked for
as a subquery over `look_back`. Those of hosts fit node_exporter, those of servers the libvirt exporter that
has `libvirt_domain_openstack_info`.
"""

from oslo_config import cfg

GROUP = "drs_prometheus"

_ON_HOSTS = "* on (job, instance) group_left (nodename) node_uname_info"
_ON_SERVERS = "* on (job, instance, domain) group_left (instance_id) libvirt_domain_openstack_info"
_CARDS = 'device=~"(en|eth|ib)[^.]*"'


def _both_directions(metric: str, which: str = "") -> str:
    return f"(rate({metric}_receive_bytes_total{which}[5m]) + rate({metric}_transmit_bytes_total{which}[5m]))"


OPTIONS = [
    cfg.StrOpt("host_label", default="nodename", help="Label that names the host, as Nova does or shorter."),
    cfg.StrOpt(
        "host_cpu",
        default="sum by (job, instance, nodename) ("
        f'rate(node_cpu_seconds_total{{mode!~"idle|iowait|steal"}}[5m]) {_ON_HOSTS})',
        help="Cores that are busy on each host. Empty, as in all queries: not asked for.",
    ),
    cfg.StrOpt(
        "host_ram",
        default=f"(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) {_ON_HOSTS} / 1048576",
        help="MiB that are in use on each host.",
    ),
    cfg.StrOpt(
        "host_disk", default="", help="GiB that are in use on each host, where its servers' disks lie."
    ),
    cfg.StrOpt(
        "host_network",
        default="sum by (job, instance, nodename) ("
        f"{_both_directions('node_network', '{' + _CARDS + '}')} {_ON_HOSTS}) * 8 / 1e6",
        help="Mbit/s that go through each host's network cards, both directions together.",
    ),
    cfg.StrOpt("server_label", default="instance_id", help="Label that holds the id of the server."),
    cfg.StrOpt(
        "server_cpu",
        default="sum by (job, instance, instance_id) (rate(libvirt_domain_info_cpu_time_seconds_total[5m]) "
        f"{_ON_SERVERS})",
        help="Cores that each server keeps busy.",
    ),
    cfg.StrOpt(
        "server_ram",
        default=f"libvirt_domain_memory_stats_rss_bytes {_ON_SERVERS} / 1048576",
        help="MiB that each server takes of its host.",
    ),
    cfg.StrOpt("server_disk", default="", help="GiB that each server takes of its host's disks."),
    cfg.StrOpt(
        "server_network",
        default="sum by (job, instance, instance_id) ("
        f"{_both_directions('libvirt_domain_interface_stats')} {_ON_SERVERS}) * 8 / 1e6",
        help="Mbit/s that each server receives and sends, both directions together.",
    ),
    cfg.IntOpt("look_back", default=3600, min=60, max=2_678_400, help="Seconds that are looked back on."),
    cfg.IntOpt(
        "step", default=60, min=5, max=86400, help="Seconds between the moments that are looked at in them."
    ),
    cfg.FloatOpt(
        "percentile",
        default=90.0,
        min=0.0,
        max=100.0,
        help="Which of the values at those moments counts as the load: 50 is the median, 100 the greatest.",
    ),
    cfg.IntOpt(
        "max_age",
        default=300,
        min=5,
        max=86400,
        help="Seconds since a query last found a value, beyond which what it found before does not count.",
    ),
    cfg.FloatOpt("timeout", default=30.0, min=0.1, max=600.0, help="Seconds that each answer may take."),
]
