//! Unit files on disk: where they are, what they load, which of them start by themselves, what this machine is,
//! and whether it is one on which a unit may start.

mod builtin;
pub mod condition;
mod find;
mod host;
mod implicit;
pub mod install;
mod load;
mod sysv;

pub use builtin::write_builtin;
pub use find::{Files, FindError, SYSTEM_FOLDERS, SearchPath};
pub use host::host;
pub use load::{Loaded, load};
pub use sysv::{SYSV_FOLDER, generate_sysv};
