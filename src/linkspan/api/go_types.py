"""The Go types of Docker's request bodies: what type each field has, for `decoding` (pure).

Source: moby api/types (container, network, volume).
"""

from __future__ import annotations

from linkspan.api.decoding import GoType

STRING = GoType("string", "string")
BOOL = GoType("bool", "bool")
INT = GoType("int", "int")
INT64 = GoType("int64", "int")
UINT = GoType("uint", "int")
UINT16 = GoType("uint16", "int")
UINT32 = GoType("uint32", "int")
UINT64 = GoType("uint64", "int")
ANY = GoType("interface {}", "any")
WORDS = GoType("[]string", "words")


def array(element: GoType, text: str = "") -> GoType:
    """Return the type of a list."""
    return GoType(text or f"[]{element.text}", "list", element)


def table(element: GoType, text: str = "") -> GoType:
    """Return the type of an object with arbitrary keys."""
    return GoType(text or f"map[string]{element.text}", "map", element)


def struct(text: str, **fields: GoType) -> GoType:
    """Return the type of an object with known fields."""
    return GoType(text, "struct", fields=fields)


STRINGS = array(STRING)
STRING_MAP = table(STRING)
SET = table(struct("struct {}"), "map[string]struct {}")

_HEALTH = struct(
    "container.HealthConfig",
    Test=STRINGS,
    Interval=GoType("time.Duration", "int"),
    Timeout=GoType("time.Duration", "int"),
    StartPeriod=GoType("time.Duration", "int"),
    StartInterval=GoType("time.Duration", "int"),
    Retries=INT,
)

_IPAM_ADDRESSES = struct(
    "network.EndpointIPAMConfig", IPv4Address=STRING, IPv6Address=STRING, LinkLocalIPs=STRINGS
)

ENDPOINT = struct(
    "network.EndpointSettings",
    IPAMConfig=_IPAM_ADDRESSES,
    Links=STRINGS,
    Aliases=STRINGS,
    DriverOpts=STRING_MAP,
    GwPriority=INT,
    NetworkID=STRING,
    EndpointID=STRING,
    Gateway=STRING,
    IPAddress=STRING,
    MacAddress=STRING,
    IPPrefixLen=INT,
    IPv6Gateway=STRING,
    GlobalIPv6Address=STRING,
    GlobalIPv6PrefixLen=INT,
    DNSNames=STRINGS,
)

_WEIGHTS = array(struct("blkiodev.WeightDevice", Path=STRING, Weight=UINT16), "[]*blkiodev.WeightDevice")
_RATES = array(struct("blkiodev.ThrottleDevice", Path=STRING, Rate=UINT64), "[]*blkiodev.ThrottleDevice")
_DEVICES = array(
    struct("container.DeviceMapping", PathOnHost=STRING, PathInContainer=STRING, CgroupPermissions=STRING)
)
_REQUESTS = array(
    struct(
        "container.DeviceRequest",
        Driver=STRING,
        Count=INT,
        DeviceIDs=STRINGS,
        Capabilities=array(STRINGS),
        Options=STRING_MAP,
    )
)
_ULIMITS = array(struct("units.Ulimit", Name=STRING, Hard=INT64, Soft=INT64), "[]*units.Ulimit")

_RESOURCES: dict[str, GoType] = {
    **dict.fromkeys(("CpuShares", "Memory", "NanoCpus", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod"), INT64),
    **dict.fromkeys(("CpuRealtimeRuntime", "KernelMemory", "KernelMemoryTCP", "MemoryReservation"), INT64),
    **dict.fromkeys(("MemorySwap", "MemorySwappiness", "PidsLimit", "CpuCount", "CpuPercent"), INT64),
    **dict.fromkeys(("CgroupParent", "CpusetCpus", "CpusetMems"), STRING),
    **dict.fromkeys(("IOMaximumIOps", "IOMaximumBandwidth"), UINT64),
    **dict.fromkeys(("BlkioDeviceReadBps", "BlkioDeviceWriteBps"), _RATES),
    **dict.fromkeys(("BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"), _RATES),
    "BlkioWeight": UINT16,
    "BlkioWeightDevice": _WEIGHTS,
    "Devices": _DEVICES,
    "DeviceCgroupRules": STRINGS,
    "DeviceRequests": _REQUESTS,
    "OomKillDisable": BOOL,
    "Ulimits": _ULIMITS,
}
_POLICY = struct("container.RestartPolicy", Name=STRING, MaximumRetryCount=INT)
_BINDING = struct("network.PortBinding", HostIp=STRING, HostPort=STRING)

HOST_CONFIG = GoType(
    "container.HostConfig",
    "struct",
    fields={
        **_RESOURCES,
        **dict.fromkeys(("Binds", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd"), STRINGS),
        **dict.fromkeys(("Links", "SecurityOpt", "VolumesFrom", "MaskedPaths", "ReadonlyPaths"), STRINGS),
        **dict.fromkeys(("CapAdd", "CapDrop"), WORDS),
        **dict.fromkeys(("ContainerIDFile", "VolumeDriver", "Runtime"), STRING),
        **dict.fromkeys(("AutoRemove", "Privileged", "PublishAllPorts", "ReadonlyRootfs", "Init"), BOOL),
        **dict.fromkeys(("Sysctls", "Tmpfs", "StorageOpt", "Annotations"), STRING_MAP),
        "NetworkMode": GoType("container.NetworkMode", "string"),
        "CgroupnsMode": GoType("container.CgroupnsMode", "string"),
        "IpcMode": GoType("container.IpcMode", "string"),
        "Cgroup": GoType("container.CgroupSpec", "string"),
        "PidMode": GoType("container.PidMode", "string"),
        "UTSMode": GoType("container.UTSMode", "string"),
        "UsernsMode": GoType("container.UsernsMode", "string"),
        "Isolation": GoType("container.Isolation", "string"),
        "OomScoreAdj": INT,
        "Umask": UINT32,
        "ShmSize": INT64,
        "ConsoleSize": array(UINT, "[2]uint"),
        "LogConfig": struct("container.LogConfig", Type=STRING, Config=STRING_MAP),
        "RestartPolicy": _POLICY,
        "PortBindings": table(array(_BINDING), "network.PortMap"),
        "Mounts": array(
            struct(
                "mount.Mount",
                Type=GoType("mount.Type", "string"),
                Source=STRING,
                Target=STRING,
                ReadOnly=BOOL,
                Consistency=GoType("mount.Consistency", "string"),
                BindOptions=struct("mount.BindOptions"),
                VolumeOptions=struct("mount.VolumeOptions"),
                TmpfsOptions=struct("mount.TmpfsOptions"),
                ImageOptions=struct("mount.ImageOptions"),
            )
        ),
    },
)

_CONFIG: dict[str, GoType] = {
    **dict.fromkeys(("Hostname", "Domainname", "User", "Image", "WorkingDir", "StopSignal"), STRING),
    **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin"), BOOL),
    **dict.fromkeys(("StdinOnce", "ArgsEscaped", "NetworkDisabled"), BOOL),
    **dict.fromkeys(("Cmd", "Entrypoint", "Shell"), WORDS),
    **dict.fromkeys(("Env", "OnBuild"), STRINGS),
    "ExposedPorts": GoType("network.PortSet", "map", struct("struct {}")),
    "Volumes": SET,
    "Labels": STRING_MAP,
    "Healthcheck": _HEALTH,
    "MacAddress": STRING,
    "StopTimeout": INT,
}

CONFIG = GoType("container.Config", "struct", fields=_CONFIG)

CREATE_CONTAINER = GoType(
    "container.CreateRequest",
    "struct",
    fields={
        **_CONFIG,
        "HostConfig": HOST_CONFIG,
        "NetworkingConfig": struct(
            "network.NetworkingConfig",
            EndpointsConfig=table(ENDPOINT, "map[string]*network.EndpointSettings"),
        ),
    },
)

PUBLISH_PORTS = struct("container.PublishConfig", PortBindings=table(array(_BINDING), "network.PortMap"))
UPDATE_CONTAINER = GoType("container.UpdateConfig", "struct", fields={**_RESOURCES, "RestartPolicy": _POLICY})

_POOL = struct(
    "network.IPAMConfig", Subnet=STRING, IPRange=STRING, Gateway=STRING, AuxiliaryAddresses=STRING_MAP
)

CREATE_NETWORK = struct(
    "network.CreateRequest",
    Name=STRING,
    CheckDuplicate=BOOL,
    Driver=STRING,
    Scope=STRING,
    EnableIPv4=BOOL,
    EnableIPv6=BOOL,
    IPAM=struct("network.IPAM", Driver=STRING, Options=STRING_MAP, Config=array(_POOL)),
    Internal=BOOL,
    Attachable=BOOL,
    Ingress=BOOL,
    ConfigOnly=BOOL,
    ConfigFrom=struct("network.ConfigReference", Network=STRING),
    Options=STRING_MAP,
    Labels=STRING_MAP,
)

CONNECT = struct("network.ConnectRequest", Container=STRING, EndpointConfig=ENDPOINT)
DISCONNECT = struct("network.DisconnectRequest", Container=STRING, Force=BOOL)

CREATE_VOLUME = struct(
    "volume.CreateRequest", Name=STRING, Driver=STRING, DriverOpts=STRING_MAP, Labels=STRING_MAP
)

CREATE_EXEC = struct(
    "container.ExecCreateRequest",
    User=STRING,
    Privileged=BOOL,
    Tty=BOOL,
    ConsoleSize=array(UINT, "[2]uint"),
    AttachStdin=BOOL,
    AttachStderr=BOOL,
    AttachStdout=BOOL,
    DetachKeys=STRING,
    Env=STRINGS,
    WorkingDir=STRING,
    Cmd=STRINGS,
)

START_EXEC = struct("container.ExecStartRequest", Detach=BOOL, Tty=BOOL, ConsoleSize=array(UINT, "[2]uint"))
