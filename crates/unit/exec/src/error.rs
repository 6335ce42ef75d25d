//! Why a process of a unit is not there: in words, and as the exit status that stands for it.

use std::io;

use perigee_process::SpawnError;

/// Why a process is not there. The exit statuses are those that systemd.exec(5) lists.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A file of variables cannot be read.
    #[error("cannot read {path} of EnvironmentFile= (a `-` before the path lets it be missing)")]
    Environment {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A text that no process can be given.
    #[error("{0:?} has a NUL octet in it")]
    Nul(String),
    /// An account that does not exist.
    #[error(
        "there is no {kind} `{name}` in /etc/{file}; make it, or correct {directive}= (accounts of other name services are not seen)"
    )]
    Account {
        /// User or group.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Where it was looked for.
        file: &'static str,
        /// What named it.
        directive: &'static str,
    },
    /// The files with the accounts cannot be read.
    #[error("cannot read the accounts")]
    Accounts(#[source] io::Error),
    /// No number is free for a user who lives as long as the service.
    #[error("no user number between 61184 and 65519 is free for DynamicUser=")]
    NoFreeUser,
    /// A folder of the unit cannot be made.
    #[error("cannot make {path} for {directive}=")]
    Folder {
        /// The folder.
        path: String,
        /// What asked for it.
        directive: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file or terminal for standard input or output cannot be opened.
    #[error("cannot open {path} for {directive}=")]
    Stream {
        /// The file.
        path: String,
        /// What asked for it.
        directive: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A namespace of the unit's own cannot be made.
    #[error("cannot make a namespace for {directive}=")]
    Namespace {
        /// What asked for it.
        directive: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Something that this program does not do, and that a service cannot be started without.
    #[error("{0}")]
    Unsupported(String),
    /// The unit, or the command in it, is not there any more.
    #[error("the command is not there any more")]
    Gone,
    /// The system refused.
    #[error("cannot {step}: {source}{hint}")]
    Spawn {
        /// What.
        step: String,
        /// Why.
        source: SpawnError,
        /// What to do about it, with a separator before it, or nothing.
        hint: &'static str,
        /// The exit status that stands for it.
        status: u8,
    },
}

impl ExecError {
    /// The exit status that stands for it, as in systemd.exec(5).
    pub fn status(&self) -> u8 {
        match self {
            ExecError::Environment { .. } | ExecError::Nul(_) | ExecError::Gone => 203,
            ExecError::Account { file: "group", .. } => 216,
            ExecError::Account { .. } | ExecError::Accounts(_) | ExecError::NoFreeUser => 217,
            ExecError::Folder { directive, .. } => match *directive {
                "StateDirectory" => 238,
                "CacheDirectory" => 239,
                "LogsDirectory" => 240,
                "ConfigurationDirectory" => 241,
                "PrivateTmp" => 226,
                _ => 233,
            },
            ExecError::Stream { directive, .. } => match *directive {
                "StandardOutput" => 209,
                "StandardError" => 222,
                "NetworkNamespacePath" => 225,
                "IPCNamespacePath" => 226,
                _ => 208,
            },
            ExecError::Namespace { directive: "PrivateNetwork", .. } => 225,
            ExecError::Namespace { .. } => 226,
            ExecError::Unsupported(_) => 224,
            ExecError::Spawn { status, .. } => *status,
        }
    }
}
