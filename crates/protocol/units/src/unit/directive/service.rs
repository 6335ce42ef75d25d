//! What stands in `[Service]` alone.

use super::fate::{BUS, CONFINE, OBSOLETE, RUN, SOCKETS, USB};
use super::kind::Kind::{self, Bool, Choice, Command, Number, Path, RunPath, Span, Statuses, Text, Units};
use super::{Directive, row};

const MODES: Kind = Choice(&["terminate", "abort", "kill"]);

pub(super) const SERVICE: &[Directive] = &[
    row(
        "Type",
        Choice(&["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"]),
        RUN,
    ),
    row("ExitType", Choice(&["main", "cgroup"]), RUN),
    row("ExecCondition", Command, RUN),
    row("ExecStartPre", Command, RUN),
    row("ExecStart", Command, RUN),
    row("ExecStartPost", Command, RUN),
    row("ExecReload", Command, RUN),
    row("ExecStop", Command, RUN),
    row("ExecStopPost", Command, RUN),
    row("PIDFile", RunPath, RUN),
    row("GuessMainPID", Bool, RUN),
    row("RemainAfterExit", Bool, RUN),
    row(
        "Restart",
        Choice(&["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"]),
        RUN,
    ),
    row("RestartSec", Span, RUN),
    row("RestartSteps", Number(0, u32::MAX as i64), RUN),
    row("RestartMaxDelaySec", Span, RUN),
    row("RestartPreventExitStatus", Statuses, RUN),
    row("RestartForceExitStatus", Statuses, RUN),
    row("SuccessExitStatus", Statuses, RUN),
    row("TimeoutSec", Span, RUN),
    row("TimeoutStartSec", Span, RUN),
    row("TimeoutStopSec", Span, RUN),
    row("TimeoutAbortSec", Span, RUN),
    row("TimeoutStartFailureMode", MODES, RUN),
    row("TimeoutStopFailureMode", MODES, RUN),
    row("RuntimeMaxSec", Span, RUN),
    row("RuntimeRandomizedExtraSec", Span, RUN),
    row("WatchdogSec", Span, RUN),
    row("NotifyAccess", Choice(&["none", "main", "exec", "all"]), RUN),
    row("PermissionsStartOnly", Bool, RUN),
    row("RootDirectoryStartOnly", Bool, CONFINE),
    row("NonBlocking", Bool, SOCKETS),
    row("Sockets", Units, SOCKETS),
    row("FileDescriptorStoreMax", Number(0, u32::MAX as i64), SOCKETS),
    row("BusName", Text, BUS),
    row("OOMPolicy", Choice(&["continue", "stop", "kill"]), RUN),
    row("USBFunctionDescriptors", Path, USB),
    row("USBFunctionStrings", Path, USB),
    row("SysVStartPriority", Number(0, 99), OBSOLETE),
];
