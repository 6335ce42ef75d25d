//! Sets a system up, as its packages ask: files and folders by tmpfiles.d(5), users and groups by sysusers.d(5).
//!
//! Both read `NAME.conf` files from folders of which the earlier hides the later, and work on this system or on one
//! that lies below a folder. Paths are walked one step at a time and without following a link that someone could
//! have put there for others to stumble over: see [`Root`].

mod accounts;
mod conf;
pub mod fuzzing;
mod host;
mod root;
pub mod sysusers;
pub mod tmpfiles;

pub use accounts::Accounts;
pub use conf::{Given, Problem, Unclosed};
pub use root::Root;
