//! `[Unit]` and `[Install]`.

use super::fate::Fate::CarriedOut;
use super::fate::{CONDITION, ENABLE, FOR_PEOPLE};
use super::kind::Kind::{
    self, Aliases, Bool, Choice, Condition, Number, PathCondition, Paths, Span, Text, Units, Words,
};
use super::{Directive, row};

const JOB_MODES: Kind = Choice(&[
    "fail",
    "replace",
    "replace-irreversibly",
    "isolate",
    "flush",
    "ignore-dependencies",
    "ignore-requirements",
]);
const ACTIONS: Kind = Choice(&[
    "none",
    "reboot",
    "reboot-force",
    "reboot-immediate",
    "poweroff",
    "poweroff-force",
    "poweroff-immediate",
    "exit",
    "exit-force",
]);

pub(super) const UNIT: &[Directive] = &[
    row("Description", Text, FOR_PEOPLE),
    row("Documentation", Words, FOR_PEOPLE),
    row("SourcePath", Text, FOR_PEOPLE),
    row("Requires", Units, CarriedOut),
    row("Requisite", Units, CarriedOut),
    row("Wants", Units, CarriedOut),
    row("BindsTo", Units, CarriedOut),
    row("Upholds", Units, CarriedOut),
    row("PartOf", Units, CarriedOut),
    row("Conflicts", Units, CarriedOut),
    row("Before", Units, CarriedOut),
    row("After", Units, CarriedOut),
    row("OnFailure", Units, CarriedOut),
    row("OnSuccess", Units, CarriedOut),
    row("PropagatesReloadTo", Units, CarriedOut),
    row("ReloadPropagatedFrom", Units, CarriedOut),
    row("PropagatesStopTo", Units, CarriedOut),
    row("StopPropagatedFrom", Units, CarriedOut),
    row("JoinsNamespaceOf", Units, CarriedOut),
    row("RequiresMountsFor", Paths, CarriedOut),
    row("StopWhenUnneeded", Bool, CarriedOut),
    row("RefuseManualStart", Bool, CarriedOut),
    row("RefuseManualStop", Bool, CarriedOut),
    row("AllowIsolate", Bool, CarriedOut),
    row("DefaultDependencies", Bool, CarriedOut),
    row("OnSuccessJobMode", JOB_MODES, CarriedOut),
    row("OnFailureJobMode", JOB_MODES, CarriedOut),
    row("OnFailureIsolate", Bool, CarriedOut),
    row("IgnoreOnIsolate", Bool, CarriedOut),
    row("JobTimeoutSec", Span, CarriedOut),
    row("JobRunningTimeoutSec", Span, CarriedOut),
    row("JobTimeoutAction", ACTIONS, CarriedOut),
    row("JobTimeoutRebootArgument", Text, CarriedOut),
    row("StartLimitIntervalSec", Span, CarriedOut),
    row("StartLimitBurst", Number(0, u32::MAX as i64), CarriedOut),
    row("StartLimitAction", ACTIONS, CarriedOut),
    row("FailureAction", ACTIONS, CarriedOut),
    row("SuccessAction", ACTIONS, CarriedOut),
    row("FailureActionExitStatus", Number(0, 255), CarriedOut),
    row("SuccessActionExitStatus", Number(0, 255), CarriedOut),
    row("RebootArgument", Text, CarriedOut),
    row("CollectMode", Choice(&["inactive", "inactive-or-failed"]), CarriedOut),
];

/// A condition, which lets a unit be where it does not hold, and an assertion, which fails it.
macro_rules! conditions {
    ($($kind:ident: $($name:literal),*;)*) => {
        &[$($(
            row(concat!("Condition", $name), $kind, CONDITION),
            row(concat!("Assert", $name), $kind, CONDITION),
        )*)*]
    };
}

pub(super) const CONDITIONS: &[Directive] = conditions![
    PathCondition: "PathExists", "PathExistsGlob", "PathIsDirectory", "PathIsSymbolicLink", "PathIsMountPoint",
        "PathIsReadWrite", "PathIsEncrypted", "DirectoryNotEmpty", "FileNotEmpty", "FileIsExecutable",
        "NeedsUpdate";
    Condition: "FirstBoot", "Architecture", "Firmware", "Virtualization", "Host", "KernelCommandLine",
        "KernelVersion", "Credential", "Security", "Capability", "ACPower", "Memory", "CPUFeature", "CPUs",
        "Environment", "User", "Group", "ControlGroupController", "OSRelease", "MemoryPressure", "CPUPressure",
        "IOPressure";
];

pub(super) const INSTALL: &[Directive] = &[
    row("Alias", Aliases, ENABLE),
    row("WantedBy", Units, ENABLE),
    row("RequiredBy", Units, ENABLE),
    row("Also", Units, ENABLE),
    row("DefaultInstance", Text, ENABLE),
];
