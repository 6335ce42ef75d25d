//! `perigee.toml`: which tables there are, where the file is looked for, and `perigee config`.

use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use perigee_part::config::Settings;
use perigee_part::node::AdminConfig;
use perigee_part::{http, logging};
use serde::{Deserialize, Serialize};

/// Where a file is looked for when none is named.
const PLACES: [&str; 2] = ["perigee.toml", "/etc/perigee/perigee.toml"];

/// Everything that can be configured, table by table.
#[derive(Debug)]
pub(crate) struct Configuration {
    pub(crate) node: NodeConfig,
    pub(crate) log: logging::Config,
    pub(crate) admin: AdminConfig,
    pub(crate) http: http::Limits,
    pub(crate) access: perigee_access::Config,
    pub(crate) telemetry: perigee_telemetry::Config,
    /// `None` where the configuration has links of its own and does not ask for the simulator.
    pub(crate) simulator: Option<perigee_simulator::Config>,
    pub(crate) links: perigee_link::Config,
    pub(crate) fanout: perigee_fanout::Config,
}

impl Configuration {
    fn take(settings: &mut Settings) -> Self {
        Self {
            node: settings.table("node"),
            log: settings.table("log"),
            admin: settings.table("admin"),
            http: settings.table("http"),
            access: settings.table("access"),
            telemetry: settings.table("telemetry"),
            simulator: (settings.mentions("simulator") || !settings.mentions("link"))
                .then(|| settings.table("simulator")),
            links: perigee_link::Config(settings.list("link")),
            fanout: settings.table("fanout"),
        }
    }
}

/// The table `[node]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NodeConfig {
    /// Where accounts, the archive and all else that must last are kept.
    pub(crate) state: PathBuf,
    /// How long all parts together may take to finish what they have begun.
    #[serde(with = "humantime_serde")]
    pub(crate) grace: Duration,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self { state: default_state(), grace: Duration::from_secs(10) }
    }
}

/// The directory that the service manager gives; for root /var/lib/perigee; else the user's own place
/// for state, after the XDG base directory specification.
fn default_state() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = variable("STATE_DIRECTORY") {
        return given;
    }
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/perigee");
    }
    variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))
        .map_or_else(|| PathBuf::from("perigee-state"), |state| state.join("perigee"))
}

/// Where the configuration comes from.
#[derive(Args)]
pub(crate) struct Sources {
    /// Configuration file; left out: $PERIGEE_CONFIG, ./perigee.toml or /etc/perigee/perigee.toml; none
    /// is needed
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Set one value, such as log.level=debug; beats file and environment
    #[arg(long, value_name = "TABLE.KEY=VALUE", global = true)]
    set: Vec<String>,
    /// Address of the page, the API and the admin endpoints, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    listen: Option<SocketAddr>,
    /// State directory (same as --set node.state=DIR)
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
}

impl Sources {
    /// The merged configuration, with its origins; an error names everything that is wrong.
    pub(crate) fn read(&self) -> anyhow::Result<(Configuration, Settings)> {
        let mut settings = Settings::new();
        if let Some(path) = self.file() {
            settings.file(&path);
        }
        // Variables that are not text cannot name a table.
        settings.environment(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        for set in &self.set {
            let Some((key, value)) = set.split_once('=') else {
                bail!("--set {set}: write TABLE.KEY=VALUE, for example --set log.level=debug");
            };
            settings.flag(key.trim(), value.trim(), &format!("--set {key}"));
        }
        if let Some(listen) = self.listen {
            settings.flag("admin.listen", &listen.to_string(), "--listen");
            settings.flag("fanout.listen", &listen.to_string(), "--listen");
        }
        if let Some(state) = &self.state {
            settings.flag("node.state", &toml_text(state), "--state");
        }
        let configuration = Configuration::take(&mut settings);
        settings.check().map_err(|problems| anyhow::anyhow!("the configuration is wrong\n{problems}"))?;
        Ok((configuration, settings))
    }

    fn file(&self) -> Option<PathBuf> {
        self.config
            .clone()
            .or_else(|| std::env::var_os("PERIGEE_CONFIG").map(PathBuf::from))
            .or_else(|| PLACES.iter().map(PathBuf::from).find(|path| path.exists()))
    }
}

/// A path as a TOML string, so that one that looks like a number stays a path.
fn toml_text(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    sources: Sources,
    #[command(subcommand)]
    verb: Option<ConfigVerb>,
}

#[derive(Subcommand)]
enum ConfigVerb {
    /// Only say whether the configuration is right
    Check,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (_, settings) = arguments.sources.read()?;
    match arguments.verb {
        Some(ConfigVerb::Check) => writeln!(stdout(), "the configuration is right")?,
        None => write!(stdout(), "{}", settings.show())?,
    }
    Ok(ExitCode::SUCCESS)
}
