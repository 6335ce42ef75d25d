//! Control groups: every unit in its own, so that all its processes are known, can be killed together, and stay
//! within limits.
//!
//! [`Hierarchy::detect`] finds out what this machine has: version 2, version 1, or both, of which each controller
//! lives in one. A [`Group`] is one path in all of them. [`Limits`] are what a unit file says about resources, and
//! what cannot be set is told as [`Unmet`], in words. [`Usage`] is what a group has used.
//!
//! - Groups are tracked, killed and frozen in version 2 where it is there, else in version 1. A limit is set
//!   wherever its controller lives.
//! - All groups are below the one that the supervisor is in: it needs no more than that one, in a container too.
//! - Nothing here waits longer than [`PATIENCE`].

mod detect;
mod error;
mod group;
mod hierarchy;
mod kill;
mod limits;
mod name;
mod sys;
mod usage;
mod watch;

pub use detect::{Controller, Mode};
pub use error::{GroupError, Unmet};
pub use group::{Entry, Group, Join};
pub use hierarchy::{Found, Hierarchy};
pub use kill::Killed;
pub use limits::{DevicePolicy, Limits, Machine, Weight};
pub use name::{escape, group_path, unescape};
pub use usage::{Io, Pressure, Share, Usage};
pub use watch::{Watch, Watcher};

/// The longest that freezing, killing and removing may keep a caller waiting, each.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);
