//! What becomes of a directive.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Code does what it says.
    CarriedOut,
    /// Taken without effect, and nothing is lost by it; for this reason.
    NoEffect(&'static str),
    /// What it says is not done; for this reason.
    NotCarriedOut(&'static str),
}

use Fate::{NoEffect, NotCarriedOut};

pub(super) const FOR_PEOPLE: Fate = NoEffect("it is for people");
pub(super) const OBSOLETE: Fate = NoEffect("it has had no effect in systemd for years");
pub(super) const RUN: Fate = NotCarriedOut("services are run without this yet");
pub(super) const ORDER: Fate = NotCarriedOut("units are started and stopped without this yet");
pub(super) const CONDITION: Fate = NotCarriedOut("conditions are not tested yet");
pub(super) const ENABLE: Fate = NotCarriedOut("units are not enabled and disabled yet");
pub(super) const ISOLATE: Fate = NotCarriedOut("isolating a unit is not built");
pub(super) const ACTION: Fate = NotCarriedOut("the machine is not rebooted or powered off for a unit");
pub(super) const CONFINE: Fate = NotCarriedOut("processes are not confined yet");
pub(super) const NAMESPACE: Fate = NotCarriedOut("processes get no namespaces of their own yet");
pub(super) const RIGHTS: Fate = NotCarriedOut("capabilities and system call filters are not set yet");
pub(super) const SCHEDULING: Fate = NotCarriedOut("scheduling and limits of processes are not set yet");
pub(super) const GROUPS: Fate = NotCarriedOut("control groups are not made yet");
pub(super) const NETWORK: Fate = NotCarriedOut("traffic is not filtered by unit");
pub(super) const FOLDERS: Fate = NotCarriedOut("folders are not made for a unit yet");
pub(super) const LOGS: Fate = NotCarriedOut("logs are not kept by unit yet");
pub(super) const TERMINAL: Fate = NotCarriedOut("terminals are not handed to units yet");
pub(super) const SOCKETS: Fate = NotCarriedOut("services are not handed sockets yet");
pub(super) const SOCKET_COMMANDS: Fate = NotCarriedOut("sockets run no commands of their own yet");
pub(super) const USB: Fate = NotCarriedOut("USB functions are not supported");
pub(super) const AUTOMOUNTS: Fate =
    NotCarriedOut("automounts are not supported: mount at boot, or by a service");
pub(super) const IMAGES: Fate = NotCarriedOut("disk images are not supported");
pub(super) const CREDENTIALS: Fate = NotCarriedOut("credentials are not handed to units yet");
pub(super) const LABELS: Fate = NotCarriedOut("security labels are not set");
pub(super) const SESSIONS: Fate = NotCarriedOut("login sessions are not supported");
