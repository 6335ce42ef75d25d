//! `perigee setup`: the files of tmpfiles.d and the accounts of sysusers.d. By the names `systemd-tmpfiles` and
//! `systemd-sysusers` too.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use perigee_setup::sysusers::{self, Made};
use perigee_setup::{Given, Root, tmpfiles};

/// What is set up.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make, clean and remove the files that tmpfiles.d names
    ///
    /// Exit status: 0 done; 65 a line was not understood; 73 something could not be made; 1 nothing could be done.
    Tmpfiles(Tmpfiles),
    /// Make the users and groups that sysusers.d names
    Sysusers(Sysusers),
}

/// The program by the name `systemd-tmpfiles`.
#[derive(Parser)]
#[command(name = "systemd-tmpfiles", version = "252 (perigee)")]
struct CalledTmpfiles {
    #[command(flatten)]
    arguments: Tmpfiles,
}

/// The program by the name `systemd-sysusers`.
#[derive(Parser)]
#[command(name = "systemd-sysusers", version = "252 (perigee)")]
struct CalledSysusers {
    #[command(flatten)]
    arguments: Sysusers,
}

/// What both understand.
#[derive(Args)]
struct Shared {
    /// Take the given files in the place of this one, among all
    #[arg(long, value_name = "PATH")]
    replace: Option<String>,
    /// Work on the system below this folder
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
    /// Taken without effect
    #[arg(long, hide = true)]
    no_pager: bool,
}

#[derive(Args)]
pub(crate) struct Tmpfiles {
    /// Files by path, or by name in the folders of tmpfiles.d; - is standard input; without any, all
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Make files and folders
    #[arg(long)]
    create: bool,
    /// Remove what is older than its folder allows
    #[arg(long)]
    clean: bool,
    /// Remove what lines say is to go
    #[arg(long)]
    remove: bool,
    /// Take the lines that are for boot, too
    #[arg(long)]
    boot: bool,
    /// Only paths that begin so
    #[arg(long, value_name = "PATH")]
    prefix: Vec<String>,
    /// No paths that begin so
    #[arg(long, value_name = "PATH")]
    exclude_prefix: Vec<String>,
    /// Leave out /dev, /proc, /run and /sys
    #[arg(short = 'E')]
    no_interfaces: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
pub(crate) struct Sysusers {
    /// Files by path, or by name in the folders of sysusers.d; - is standard input; without any, all
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Take the arguments as lines
    #[arg(long)]
    inline: bool,
    /// Only say what would be made
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    shared: Shared,
}

pub(crate) fn run(verb: &Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Tmpfiles(arguments) => make_files(arguments),
        Verb::Sysusers(arguments) => make_accounts(arguments),
    }
}

/// As `systemd-tmpfiles`.
pub(crate) fn called_tmpfiles() -> anyhow::Result<ExitCode> {
    make_files(&CalledTmpfiles::parse().arguments)
}

/// As `systemd-sysusers`.
pub(crate) fn called_sysusers() -> anyhow::Result<ExitCode> {
    make_accounts(&CalledSysusers::parse().arguments)
}

/// Octets that are taken from standard input.
const LONGEST_INPUT: u64 = 16 << 20;

fn given(files: &[String]) -> anyhow::Result<Vec<Given>> {
    let one = |file: &String| {
        if file != "-" {
            return Ok(Given::Name(file.clone()));
        }
        let mut text = Vec::new();
        let input = std::io::stdin().lock();
        input.take(LONGEST_INPUT + 1).read_to_end(&mut text).context("cannot read standard input")?;
        anyhow::ensure!(text.len() as u64 <= LONGEST_INPUT, "standard input is longer than 16 MiB");
        Ok(Given::Text("<stdin>".to_owned(), text))
    };
    files.iter().map(one).collect()
}

fn make_files(arguments: &Tmpfiles) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        arguments.create || arguments.clean || arguments.remove,
        "one of --create, --clean and --remove is needed"
    );
    let mut excluded = arguments.exclude_prefix.clone();
    if arguments.no_interfaces {
        excluded.extend(["/dev", "/proc", "/run", "/sys"].map(str::to_owned));
    }
    let request = tmpfiles::Request {
        create: arguments.create,
        clean: arguments.clean,
        remove: arguments.remove,
        boot: arguments.boot,
        prefixes: arguments.prefix.clone(),
        excluded,
        given: given(&arguments.files)?,
        replace: arguments.shared.replace.clone(),
        credentials: std::env::var("CREDENTIALS_DIRECTORY").ok(),
        now: None,
    };
    let report = tmpfiles::run(&Root::open(&arguments.shared.root)?, &request);
    report.wrong.iter().chain(&report.failed).for_each(|problem| eprintln!("{problem}"));
    let unread = report.wrong.iter().any(|problem| problem.line == 0);
    let failed = report.failed.iter().any(|problem| !problem.tolerated);
    Ok(ExitCode::from(match (unread, report.wrong.is_empty(), failed) {
        (true, ..) => 1,
        (_, false, _) => 65,
        (.., true) => 73,
        _ => 0,
    }))
}

fn make_accounts(arguments: &Sysusers) -> anyhow::Result<ExitCode> {
    let given = if arguments.inline {
        let lines = arguments.files.iter();
        lines.map(|line| Given::Text("<command line>".to_owned(), line.clone().into_bytes())).collect()
    } else {
        given(&arguments.files)?
    };
    let request = sysusers::Request {
        given,
        replace: arguments.shared.replace.clone(),
        dry_run: arguments.dry_run,
        now: None,
    };
    let report = sysusers::run(&Root::open(&arguments.shared.root)?, &request);
    for made in &report.made {
        match made {
            Made::Group(name, gid) => eprintln!("Creating group '{name}' with GID {gid}."),
            Made::User { name, gecos, ids: (uid, gid) } => {
                let gecos = if gecos.is_empty() { "n/a" } else { gecos };
                eprintln!("Creating user '{name}' ({gecos}) with UID {uid} and GID {gid}.");
            }
        }
    }
    report.wrong.iter().for_each(|problem| eprintln!("{problem}"));
    report.failed.iter().for_each(|failure| eprintln!("{failure}"));
    // Lines that make no sense are told and no failure: a package is not to fall over another's line.
    let unread = report.wrong.iter().any(|problem| problem.line == 0);
    let written = report.failed.iter().any(|failure| failure.starts_with("/etc/"));
    Ok(if unread || written { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
