//! The `perigee` command: a spacecraft ground-station node.
//!
//! The command reads the configuration, builds the parts, wires them ([`up`]) and runs them; offline
//! verbs work on recordings. Whatever is more than wiring lives in the rooms below.

mod account;
mod archive;
mod assets;
mod cli;
mod configuration;
mod ctl;
mod documents;
mod init;
mod keeper;
mod notify;
mod parts;
mod setup;
mod systemctl;
mod tm;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Verb;

/// What the program does by another name.
type Called = fn() -> anyhow::Result<ExitCode>;

/// Other names of this program.
const NAMES: [(&str, Called); 6] = [
    ("systemctl", systemctl::called),
    ("systemd-tmpfiles", setup::called_tmpfiles),
    ("systemd-sysusers", setup::called_sysusers),
    ("poweroff", || systemctl::called_to_end("poweroff")),
    ("reboot", || systemctl::called_to_end("reboot")),
    ("halt", || systemctl::called_to_end("halt")),
];

fn main() -> ExitCode {
    if perigee_init::pid1::is_first() && called_as("init") {
        return end(init::run(&init::Arguments::default()));
    }
    // Names by which the scripts of a distribution call what they take for systemd's programs.
    for (name, run) in NAMES {
        if called_as(name) {
            return end(run());
        }
    }
    if let Some(verb) = ctl::act::called() {
        return end(ctl::act::run_verb(&verb));
    }
    end(match cli::Perigee::parse().verb {
        Verb::Up(arguments) => up::up(&arguments),
        Verb::Run(arguments) => up::run(&arguments),
        Verb::Config(arguments) => configuration::run(&arguments),
        Verb::Tm(verb) => tm::run(verb),
        Verb::Archive(verb) => archive::run(verb),
        Verb::LogProcess => init::log_process(),
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Ctl(verb) => ctl::run(verb),
        Verb::Setup(verb) => setup::run(&verb),
        Verb::Account(arguments) => account::run(&arguments),
        Verb::Completions(arguments) => documents::completions(&arguments),
        Verb::Man(arguments) => documents::man(&arguments),
        Verb::Version => documents::version(),
    })
}

/// Whether this program was started by this name.
fn called_as(name: &str) -> bool {
    let called = std::env::args_os().next().map(std::path::PathBuf::from);
    called.as_deref().and_then(std::path::Path::file_name).is_some_and(|called| called == name)
}

fn end(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("perigee: {}", told(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes, each said once: many name their cause themselves.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |mut text, cause| {
        if !text.ends_with(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
        text
    })
}
