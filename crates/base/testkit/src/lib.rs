//! For tests only: what the tests of several rooms share.
//!
//! Nothing here may be a dependency of the program, only a `[dev-dependencies]` of its rooms.

pub mod shared;

pub use shared::{shared_data, workspace_root};
