"""dockerd's flags, sorted by what becomes of them here: meant, refused, or accepted and ignored."""

from __future__ import annotations

from linkspan.cli.flags import Flag

MEANT = (
    Flag("host", "Socket to listen on (unix:///path or tcp://address:port)", "list", short="H"),
    Flag("data-root", "Directory of images, containers and the state", default="/var/lib/linkspan"),
    Flag("exec-root", "Directory of what lives only while it runs", default="/run/linkspan"),
    Flag("pidfile", "File for the daemon's process id", short="p"),
    Flag("config-file", "JSON file of these options", default="/etc/linkspan/daemon.json"),
    Flag("debug", "Log in detail", "bool", short="D"),
    Flag(
        "log-level", "Least severe that is logged: debug, info, warn, error, fatal", short="l", default="info"
    ),
    Flag("group", "Group that may use the unix socket (nobody but root without it)", short="G"),
    Flag("tls", "Encrypt TCP sockets; only together with --tlsverify", "bool"),
    Flag("tlsverify", "Encrypt TCP sockets and let in clients with a certificate only", "bool"),
    Flag("tlscacert", "Certificate of who signs the clients' certificates (PEM)"),
    Flag("tlscert", "Certificate of this daemon (PEM)"),
    Flag("tlskey", "Key of this daemon's certificate (PEM)"),
    Flag("metrics-addr", "Address of loopback for /metrics over TCP (127.0.0.1:9323)"),
    Flag("label", "Label of this daemon (key=value)", "list"),
    Flag("live-restore", "Leave containers running when the daemon ends", "bool"),
    Flag(
        "shutdown-timeout", "Seconds that containers get to stop when the daemon ends", "number", default="15"
    ),
    Flag("insecure-registry", "Registry to be asked over plain HTTP", "list"),
    Flag("http-proxy", "Proxy for pulling images over HTTP"),
    Flag("https-proxy", "Proxy for pulling images over HTTPS"),
    Flag("no-proxy", "Hosts to be asked without the proxies (comma separated)"),
    Flag("default-ulimit", "Resource limit of containers (nofile=1024:4096)", "list"),
    Flag("no-new-privileges", "Let no program of a container gain privileges (setuid, say)", "bool"),
    Flag("seccomp-profile", "System calls that containers may make: builtin, unconfined, or a JSON file"),
    Flag("bridge", "Link of the default network: another name, or none", short="b"),
    Flag("bip", "Address and prefix of docker0"),
    Flag("fixed-cidr", "Part of docker0's subnet that containers get addresses from"),
    Flag("default-gateway", "Gateway of containers on docker0"),
    Flag("ipv6", "Give docker0 IPv6 too", "bool"),
    Flag("bip6", "IPv6 address and prefix of docker0"),
    Flag("fixed-cidr-v6", "Part of docker0's IPv6 subnet that containers get addresses from"),
    Flag("default-gateway-v6", "IPv6 gateway of containers on docker0"),
    Flag("default-network-opt", "Option of networks that do not set it (bridge=KEY=VALUE)", "list"),
    Flag("default-address-pool", "Where networks get subnets from (base=10.0.0.0/8,size=24)", "list"),
    Flag("mtu", "MTU of docker0 (0: that of the host's uplink)", "number", default="0"),
    Flag("icc", "Let containers on docker0 talk to each other", "bool", default=True),
    Flag("ip", "Host address of published ports that name none", default="0.0.0.0"),
    Flag("ip-forward", "Turn forwarding on", "bool", default=True),
    Flag("ip-masq", "Masquerade what leaves docker0's subnet", "bool", default=True),
    Flag("iptables", "Write iptables rules", "bool", default=True),
    Flag("ip6tables", "Write ip6tables rules", "bool", default=True),
    Flag("userland-proxy", "Relay loopback and hairpin connections in user space", "bool", default=True),
    Flag("allow-direct-routing", "Let other hosts route to published ports of containers", "bool"),
    Flag("bridge-accept-fwmark", "Let packets with this mark, or mark/mask, through to containers"),
    Flag(
        "respect-host-firewall",
        "Published ports obey the INPUT rules of the host (served by the proxy)",
        "bool",
    ),
    Flag("ip-forward-no-drop", "Taken for granted: the policy of FORWARD is never changed", "bool"),
    Flag("firewall-backend", "iptables, nftables, or auto (iptables where installed)", default="auto"),
    Flag("dns", "Name server of containers", "list"),
    Flag("dns-opt", "Resolver option of containers", "list"),
    Flag("dns-search", "Search domain of containers", "list"),
    Flag("host-gateway-ip", "Address that host-gateway stands for", "list"),
    Flag("validate", "Check the options and end", "bool"),
    Flag("version", "Show the version and end", "bool", short="v"),
)

#: They promise protection that is not there: starting without it would be worse than not starting.
REFUSED = (
    Flag("authorization-plugin", "", "list"),
    Flag("rootless", "", "bool"),
    Flag("selinux-enabled", "", "bool"),
    Flag("userns-remap", ""),
)

#: dockerd's other options: they mean nothing here (or not yet), which the daemon says when they are given.
IGNORED = (
    *(
        Flag(name, "", "list")
        for name in (
            "add-runtime",
            "cdi-spec-dir",
            "exec-opt",
            "feature",
            "log-opt",
            "node-generic-resource",
            "registry-mirror",
            "storage-opt",
        )
    ),
    *(Flag(name, "", "bool") for name in ("experimental", "init", "raw-logs")),
    *(
        Flag(name, "")
        for name in (
            "cgroup-parent",
            "containerd",
            "containerd-namespace",
            "containerd-plugins-namespace",
            "cpu-rt-period",
            "cpu-rt-runtime",
            "default-cgroupns-mode",
            "default-ipc-mode",
            "default-runtime",
            "default-shm-size",
            "init-path",
            "log-driver",
            "log-format",
            "max-concurrent-downloads",
            "max-concurrent-uploads",
            "max-download-attempts",
            "network-diagnostic-port",
            "network-control-plane-mtu",
            "oom-score-adjust",
            "swarm-default-advertise-addr",
            "userland-proxy-path",
        )
    ),
    Flag("storage-driver", "", short="s"),
)

#: Options whose key in daemon.json is not the flag's name.
FILE_KEYS = {
    "hosts": "host",
    "labels": "label",
    "insecure-registries": "insecure-registry",
    "default-address-pools": "default-address-pool",
    "dns-opts": "dns-opt",
    "host-gateway-ips": "host-gateway-ip",
    "authorization-plugins": "authorization-plugin",
    "registry-mirrors": "registry-mirror",
    "exec-opts": "exec-opt",
    "log-opts": "log-opt",
    "storage-opts": "storage-opt",
    "node-generic-resources": "node-generic-resource",
    "runtimes": "add-runtime",
    "features": "feature",
    "default-ulimits": "default-ulimit",
    "default-network-opts": "default-network-opt",
    "cdi-spec-dirs": "cdi-spec-dir",
}
