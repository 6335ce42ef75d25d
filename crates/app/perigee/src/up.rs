//! `perigee up` and `perigee run`: the wiring of the station, on one page.
//!
//! Parts are added receivers first, so that data finds its way prepared, and are stopped in reverse, so
//! that sources fall silent before those who listen.

use std::fs::File;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use perigee_access::Access;
use perigee_part::http::Listeners;
use perigee_part::metrics::Registry;
use perigee_part::{Node, PartError, Services, logging, node};

use crate::configuration::{Configuration, Sources};

#[derive(Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    sources: Sources,
}

#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    sources: Sources,
    /// The part to run
    part: PartName,
}

/// The parts of a station.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartName {
    /// Receives frames and packets (needs telemetry)
    Link,
}

impl PartName {
    /// This part and all that it needs.
    fn with_needs(self) -> &'static [Self] {
        match self {
            Self::Link => &[Self::Link],
        }
    }
}

/// Adds the wanted parts to the node, each wired to those before it.
#[allow(clippy::unnecessary_wraps)]
fn wire(
    node: &mut Node,
    configuration: &Configuration,
    _access: &Access,
    _wanted: impl Fn(PartName) -> bool,
) -> Result<(), PartError> {
    let _ = (node, configuration);
    Ok(())
}

pub(crate) fn up(arguments: &UpArguments) -> anyhow::Result<ExitCode> {
    station(&arguments.sources, |_| true)
}

pub(crate) fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let parts = arguments.part.with_needs();
    station(&arguments.sources, |part| parts.contains(&part))
}

/// Builds the station, runs it until a signal, and drains it.
fn station(sources: &Sources, wanted: impl Fn(PartName) -> bool) -> anyhow::Result<ExitCode> {
    let (configuration, _) = sources.read()?;
    logging::start(&configuration.log).context("starting the log")?;
    let state = &configuration.node.state;
    let access = Access::open(state, &configuration.access)?;
    let _only_node = lock(state)?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let _entered = runtime.enter();

    let services = Services {
        http: Listeners::new(configuration.http.clone()),
        metrics: Registry::new(),
        state: state.clone(),
    };
    let mut node = Node::new(services.clone(), &configuration.admin, configuration.node.grace)?;
    wire(&mut node, &configuration, &access, wanted)?;
    let page = services.http.local_address(configuration.admin.listen);
    if let Some(password) = access.first_admin()? {
        say(&format!("admin        one-time password {}  (shown only now)", password.expose()));
    }

    let readiness = node.readiness();
    runtime.spawn(async move {
        readiness.ready().await;
        if let Some(page) = page {
            say(&format!("page         http://{page}/"));
        }
    });
    let ended = runtime.block_on(node.run(async {
        if let Err(error) = node::stop_on_signals().await {
            tracing::error!(target: "node", %error, "cannot listen for signals");
        }
    }));
    // Threads that block are not waited for: what they hold is safe against a kill.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if ended.late.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!("did not finish in time: {}", ended.late.join(", ")))
}

/// Makes sure that no other node works in the same state directory, for as long as the file is held.
fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join("perigee.lock");
    let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
    file.try_lock().map_err(|_| {
        anyhow!("another station runs in {}: stop it, or choose another with --state", state.display())
    })?;
    Ok(file)
}

/// Tells the person at the terminal; when nobody reads, that is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
