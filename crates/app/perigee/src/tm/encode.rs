//! `perigee tm encode`: packets to channel symbols.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Link file: the managed parameters of the channel
    #[arg(long, value_name = "LINK.toml")]
    pub(crate) link: PathBuf,
    /// The recording, or - for standard input
    pub(crate) file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("cannot read {} yet", arguments.file.display())
}
