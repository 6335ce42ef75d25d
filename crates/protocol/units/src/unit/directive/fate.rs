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

use Fate::{CarriedOut, NoEffect, NotCarriedOut};

pub(super) const FOR_PEOPLE: Fate = NoEffect("it is for people");
pub(super) const OBSOLETE: Fate = NoEffect("it has had no effect in systemd for years");
pub(super) const RUN: Fate = NotCarriedOut("services are run without this yet");
pub(super) const ORDER: Fate = NotCarriedOut("units are started and stopped without this yet");
pub(super) const CONDITION: Fate = CarriedOut;
pub(super) const ENABLE: Fate = CarriedOut;
pub(super) const FILE_SYSTEMS: Fate = NotCarriedOut("kinds of file systems are not told apart for a unit");
pub(super) const NETWORK: Fate = NotCarriedOut("traffic is not filtered by unit");
pub(super) const FOLDERS: Fate = NotCarriedOut("folders of a unit are not removed on demand");
pub(super) const LOGS: Fate = NotCarriedOut("all units share one log");
pub(super) const USB: Fate = NotCarriedOut("USB functions are not supported");
pub(super) const HELPERS: Fate =
    NotCarriedOut("the helpers of mounts and swap space run as the supervisor does");
pub(super) const OPENED: Fate = NotCarriedOut("sockets are opened in the network of the supervisor");
pub(super) const AUTOMOUNTS: Fate =
    NotCarriedOut("automounts are not supported: mount at boot, or by a service");
pub(super) const IMAGES: Fate = NotCarriedOut("disk images are not supported");
pub(super) const CREDENTIALS: Fate = NotCarriedOut("credentials are not handed to units yet");
pub(super) const LABELS: Fate = NotCarriedOut("security labels are not set");
pub(super) const SESSIONS: Fate = NotCarriedOut("login sessions are not supported");
