//! Units, in the syntax and with the directives of systemd 252.
//!
//! The texts of its files ([`Source`]) are read into typed values ([`Unit`]). What could not be read, and what is read but not carried out, is a
//! [`Complaint`] with file and line; nothing is passed over in silence.
//!
//! ```
//! use perigee_units::unit::{Host, Source, Unit, UnitName, Value};
//!
//! let name = UnitName::parse("beacon@ka.service")?;
//! let text = b"[Service]\nExecStart=/usr/bin/beacon --band %i\nRestartSec=5min 20s\nRestartSek=1\n";
//! let unit = Unit::read(name, &[Source { path: "beacon@.service".into(), text: text.to_vec() }], &Host::default());
//! let Some(Value::Commands(commands)) = unit.last("Service", "ExecStart") else { panic!() };
//! assert_eq!(commands[0].arguments, ["/usr/bin/beacon", "--band", "ka"]);
//! let wrong = unit.complaints.iter().find(|complaint| complaint.line == 4).expect("a complaint");
//! assert_eq!(
//!     wrong.to_string(),
//!     "beacon@.service:4: RestartSek=: there is no such directive in [Service]; is it RestartSec=?"
//! );
//! # Ok::<(), perigee_units::value::ValueError>(())
//! ```

mod command;
mod complaint;
pub mod directive;
mod name;
mod read;
mod specifier;
mod syntax;
mod whole;

pub use command::{Command, Privileges};
pub use complaint::{Complaint, Level, Reason};
pub use directive::{Condition, EnvironmentFile, ExitStatuses, Fate, Kind, Value};
pub use name::{UnitKind, UnitName};
pub use read::{Setting, Source, Unit};
pub use specifier::{Host, Scope};
pub use syntax::{Assignment, LONGEST_FILE, Parsed, SyntaxError, parse};
