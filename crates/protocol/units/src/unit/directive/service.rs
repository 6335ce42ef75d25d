//! What stands in `[Service]` alone.

use super::fate::Fate::CarriedOut;
use super::fate::{OBSOLETE, RUN, USB};
use super::kind::Kind::{self, Bool, Choice, Command, Number, Path, RunPath, Span, Statuses, Text, Units};
use super::{Directive, row};

const MODES: Kind = Choice(&["terminate", "abort", "kill"]);

pub(super) const SERVICE: &[Directive] = &[
    row(
        "Type",
        Choice(&["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"]),
        CarriedOut,
    ),
    row("ExitType", Choice(&["main", "cgroup"]), CarriedOut),
    row("ExecCondition", Command, CarriedOut),
    row("ExecStartPre", Command, CarriedOut),
    row("ExecStart", Command, CarriedOut),
    row("ExecStartPost", Command, CarriedOut),
    row("ExecReload", Command, CarriedOut),
    row("ExecStop", Command, CarriedOut),
    row("ExecStopPost", Command, CarriedOut),
    row("PIDFile", RunPath, CarriedOut),
    row("GuessMainPID", Bool, CarriedOut),
    row("RemainAfterExit", Bool, CarriedOut),
    row(
        "Restart",
        Choice(&["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"]),
        CarriedOut,
    ),
    row("RestartSec", Span, CarriedOut),
    row("RestartSteps", Number(0, u32::MAX as i64), CarriedOut),
    row("RestartMaxDelaySec", Span, CarriedOut),
    row("RestartPreventExitStatus", Statuses, CarriedOut),
    row("RestartForceExitStatus", Statuses, CarriedOut),
    row("SuccessExitStatus", Statuses, CarriedOut),
    row("TimeoutSec", Span, CarriedOut),
    row("TimeoutStartSec", Span, CarriedOut),
    row("TimeoutStopSec", Span, CarriedOut),
    row("TimeoutAbortSec", Span, RUN),
    row("TimeoutStartFailureMode", MODES, RUN),
    row("TimeoutStopFailureMode", MODES, RUN),
    row("RuntimeMaxSec", Span, CarriedOut),
    row("RuntimeRandomizedExtraSec", Span, RUN),
    row("WatchdogSec", Span, CarriedOut),
    row("NotifyAccess", Choice(&["none", "main", "exec", "all"]), CarriedOut),
    row("PermissionsStartOnly", Bool, CarriedOut),
    row("RootDirectoryStartOnly", Bool, CarriedOut),
    row("NonBlocking", Bool, CarriedOut),
    row("Sockets", Units, CarriedOut),
    row("FileDescriptorStoreMax", Number(0, u32::MAX as i64), CarriedOut),
    row("BusName", Text, CarriedOut),
    row("OOMPolicy", Choice(&["continue", "stop", "kill"]), CarriedOut),
    row("USBFunctionDescriptors", Path, USB),
    row("USBFunctionStrings", Path, USB),
    row("SysVStartPriority", Number(0, 99), OBSOLETE),
];
