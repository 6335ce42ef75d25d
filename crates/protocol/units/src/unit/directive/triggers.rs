//! `[Socket]`, `[Timer]`, `[Path]`, `[Mount]`, `[Automount]`, `[Swap]` and `[Scope]`.

use super::fate::{LABELS, MOUNTS, ORDER, PATHS, RUN, SOCKETS, TIMERS};
use super::kind::Kind::{
    Bool, BoolOr, Calendar, Choice, Command, Mode, Name, Number, Path, Paths, Size, Span, Text, Units, Words,
};
use super::{Directive, row};

const MANY: i64 = u32::MAX as i64;

pub(super) const SOCKET: &[Directive] = &[
    row("ListenStream", Text, SOCKETS),
    row("ListenDatagram", Text, SOCKETS),
    row("ListenSequentialPacket", Text, SOCKETS),
    row("ListenFIFO", Path, SOCKETS),
    row("ListenNetlink", Text, SOCKETS),
    row("ListenSpecial", Path, SOCKETS),
    row("ListenMessageQueue", Text, SOCKETS),
    row("ListenUSBFunction", Path, SOCKETS),
    row("SocketProtocol", Choice(&["udplite", "sctp", "mptcp"]), SOCKETS),
    row("BindIPv6Only", BoolOr(&["default", "both", "ipv6-only"]), SOCKETS),
    row("Backlog", Number(0, MANY), SOCKETS),
    row("BindToDevice", Text, SOCKETS),
    row("ExecStartPre", Command, SOCKETS),
    row("ExecStartPost", Command, SOCKETS),
    row("ExecStopPre", Command, SOCKETS),
    row("ExecStopPost", Command, SOCKETS),
    row("TimeoutSec", Span, SOCKETS),
    row("SocketUser", Name, SOCKETS),
    row("SocketGroup", Name, SOCKETS),
    row("SocketMode", Mode, SOCKETS),
    row("DirectoryMode", Mode, SOCKETS),
    row("Accept", Bool, SOCKETS),
    row("FlushPending", Bool, SOCKETS),
    row("Writable", Bool, SOCKETS),
    row("MaxConnections", Number(0, MANY), SOCKETS),
    row("MaxConnectionsPerSource", Number(0, MANY), SOCKETS),
    row("KeepAlive", Bool, SOCKETS),
    row("KeepAliveTimeSec", Span, SOCKETS),
    row("KeepAliveIntervalSec", Span, SOCKETS),
    row("KeepAliveProbes", Number(0, MANY), SOCKETS),
    row("DeferAcceptSec", Span, SOCKETS),
    row("NoDelay", Bool, SOCKETS),
    row("Priority", Number(-1, i32::MAX as i64), SOCKETS),
    row("ReceiveBuffer", Size, SOCKETS),
    row("SendBuffer", Size, SOCKETS),
    row("IPTOS", Text, SOCKETS),
    row("IPTTL", Number(0, 255), SOCKETS),
    row("Mark", Number(i32::MIN as i64, MANY), SOCKETS),
    row("PipeSize", Size, SOCKETS),
    row("FreeBind", Bool, SOCKETS),
    row("Transparent", Bool, SOCKETS),
    row("Broadcast", Bool, SOCKETS),
    row("PassCredentials", Bool, SOCKETS),
    row("PassSecurity", Bool, SOCKETS),
    row("PassPacketInfo", Bool, SOCKETS),
    row("Timestamping", Choice(&["off", "us", "usec", "ns", "nsec"]), SOCKETS),
    row("TCPCongestion", Text, SOCKETS),
    row("ReusePort", Bool, SOCKETS),
    row("MessageQueueMaxMessages", Number(0, MANY), SOCKETS),
    row("MessageQueueMessageSize", Number(0, MANY), SOCKETS),
    row("RemoveOnStop", Bool, SOCKETS),
    row("Symlinks", Paths, SOCKETS),
    row("FileDescriptorName", Text, SOCKETS),
    row("Service", Units, SOCKETS),
    row("TriggerLimitIntervalSec", Span, SOCKETS),
    row("TriggerLimitBurst", Number(0, MANY), SOCKETS),
    row("SmackLabel", Text, LABELS),
    row("SmackLabelIPIn", Text, LABELS),
    row("SmackLabelIPOut", Text, LABELS),
    row("SELinuxContextFromNet", Bool, LABELS),
];

pub(super) const TIMER: &[Directive] = &[
    row("OnCalendar", Calendar, TIMERS),
    row("OnActiveSec", Span, TIMERS),
    row("OnBootSec", Span, TIMERS),
    row("OnStartupSec", Span, TIMERS),
    row("OnUnitActiveSec", Span, TIMERS),
    row("OnUnitInactiveSec", Span, TIMERS),
    row("OnClockChange", Bool, TIMERS),
    row("OnTimezoneChange", Bool, TIMERS),
    row("Persistent", Bool, TIMERS),
    row("WakeSystem", Bool, TIMERS),
    row("RemainAfterElapse", Bool, TIMERS),
    row("FixedRandomDelay", Bool, TIMERS),
    row("AccuracySec", Span, TIMERS),
    row("RandomizedDelaySec", Span, TIMERS),
    row("Unit", Units, TIMERS),
];

pub(super) const PATH: &[Directive] = &[
    row("PathExists", Path, PATHS),
    row("PathExistsGlob", Path, PATHS),
    row("PathChanged", Path, PATHS),
    row("PathModified", Path, PATHS),
    row("DirectoryNotEmpty", Path, PATHS),
    row("Unit", Units, PATHS),
    row("MakeDirectory", Bool, PATHS),
    row("DirectoryMode", Mode, PATHS),
    row("TriggerLimitIntervalSec", Span, PATHS),
    row("TriggerLimitBurst", Number(0, MANY), PATHS),
];

pub(super) const MOUNT: &[Directive] = &[
    row("What", Text, MOUNTS),
    row("Where", Path, MOUNTS),
    row("Type", Text, MOUNTS),
    row("Options", Text, MOUNTS),
    row("TimeoutSec", Span, MOUNTS),
    row("DirectoryMode", Mode, MOUNTS),
    row("SloppyOptions", Bool, MOUNTS),
    row("LazyUnmount", Bool, MOUNTS),
    row("ForceUnmount", Bool, MOUNTS),
    row("ReadWriteOnly", Bool, MOUNTS),
];

pub(super) const AUTOMOUNT: &[Directive] = &[
    row("Where", Path, MOUNTS),
    row("ExtraOptions", Text, MOUNTS),
    row("DirectoryMode", Mode, MOUNTS),
    row("TimeoutIdleSec", Span, MOUNTS),
];

pub(super) const SWAP: &[Directive] = &[
    row("What", Text, MOUNTS),
    row("Priority", Number(-1, 32_767), MOUNTS),
    row("Options", Text, MOUNTS),
    row("TimeoutSec", Span, MOUNTS),
];

pub(super) const SCOPE: &[Directive] = &[
    row("RuntimeMaxSec", Span, RUN),
    row("RuntimeRandomizedExtraSec", Span, RUN),
    row("TimeoutStopSec", Span, RUN),
    row("OOMPolicy", Choice(&["continue", "stop", "kill"]), RUN),
    row("User", Name, ORDER),
    row("Group", Words, ORDER),
];
