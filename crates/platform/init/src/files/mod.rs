//! Unit files on disk: where they are, what they load, and what this machine is.

mod find;
mod host;
mod load;

pub use find::{Files, FindError, SearchPath};
pub use host::host;
pub use load::{Loaded, load};
