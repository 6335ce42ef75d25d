//! For tests only: what the tests of several rooms share.
//!
//! [`actors`] are parts that behave as told, [`shared_data`] finds recordings, [`Contract`] is the set of tests that every part passes, [`Station`]
//! starts the real program, [`Guest`] boots a virtual machine around it, [`corpus`] replays what the fuzz targets
//! run on. Nothing here may be a dependency of the program, only a `[dev-dependencies]` of its rooms. A helper that cannot do its work panics: a test fails.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod actors;
pub mod contract;
pub mod corpus;
pub mod guest;
pub mod shared;
pub mod station;

pub use contract::{Contract, refuses_unknown_keys, services};
pub use guest::{End, Guest, Machine};
pub use shared::{shared_data, workspace_root};
pub use station::{Answer, Station};
