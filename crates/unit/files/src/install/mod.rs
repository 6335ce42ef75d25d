//! Which units start by themselves: `[Install]` carried out as links below `/etc/systemd/system`, as systemctl(1)
//! makes them, in this system or in one that lies below a folder.
//!
//! A unit is enabled by links in `NAME.wants` and `NAME.requires` folders and by links under its other names; it is
//! masked by a link to `/dev/null`. Nothing else is kept anywhere: the state of a unit is read off the links.

mod edit;
mod info;
mod layout;
mod links;
mod preset;
mod state;

use std::io;
use std::path::PathBuf;

use perigee_units::unit::UnitName;

pub use edit::Draft;
use layout::Layout;
pub use state::{Listed, State};

/// The unit files of a system, and the links that enable them.
#[derive(Clone, Debug)]
pub struct Installation {
    layout: Layout,
    /// Links are made below `/run`, and are gone at the next boot.
    pub runtime: bool,
    /// Links that lead elsewhere are replaced.
    pub force: bool,
}

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was done, in order.
    pub changes: Vec<Change>,
    /// What could not be done.
    pub failures: Vec<InstallError>,
    /// Whether any of the units has an `[Install]` section with something in it.
    pub has_rules: bool,
    /// A preset asks: what makes no sense of a unit is passed over.
    by_preset: bool,
}

/// Something that was done to the links, or that is to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A link was made.
    Linked {
        /// Where it is, from the root.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A link was removed, by its path from the root.
    Removed(String),
    /// The unit is masked, by this path, and was left alone.
    Masked(String),
    /// A unit is now wanted by one that does not exist.
    Unwanted {
        /// The unit.
        unit: UnitName,
        /// What does not exist.
        by: UnitName,
    },
    /// A unit that another names in `Also=` is missing, or leads nowhere.
    AlsoMissing(String),
}

/// Why a unit cannot be enabled, disabled or masked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Not a name of a unit.
    #[error("\"{0}\" is not a valid unit name")]
    Name(String),
    /// There is none.
    #[error("Unit file {0} does not exist")]
    Missing(String),
    /// It is masked.
    #[error("Unit file {0} is masked")]
    Masked(String),
    /// The name is another one for a unit, or a link to a file elsewhere, in the folder of links itself.
    #[error("Refusing to operate on alias name or linked unit file: {0}")]
    Linked(String),
    /// Too many links, one after the other.
    #[error("Unit {0} is linked in circles")]
    Circle(String),
    /// What a generator wrote, or what was made while the system runs.
    #[error("Unit {0} is transient or generated")]
    Generated(String),
    /// `Alias=` with a name that this unit cannot have.
    #[error("Cannot alias {unit} as {alias}")]
    Alias {
        /// The unit.
        unit: UnitName,
        /// The name.
        alias: String,
    },
    /// `WantedBy=` with what is no name, or a template where a unit must be.
    #[error("Invalid unit name \"{0}\" in [Install]")]
    By(String),
    /// A file or another link is in the way.
    #[error("File {path} already exists{}", to.as_ref().map(|to| format!(" and is a symlink to {to}")).unwrap_or_default())]
    Exists {
        /// What is in the way.
        path: String,
        /// Where it leads, if it is a link.
        to: Option<String>,
    },
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file, from the root.
        path: String,
        /// What it said.
        source: io::Error,
    },
}

impl Installation {
    /// The system whose files lie below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Installation {
        Installation { layout: Layout::new(root.into()), runtime: false, force: false }
    }

    /// The folder in which links are made.
    fn config(&self) -> &'static str {
        if self.runtime { layout::RUNTIME } else { layout::PERSISTENT }
    }

    /// The target to which the system boots; none where no `default.target` is found.
    ///
    /// # Errors
    /// A link that leads in circles, or a file that cannot be read.
    pub fn default_target(&self) -> Result<UnitName, InstallError> {
        let name =
            UnitName::parse("default.target").map_err(|error| InstallError::Name(error.to_string()))?;
        Ok(info::Context::new(&self.layout).discover(&name, true)?.name)
    }

    /// Where the file of a unit is, and those of its drop-ins; paths as this process opens them.
    ///
    /// # Errors
    /// There is none, or it is masked.
    pub fn files_of(&self, name: &UnitName) -> Result<Vec<PathBuf>, InstallError> {
        let info = info::Context::new(&self.layout).discover(name, true)?;
        if info.masked {
            return Err(InstallError::Masked(info.name.to_string()));
        }
        let mut files = vec![self.layout.at(&info.path)];
        files.extend(self.layout.dropins(&info.name)?);
        Ok(files)
    }
}
