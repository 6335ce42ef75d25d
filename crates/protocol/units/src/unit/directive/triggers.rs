//! `[Socket]`, `[Timer]`, `[Path]`, `[Mount]`, `[Automount]`, `[Swap]` and `[Scope]`.

use super::fate::Fate::CarriedOut;
use super::fate::{AUTOMOUNTS, LABELS, ORDER, RUN, USB};
use super::kind::Kind::{
    Bool, BoolOr, Calendar, Choice, Command, EachPath, Mode, Name, Number, Path, Paths, Size, Span, Spans,
    Text, Texts, Units, Words,
};
use super::{Directive, row};

const MANY: i64 = u32::MAX as i64;

pub(super) const SOCKET: &[Directive] = &[
    row("ListenStream", Texts, CarriedOut),
    row("ListenDatagram", Texts, CarriedOut),
    row("ListenSequentialPacket", Texts, CarriedOut),
    row("ListenFIFO", EachPath, CarriedOut),
    row("ListenNetlink", Texts, CarriedOut),
    row("ListenSpecial", EachPath, CarriedOut),
    row("ListenMessageQueue", Texts, CarriedOut),
    row("ListenUSBFunction", EachPath, USB),
    row("SocketProtocol", Choice(&["udplite", "sctp", "mptcp"]), CarriedOut),
    row("BindIPv6Only", BoolOr(&["default", "both", "ipv6-only"]), CarriedOut),
    row("Backlog", Number(0, MANY), CarriedOut),
    row("BindToDevice", Text, CarriedOut),
    row("ExecStartPre", Command, CarriedOut),
    row("ExecStartPost", Command, CarriedOut),
    row("ExecStopPre", Command, CarriedOut),
    row("ExecStopPost", Command, CarriedOut),
    row("TimeoutSec", Span, CarriedOut),
    row("SocketUser", Name, CarriedOut),
    row("SocketGroup", Name, CarriedOut),
    row("SocketMode", Mode, CarriedOut),
    row("DirectoryMode", Mode, CarriedOut),
    row("Accept", Bool, CarriedOut),
    row("FlushPending", Bool, CarriedOut),
    row("Writable", Bool, CarriedOut),
    row("MaxConnections", Number(0, MANY), CarriedOut),
    row("MaxConnectionsPerSource", Number(0, MANY), CarriedOut),
    row("KeepAlive", Bool, CarriedOut),
    row("KeepAliveTimeSec", Span, CarriedOut),
    row("KeepAliveIntervalSec", Span, CarriedOut),
    row("KeepAliveProbes", Number(0, MANY), CarriedOut),
    row("DeferAcceptSec", Span, CarriedOut),
    row("NoDelay", Bool, CarriedOut),
    row("Priority", Number(-1, i32::MAX as i64), CarriedOut),
    row("ReceiveBuffer", Size, CarriedOut),
    row("SendBuffer", Size, CarriedOut),
    row("IPTOS", Text, CarriedOut),
    row("IPTTL", Number(0, 255), CarriedOut),
    row("Mark", Number(i32::MIN as i64, MANY), CarriedOut),
    row("PipeSize", Size, CarriedOut),
    row("FreeBind", Bool, CarriedOut),
    row("Transparent", Bool, CarriedOut),
    row("Broadcast", Bool, CarriedOut),
    row("PassCredentials", Bool, CarriedOut),
    row("PassSecurity", Bool, CarriedOut),
    row("PassPacketInfo", Bool, CarriedOut),
    row("Timestamping", Choice(&["off", "us", "usec", "ns", "nsec"]), CarriedOut),
    row("TCPCongestion", Text, CarriedOut),
    row("ReusePort", Bool, CarriedOut),
    row("MessageQueueMaxMessages", Number(0, MANY), CarriedOut),
    row("MessageQueueMessageSize", Number(0, MANY), CarriedOut),
    row("RemoveOnStop", Bool, CarriedOut),
    row("Symlinks", Paths, CarriedOut),
    row("FileDescriptorName", Text, CarriedOut),
    row("Service", Units, CarriedOut),
    row("TriggerLimitIntervalSec", Span, CarriedOut),
    row("TriggerLimitBurst", Number(0, MANY), CarriedOut),
    row("SmackLabel", Text, LABELS),
    row("SmackLabelIPIn", Text, LABELS),
    row("SmackLabelIPOut", Text, LABELS),
    row("SELinuxContextFromNet", Bool, LABELS),
];

pub(super) const TIMER: &[Directive] = &[
    row("OnCalendar", Calendar, CarriedOut),
    row("OnActiveSec", Spans, CarriedOut),
    row("OnBootSec", Spans, CarriedOut),
    row("OnStartupSec", Spans, CarriedOut),
    row("OnUnitActiveSec", Spans, CarriedOut),
    row("OnUnitInactiveSec", Spans, CarriedOut),
    row("OnClockChange", Bool, CarriedOut),
    row("OnTimezoneChange", Bool, CarriedOut),
    row("Persistent", Bool, CarriedOut),
    row("WakeSystem", Bool, CarriedOut),
    row("RemainAfterElapse", Bool, CarriedOut),
    row("FixedRandomDelay", Bool, CarriedOut),
    row("AccuracySec", Span, CarriedOut),
    row("RandomizedDelaySec", Span, CarriedOut),
    row("Unit", Units, CarriedOut),
];

pub(super) const PATH: &[Directive] = &[
    row("PathExists", EachPath, CarriedOut),
    row("PathExistsGlob", EachPath, CarriedOut),
    row("PathChanged", EachPath, CarriedOut),
    row("PathModified", EachPath, CarriedOut),
    row("DirectoryNotEmpty", EachPath, CarriedOut),
    row("Unit", Units, CarriedOut),
    row("MakeDirectory", Bool, CarriedOut),
    row("DirectoryMode", Mode, CarriedOut),
    row("TriggerLimitIntervalSec", Span, CarriedOut),
    row("TriggerLimitBurst", Number(0, MANY), CarriedOut),
];

pub(super) const MOUNT: &[Directive] = &[
    row("What", Text, CarriedOut),
    row("Where", Path, CarriedOut),
    row("Type", Text, CarriedOut),
    row("Options", Text, CarriedOut),
    row("TimeoutSec", Span, CarriedOut),
    row("DirectoryMode", Mode, CarriedOut),
    row("SloppyOptions", Bool, CarriedOut),
    row("LazyUnmount", Bool, CarriedOut),
    row("ForceUnmount", Bool, CarriedOut),
    row("ReadWriteOnly", Bool, CarriedOut),
];

pub(super) const AUTOMOUNT: &[Directive] = &[
    row("Where", Path, AUTOMOUNTS),
    row("ExtraOptions", Text, AUTOMOUNTS),
    row("DirectoryMode", Mode, AUTOMOUNTS),
    row("TimeoutIdleSec", Span, AUTOMOUNTS),
];

pub(super) const SWAP: &[Directive] = &[
    row("What", Text, CarriedOut),
    row("Priority", Number(-1, 32_767), CarriedOut),
    row("Options", Text, CarriedOut),
    row("TimeoutSec", Span, CarriedOut),
];

pub(super) const SCOPE: &[Directive] = &[
    row("RuntimeMaxSec", Span, RUN),
    row("RuntimeRandomizedExtraSec", Span, RUN),
    row("TimeoutStopSec", Span, RUN),
    row("OOMPolicy", Choice(&["continue", "stop", "kill"]), RUN),
    row("User", Name, ORDER),
    row("Group", Words, ORDER),
];
