//! A telemetry part that runs, in a state directory that the test keeps.

use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use perigee_part::http::{Limits, Listeners};
use perigee_part::metrics::{Format, Registry};
use perigee_part::{Context, Downlink, PacketReport, PartError, Services, Timestamp};
use perigee_telemetry::{Config, Handle, History, HistoryQuery, TimeConfig, build};
use perigee_xtce::{ParameterId, Value};
use tokio_util::sync::CancellationToken;

/// A configuration that takes the time of reception, which the tests choose, and commits fast.
pub(crate) fn config() -> Config {
    let mut config = Config { time: TimeConfig::Reception {}, ..Config::default() };
    config.archive.commit = Duration::from_millis(20);
    config
}

pub(crate) fn services(state: &Path) -> Services {
    Services { http: Listeners::new(Limits::default()), metrics: Registry::new(), state: state.to_owned() }
}

/// The running part.
pub(crate) struct Station {
    pub(crate) handle: Handle,
    metrics: Registry,
    drain: CancellationToken,
    running: Option<JoinHandle<Result<(), PartError>>>,
}

impl Station {
    pub(crate) fn start(state: &Path, config: Config, database: &str) -> Result<Self, PartError> {
        let services = services(state);
        let (part, handle) = build(config, database, &services)?;
        let (drain, ready) = (CancellationToken::new(), CancellationToken::new());
        let context = Context::new(drain.clone(), ready.clone());
        let running = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(part.run(context))
        });
        eventually("ready", || ready.is_cancelled());
        Ok(Self { handle, metrics: services.metrics, drain, running: Some(running) })
    }

    pub(crate) fn stop(mut self) {
        self.drain.cancel();
        self.running.take().unwrap().join().unwrap().unwrap();
    }

    pub(crate) fn parameter(&self, name: &str) -> ParameterId {
        self.handle.database().find_parameter(name).unwrap()
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.encode(Format::Prometheus);
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("perigee_")?.split_once(' '));
        lines.find(|(found, _)| *found == name).unwrap().1.parse().unwrap()
    }

    /// Samples from `start` to `end` seconds.
    pub(crate) fn history(&self, name: &str, start: i64, end: i64, points: Option<u32>) -> History {
        let query =
            HistoryQuery { parameter: self.parameter(name), start: second(start), end: second(end), points };
        self.handle.history(query).unwrap()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp(second * 1_000_000_000)
}

/// Hands a packet over as if received then.
pub(crate) fn send(link: &mut dyn Downlink, packet: &[u8], at: Timestamp) {
    link.packet(PacketReport { received: at, scid: Some(21), vcid: Some(3), octets: packet });
}

/// The engineering values of a history as numbers.
pub(crate) fn numbers(history: &History) -> Vec<f64> {
    history.samples.iter().map(|sample| number(sample.eng)).collect()
}

pub(crate) fn number(value: Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Waits until `done`, at most twenty seconds.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}
