//! `perigee tm decode`: packets to engineering values.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Mission database
    #[arg(long, value_name = "DB.xml")]
    pub(crate) xtce: PathBuf,
    /// Link file: the managed parameters of the channel; left out: the file holds bare space packets
    #[arg(long, value_name = "LINK.toml")]
    pub(crate) link: Option<PathBuf>,
    /// The recording, or - for standard input
    pub(crate) file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("cannot read {} yet", arguments.file.display())
}
