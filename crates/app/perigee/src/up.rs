//! `perigee up` and `perigee run`: the wiring of the station, on one page.
//!
//! Parts are added in the order in which data should find them ready and stopped in reverse: what was
//! received is still decoded and archived when nobody sends or looks any more.

use std::fs::File;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use perigee_access::Access;
use perigee_fanout::Supervisors;
use perigee_link::{Kind, LinkConfig, Parameters};
use perigee_part::http::Listeners;
use perigee_part::metrics::Registry;
use perigee_part::{Node, PartError, Services, logging, node};
use perigee_units::tasks::{INSTANCE_VARIABLE, unit_of};

use crate::assets;
use crate::configuration::{Configuration, Sources};
use crate::keeper::Keeper;
use crate::notify;
use crate::parts::{Above, Supervised};

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

/// The folder of run-time files in the state directory, with the control socket.
const RUN: &str = "run";

/// The parts of a station, receivers first.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartName {
    /// Decodes, checks limits, archives, publishes
    Telemetry,
    /// The simulated satellite
    Simulator,
    /// Receives frames and packets (with telemetry)
    Link,
    /// Serves the page and the API (with telemetry and link)
    Fanout,
}

impl PartName {
    /// This part and those that it is wired to.
    fn with_needs(self) -> &'static [Self] {
        match self {
            Self::Telemetry => &[Self::Telemetry],
            Self::Simulator => &[Self::Simulator],
            Self::Link => &[Self::Telemetry, Self::Link],
            Self::Fanout => &[Self::Telemetry, Self::Link, Self::Fanout],
        }
    }
}

/// Adds the wanted parts to the node, each wired to those before it.
fn wire(
    node: &mut Node,
    configuration: Configuration,
    access: &Access,
    supervisors: Supervisors,
    wanted: impl Fn(PartName) -> bool,
) -> Result<(), PartError> {
    let Configuration { telemetry, simulator, links, fanout, .. } = configuration;

    let telemetry = wanted(PartName::Telemetry).then(|| {
        node.add(perigee_telemetry::NAME, move |site| {
            perigee_telemetry::build(telemetry.clone(), perigee_simulator::DATABASE, site.services())
        })
    });
    let telemetry = telemetry.transpose()?;

    let simulator = simulator.filter(|_| wanted(PartName::Simulator)).map(|config| {
        node.add(perigee_simulator::NAME, move |site| {
            perigee_simulator::build(config.clone(), site.services())
        })
    });
    let simulator = simulator.transpose()?;

    let Some(telemetry) = telemetry.filter(|_| wanted(PartName::Link)) else { return Ok(()) };
    let links = node.add(perigee_link::NAME, {
        let telemetry = telemetry.clone();
        move |site| {
            let telemetry = site.handle(&telemetry);
            let mut config = links.clone();
            let heard = simulator.as_ref().and_then(|simulator| site.handle(simulator).address());
            if let Some(address) = heard {
                config.0.push(link_to_simulator(address)?);
            }
            perigee_link::build(config, &mut |name| telemetry.downlink(name), site.services())
        }
    })?;
    if wanted(PartName::Fanout) {
        let access = access.clone();
        node.add(perigee_fanout::NAME, move |site| {
            let (telemetry, links) = (site.handle(&telemetry), site.handle(&links));
            let (config, access) = (fanout.clone(), access.clone());
            let assets = assets::all();
            perigee_fanout::build(
                config,
                telemetry,
                links,
                access,
                assets,
                supervisors.clone(),
                site.services(),
            )
        })?;
    }
    Ok(())
}

/// The link over which the simulated satellite is heard.
fn link_to_simulator(address: SocketAddr) -> Result<LinkConfig, PartError> {
    let parameters = toml::from_str(perigee_simulator::LINK_FILE)
        .map_err(|error| PartError::Configuration(format!("the simulator's link file: {error}")))?;
    let mut link = LinkConfig::new("PerigeeSat", Kind::TcpClient);
    link.address = Some(address.to_string());
    link.parameters = Some(Parameters::Inline(parameters));
    Ok(link)
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
    let above = Above::inherited()?;
    let (keeper, waiting) = Keeper::new();
    let (ear, known) = (keeper.clone(), keeper.clone());
    let start =
        logging::start(&configuration.log, move |target| known.has_log(target), move |said| ear.take(said));
    start.context("starting the log")?;
    let state = configuration.node.state.clone();
    let runtime_folder = state.join(RUN);
    // Where a supervisor takes the parts, there is only that one.
    let own_folder = above.is_none().then(|| runtime_folder.clone());
    let machine = notify::supervisor();
    let supervisors = Supervisors { station: own_folder.clone(), machine, parts: part_units() };
    let access = Access::open(&state, &configuration.access)?;
    let _only_node = lock(&state)?;
    let keeping = keeper
        .begin(waiting, own_folder.map(|folder| folder.join("log")))
        .context("starting to keep the log")?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let _entered = runtime.enter();

    let services =
        Services { http: Listeners::new(configuration.http.clone()), metrics: Registry::new(), state };
    let mut node = Node::new(services.clone(), &configuration.admin, configuration.node.grace)?;
    let (name, listen) = match wanted(PartName::Fanout) {
        true => ("page", configuration.fanout.listen),
        false => ("admin", configuration.admin.listen),
    };
    // Hashing a password takes long by design, longer than all the rest of a first start: the station is
    // ready meanwhile.
    let first_admin = {
        let access = access.clone();
        runtime.spawn_blocking(move || make_first_admin(&access))
    };
    if let Err(error) = wire(&mut node, configuration, &access, supervisors, wanted) {
        runtime.block_on(first_admin)??;
        return Err(error.into());
    }
    let (orders, received) = node::orders();
    let parts = node.parts();
    let is_above = above.is_some();
    let supervised = Supervised::begin(above, &parts, describe, orders, &runtime_folder, &keeper)?;
    if is_above {
        // The parts come after this service, as units of their own: they start when it is there.
        notify::ready("its parts are started");
    }
    let address = services.http.local_address(listen);
    let readiness = node.readiness();
    let announced = async move {
        first_admin.await??;
        readiness.ready().await;
        if let Some(address) = address {
            say(&format!("{name:<8} http://{address}/"));
            notify::ready(&format!("{name} at http://{address}/"));
        } else {
            notify::ready("ready");
        }
        anyhow::Ok(())
    };
    let mut failure = None;
    runtime.spawn(notify::keep_alive());
    let told = supervised.told();
    let ended = runtime.block_on(node.run(received, told, async {
        let signalled = async {
            if let Err(error) = node::stop_on_signals().await {
                tracing::error!(target: "node", %error, "cannot listen for signals");
            }
        };
        tokio::pin!(signalled);
        tokio::select! {
            () = &mut signalled => {}
            announced = announced => match announced {
                Ok(()) => signalled.await,
                Err(error) => failure = Some(error),
            },
        }
        notify::stopping();
    }));
    // Threads that block are not waited for: what they hold is safe against a kill.
    runtime.shutdown_timeout(Duration::from_millis(200));
    if let Some(error) = failure {
        return Err(error);
    }
    supervised.end()?;
    keeping.end();
    if ended.late.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(anyhow!("did not finish in time: {}", ended.late.join(", ")))
}

/// The units of all parts that there can be, in the supervisor that has started this program.
fn part_units() -> Vec<String> {
    let instance = std::env::var(INSTANCE_VARIABLE).unwrap_or_default();
    let names = PartName::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    names.map(|name| unit_of(name.get_name(), &instance)).collect()
}

/// Whether there is a part of this name.
pub(crate) fn is_part(name: &str) -> bool {
    PartName::from_str(name, false).is_ok()
}

/// What a part is, for people.
fn describe(part: &str) -> String {
    let known = PartName::from_str(part, false).ok().and_then(|part| part.to_possible_value());
    let help = known.and_then(|value| value.get_help().map(ToString::to_string));
    help.unwrap_or_else(|| part.to_owned())
}

/// Makes the first account and tells its one-time password: at once, for it will not be told again.
fn make_first_admin(access: &Access) -> anyhow::Result<()> {
    if let Some(password) = access.first_admin().context("making the first account")? {
        say(&format!("account  admin, one-time password {} (shown only now)", password.expose()));
    }
    Ok(())
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
