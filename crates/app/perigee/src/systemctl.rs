//! The name `systemctl`: what the scripts of Debian's packages ask of it, answered by the same code as `perigee ctl`.
//!
//! Its options may stand anywhere and most are for verbs that they do not belong to, so that they are one definition;
//! what has no meaning here is taken and passed over.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use perigee_files::install::Installation;
use perigee_init::control::{Client, ClientError, RUNTIME, Reply, Request, Whom};
use perigee_units::machine;

use crate::ctl::act::{self, WhichSupervisor, Wish};
use crate::ctl::install::{self, Root};
use crate::ctl::{edit, environment, lists, manage, properties, show, tree};

/// Where another folder of run-time files is said, for tests.
const RUNTIME_VARIABLE: &str = "PERIGEE_RUNTIME";

/// Manages units: the commands of systemctl, carried out by Perigee.
#[derive(Parser)]
#[command(name = "systemctl", disable_version_flag = true, args_override_self = true)]
struct Called {
    /// What to do: start, stop, restart, reload, enable, disable, mask, unmask, preset, status, show, cat, is-active,
    /// is-enabled, is-failed, list-units, list-unit-files, edit, revert, set-property, daemon-reload, poweroff, reboot and
    /// others
    command: Option<String>,
    /// Units
    names: Vec<String>,
    /// Print the version
    #[arg(long)]
    version: bool,
    /// Until the next boot only
    #[arg(long)]
    runtime: bool,
    /// Work on the system below this folder
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// Start or stop too
    #[arg(long)]
    now: bool,
    /// Replace what is in the way
    #[arg(long, short, action = clap::ArgAction::Count)]
    force: u8,
    /// Do not wait
    #[arg(long)]
    no_block: bool,
    /// Say nothing
    #[arg(long, short)]
    quiet: bool,
    /// Do not let the supervisor read units again
    #[arg(long)]
    no_reload: bool,
    /// Leave out headings
    #[arg(long)]
    no_legend: bool,
    /// Also what is inactive
    #[arg(long, short)]
    all: bool,
    /// Only what has failed
    #[arg(long)]
    failed: bool,
    /// Only units of these kinds
    #[arg(long = "type", short = 't', value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Only units in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Only these properties
    #[arg(long, short, value_name = "NAME", value_delimiter = ',')]
    property: Vec<String>,
    /// Only these properties, without their names
    #[arg(short = 'P', value_name = "NAME", value_delimiter = ',')]
    property_value: Vec<String>,
    /// Without the names of properties
    #[arg(long)]
    value: bool,
    /// Which signal
    #[arg(long, short, value_name = "SIGNAL", default_value = "TERM")]
    signal: String,
    /// To which processes
    #[arg(long, alias = "kill-who", value_name = "WHOM", default_value = "all")]
    kill_whom: String,
    /// What a preset may do: full, enable-only, disable-only
    #[arg(long, value_name = "MODE", default_value = "full")]
    preset_mode: String,
    /// Of the system's supervisor: there is no other
    #[arg(long)]
    system: bool,
    /// Of a user's supervisor: there is none
    #[arg(long)]
    user: bool,
    /// For all users' supervisors: there are none
    #[arg(long)]
    global: bool,
    /// The name of a drop-in that is edited
    #[arg(long, value_name = "NAME", default_value = "override.conf")]
    drop_in: String,
    /// Take what is edited from standard input
    #[arg(long)]
    stdin: bool,
    /// Who needs a unit, instead of what it needs
    #[arg(long)]
    reverse: bool,
    /// Units that a unit comes after
    #[arg(long)]
    after: bool,
    /// Wait for the end of what was started
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    passed_over: PassedOver,
}

/// Options that change nothing here.
#[derive(clap::Args)]
#[command(next_help_heading = "Taken without effect")]
struct PassedOver {
    #[arg(long)]
    no_pager: bool,
    #[arg(long)]
    no_ask_password: bool,
    #[arg(long)]
    no_wall: bool,
    #[arg(long, short = 'l')]
    full: bool,
    #[arg(long)]
    plain: bool,
    #[arg(long)]
    no_warn: bool,
    #[arg(long)]
    show_types: bool,
    #[arg(long)]
    dry_run: bool,
    #[arg(short = 'i')]
    inhibitors: bool,
    #[arg(long, short = 'T')]
    show_transaction: bool,
    #[arg(long, value_name = "MODE")]
    job_mode: Option<String>,
    #[arg(long, value_name = "WHETHER")]
    check_inhibitors: Option<String>,
    #[arg(long, short, value_name = "FORMAT")]
    output: Option<String>,
    #[arg(long, short = 'n', value_name = "COUNT")]
    lines: Option<String>,
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    #[arg(long, short = 'M', value_name = "NAME")]
    machine: Option<String>,
}

/// As `systemctl`.
pub(crate) fn called() -> anyhow::Result<ExitCode> {
    Called::parse().run()
}

/// As `poweroff`, `reboot` or `halt`.
pub(crate) fn called_to_end(command: &str) -> anyhow::Result<ExitCode> {
    Called::parse_from(["systemctl", command]).run()
}

impl Called {
    fn run(self) -> anyhow::Result<ExitCode> {
        if self.version {
            // Scripts look for a number of systemd's: that whose commands are understood.
            println!("systemd 252 (perigee {})", env!("CARGO_PKG_VERSION"));
            return Ok(ExitCode::SUCCESS);
        }
        if self.user || self.global {
            // There are no supervisors of users, so that there is nothing to be done for them.
            return Ok(ExitCode::SUCCESS);
        }
        let command = self.command.clone().unwrap_or_else(|| "list-units".to_owned());
        if let Some(done) = self.files(&command)? {
            return Ok(done);
        }
        if self.is_elsewhere() {
            if !self.quiet {
                eprintln!("systemctl: in another root, `{command}` is passed over");
            }
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(done) = self.jobs(&command)? {
            return Ok(done);
        }
        self.rest(&command)
    }

    /// Whether it is not this machine's running system that is meant.
    fn is_elsewhere(&self) -> bool {
        let other = self.root.as_ref().is_some_and(|root| root != Path::new("/"));
        let offline = std::env::var("SYSTEMD_OFFLINE").is_ok_and(|value| value == "1");
        let place =
            |path: &str| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
        let first = place("/proc/1/root");
        // Whoever is not root cannot look, and is taken to be at home.
        other || offline || first.is_some() && first != place("/") && !self.supervisor().runtime.exists()
    }

    fn supervisor(&self) -> WhichSupervisor {
        let runtime = std::env::var_os(RUNTIME_VARIABLE).map_or_else(|| RUNTIME.into(), PathBuf::from);
        WhichSupervisor { runtime }
    }

    fn root(&self) -> Root {
        // Without `reload` nobody is told.
        let told = if self.no_reload { PathBuf::from("/nonexistent") } else { self.supervisor().runtime };
        Root { root: self.root.clone(), supervisor: told }
    }

    fn install(&self) -> install::Arguments {
        install::Arguments {
            units: self.names.clone(),
            runtime: self.runtime,
            force: self.force > 0,
            now: self.now,
            quiet: self.quiet,
            root: self.root(),
        }
    }

    /// Commands for unit files, which need no supervisor.
    fn files(&self, command: &str) -> anyhow::Result<Option<ExitCode>> {
        let (named, root) = (|| install::Named { units: self.names.clone(), root: self.root() }, self.root());
        let verb = match command {
            "enable" => install::Verb::Enable(self.install()),
            "disable" => install::Verb::Disable(self.install()),
            "reenable" => install::Verb::Reenable(self.install()),
            "mask" => install::Verb::Mask(self.install()),
            "unmask" => install::Verb::Unmask(self.install()),
            "preset" => return self.preset().map(Some),
            "preset-all" if self.names.is_empty() && self.preset_mode == "full" => {
                let (runtime, quiet, root) = (self.runtime, self.quiet, self.install().root);
                return install::run(install::Verb::PresetAll { runtime, quiet, root }).map(Some);
            }
            "is-enabled" => install::Verb::IsEnabled(self.install()),
            "link" => {
                // A file that is enabled is linked; one that has no [Install] is linked all the same.
                return install::change(&self.install(), None, Installation::enable).map(Some);
            }
            "edit" | "revert" | "add-wants" | "add-requires" | "help" => {
                return self.edits(command).map(Some);
            }
            "cat" => install::Verb::Cat(named()),
            "get-default" => install::Verb::GetDefault(root),
            "set-default" => install::Verb::SetDefault(named()),
            "list-unit-files" => install::Verb::ListUnitFiles(install::ListFiles {
                patterns: self.names.clone(),
                kinds: self.kinds.clone(),
                state: self.state.clone(),
                no_legend: self.no_legend,
                json: false,
                root,
            }),
            _ => return Ok(None),
        };
        let needs = !matches!(command, "get-default" | "list-unit-files");
        if needs && self.names.is_empty() {
            bail!("systemctl {command}: too few arguments");
        }
        install::run(verb).map(Some)
    }

    /// What administrators make of units, and what these say of themselves.
    fn edits(&self, command: &str) -> anyhow::Result<ExitCode> {
        let needed = if command.starts_with("add-") { 2 } else { 1 };
        if self.names.len() < needed {
            bail!("systemctl {command}: too few arguments");
        }
        let mut named = install::Named { units: self.names.clone(), root: self.root() };
        let (runtime, quiet, force) = (self.runtime, self.quiet, self.force > 0);
        match command {
            "edit" => edit::edit(&edit::Edit {
                named,
                full: self.passed_over.full,
                drop_in: self.drop_in.clone(),
                runtime,
                force,
                stdin: self.stdin,
            }),
            "revert" => edit::revert(&edit::Revert { named, quiet }),
            "help" => edit::help(&named),
            _ => {
                let by = named.units.remove(0);
                let dependency = edit::Dependency { by, named, runtime, force, quiet };
                edit::add_dependency(&dependency, command == "add-requires")
            }
        }
    }

    /// Presets, of which a package's first installation takes the half that enables.
    fn preset(&self) -> anyhow::Result<ExitCode> {
        match self.preset_mode.as_str() {
            "full" => install::run(install::Verb::Preset(self.install())),
            "enable-only" => install::change(&self.install(), None, Installation::preset_enable_only),
            "disable-only" => install::change(&self.install(), None, Installation::preset_disable_only),
            other => bail!("`{other}` is no mode of presets"),
        }
    }

    /// Commands that start, stop and reload.
    fn jobs(&self, command: &str) -> anyhow::Result<Option<ExitCode>> {
        use machine::Verb::{Reload, Restart, Start, Stop};
        let (verb, active_only, or_restart) = match command {
            "start" => (Start, false, false),
            "stop" => (Stop, false, false),
            "restart" => (Restart, false, false),
            "try-restart" | "condrestart" => (Restart, true, false),
            "reload" => (Reload, false, false),
            "reload-or-restart" | "force-reload" => (Reload, false, true),
            "try-reload-or-restart" | "reload-or-try-restart" | "condreload" => (Reload, true, true),
            "isolate" if self.names.len() == 1 => {
                return act::isolate(&self.supervisor(), &self.names[0], !self.no_block).map(Some);
            }
            _ => return Ok(None),
        };
        if self.names.is_empty() {
            bail!("systemctl {command}: too few arguments");
        }
        let mut arguments = act::Arguments::new(self.names.clone(), self.supervisor());
        arguments.no_block = self.no_block;
        arguments.quiet = self.quiet;
        act::run(&arguments, Wish { verb, active_only, or_restart }).map(Some)
    }

    /// What is changed of the supervisor and of units while they run.
    fn settings(&self, command: &str) -> anyhow::Result<Option<ExitCode>> {
        let (names, supervisor) = (self.names.clone(), self.supervisor());
        let needed = match command {
            "set-environment" | "unset-environment" => 1,
            "set-property" => 2,
            _ => 0,
        };
        if names.len() < needed {
            bail!("systemctl {command}: too few arguments");
        }
        let json = self.passed_over.output.as_deref().is_some_and(|format| format.starts_with("json"));
        let done = match command {
            "show-environment" => environment::show(&environment::Show { json, supervisor }),
            "set-environment" => environment::set(&environment::Set { variables: names, supervisor }),
            "unset-environment" => environment::unset(&environment::Unset { variables: names, supervisor }),
            "import-environment" => {
                environment::import(&environment::Import { variables: names, supervisor })
            }
            "set-property" => environment::set_property(&environment::Property {
                unit: names[0].clone(),
                settings: names[1..].to_vec(),
                runtime: self.runtime,
                supervisor: supervisor.runtime,
            }),
            "log-level" => {
                environment::log_level(&environment::Level { level: names.first().cloned(), supervisor })
            }
            "list-machines" => environment::list_machines(&environment::Machines {
                no_legend: self.no_legend,
                json,
                supervisor,
            }),
            _ => return Ok(None),
        };
        done.map(Some)
    }

    fn rest(&self, command: &str) -> anyhow::Result<ExitCode> {
        if let Some(done) = self.settings(command)? {
            return Ok(done);
        }
        let supervisor = self.supervisor();
        if self.names.is_empty() && matches!(command, "is-active" | "is-failed" | "kill") {
            bail!("systemctl {command}: too few arguments");
        }
        let lists = || lists::Arguments {
            patterns: self.names.clone(),
            all: self.all,
            no_legend: self.no_legend,
            supervisor: supervisor.clone(),
        };
        let units = || show::Units { units: self.names.clone(), json: false, supervisor: supervisor.clone() };
        match command {
            "status" => show::status(&units()),
            "is-active" => match show::is_active_verb(&units(), self.quiet) {
                // Where nothing runs, nothing is active.
                Err(_) if Client::connect(&supervisor.runtime).is_err() => {
                    if !self.quiet {
                        self.names.iter().for_each(|_| println!("inactive"));
                    }
                    Ok(ExitCode::from(3))
                }
                other => other,
            },
            "is-failed" => self.is_failed(&units()),
            "is-system-running" => self.is_running(),
            "show" => properties::run(&properties::Arguments {
                units: self.names.clone(),
                properties: [self.property.clone(), self.property_value.clone()].concat(),
                value: self.value || !self.property_value.is_empty(),
                all: self.all,
                supervisor,
            }),
            "list-units" => self.list_units(),
            "list-timers" => lists::timers(&lists()),
            "list-sockets" => lists::sockets(&lists()),
            "list-jobs" => manage::list_jobs(&supervisor),
            "list-dependencies" => tree::run(&tree::Arguments {
                unit: self.names.first().cloned().unwrap_or_else(|| "default.target".to_owned()),
                reverse: self.reverse,
                after: self.after,
                plain: self.passed_over.plain,
                supervisor,
            }),
            "kill" => {
                let whom = match self.kill_whom.trim_end_matches("-fail") {
                    "all" => Whom::All,
                    "main" => Whom::Main,
                    "control" => Whom::Control,
                    other => bail!("`{other}` is neither all, main nor control"),
                };
                let units = self.full_names();
                let what = |unit: &str| format!("Failed to kill unit {unit}");
                self.each(units, what, |units| Request::Kill { units, signal: self.signal.clone(), whom })
            }
            "reset-failed" if self.names.is_empty() => self.send(&Request::ResetFailed { units: Vec::new() }),
            "reset-failed" => {
                let what = |unit: &str| format!("Failed to reset failed state of unit {unit}");
                self.each(self.full_names(), what, |units| Request::ResetFailed { units })
            }
            "daemon-reload" => self.send(&Request::DaemonReload),
            "daemon-reexec" => self.send(&Request::DaemonReexec),
            "poweroff" => self.send(&Request::PowerOff),
            "reboot" => self.send(&Request::Reboot),
            "halt" => self.send(&Request::Halt),
            "exit" => {
                let status = self.names.first().map_or(Ok(0), |status| status.parse())?;
                self.send(&Request::Exit { status })
            }
            other => bail!("systemctl {other}: there is no such command"),
        }
    }

    fn full_names(&self) -> Vec<String> {
        self.names.iter().map(|name| crate::ctl::full_name(name)).collect()
    }

    fn send(&self, request: &Request) -> anyhow::Result<ExitCode> {
        self.supervisor().connect()?.all(request)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Asks for each unit on its own, and goes on where one is not there.
    fn each(
        &self,
        units: Vec<String>,
        what: impl Fn(&str) -> String,
        request: impl Fn(Vec<String>) -> Request,
    ) -> anyhow::Result<ExitCode> {
        let (mut client, mut done) = (self.supervisor().connect()?, ExitCode::SUCCESS);
        for unit in units {
            match client.all(&request(vec![unit.clone()])) {
                Ok(_) => {}
                Err(ClientError::Refused(why)) => {
                    let why =
                        if why.ends_with("is not loaded") { format!("Unit {unit} not loaded.") } else { why };
                    eprintln!("{}: {why}", what(&unit));
                    done = ExitCode::FAILURE;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn is_failed(&self, units: &show::Units) -> anyhow::Result<ExitCode> {
        let statuses = show::ask(units)?;
        if !self.quiet {
            statuses.iter().for_each(|status| println!("{}", status.listed.active));
        }
        let failed = statuses.iter().any(|status| status.listed.active == "failed");
        Ok(if failed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn is_running(&self) -> anyhow::Result<ExitCode> {
        let state =
            match self.supervisor().connect().and_then(|mut client| Ok(client.all(&Request::Manager)?)) {
                Ok(replies) => replies.into_iter().find_map(|reply| match reply {
                    Reply::Manager(manager) => Some(manager.state),
                    _ => None,
                }),
                Err(_) => None,
            };
        let state = state.unwrap_or_else(|| "offline".to_owned());
        if !self.quiet {
            println!("{state}");
        }
        Ok(if state == "running" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Lines that scripts cut into columns, without marks or headings.
    fn list_units(&self) -> anyhow::Result<ExitCode> {
        let list = show::List::new(self.names.clone(), self.all, self.failed, self.supervisor());
        let mut units = show::listed(&list)?;
        units.retain(|unit| {
            let kind = unit.unit.rsplit('.').next().unwrap_or_default();
            let is = |list: &[String], words: &[&str]| {
                list.is_empty() || list.iter().any(|wanted| words.contains(&wanted.as_str()))
            };
            is(&self.kinds, &[kind, &unit.load]) && is(&self.state, &[&unit.active, &unit.sub, &unit.load])
        });
        // In columns, with a mark before them where a person looks.
        let mut rows: Vec<[&str; 5]> = units
            .iter()
            .map(|unit| [&*unit.unit, &*unit.load, &*unit.active, &*unit.sub, &*unit.description])
            .collect();
        if !self.no_legend {
            rows.insert(0, ["UNIT", "LOAD", "ACTIVE", "SUB", "DESCRIPTION"]);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (names, loads, actives, subs) = (width(0), width(1), width(2), width(3));
        for [unit, load, active, sub, description] in &rows {
            let mark = match (self.passed_over.plain, *active) {
                (true, _) => "",
                (_, "failed") => "\u{25cf} ",
                _ => "  ",
            };
            println!("{mark}{unit:names$} {load:loads$} {active:actives$} {sub:subs$} {description}");
        }
        if !self.no_legend {
            println!("\n{} loaded units listed.", units.len());
        }
        Ok(ExitCode::SUCCESS)
    }
}
