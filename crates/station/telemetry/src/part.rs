//! The part: reads the mission database, opens the archive, and runs its writer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use perigee_part::{Context, Part, PartError, Running, Services, Stream};
use perigee_xtce::{Database, LoadOptions, Plan};
use tokio::sync::oneshot;

use crate::archive::Archive;
use crate::config::Config;
use crate::generation::GenerationTime;
use crate::handle::{Handle, Shared};
use crate::latest::Latest;
use crate::limits::Limits;
use crate::links::Links;
use crate::metrics::Metrics;
use crate::rejections::Ring;

/// Name of the part: configuration table, metric prefix, log target.
pub const NAME: &str = "telemetry";

/// Alarm changes that a follower may be behind.
const ALARM_CHANGES: usize = 1024;
/// How often the metrics of the archive are brought up to date.
const METRICS_EVERY: Duration = Duration::from_secs(1);

/// Loads the mission database (`built_in` where the configuration names none) and opens the archive.
///
/// # Errors
/// A wrong configuration, a database that cannot be read, an archive that is another program's, a newer
/// one's or in use. An archive that cannot be opened for want of room or rights is tried again while running.
pub fn build(
    config: Config,
    built_in: &str,
    services: &Services,
) -> Result<(Box<dyn Part>, Handle), PartError> {
    let wrong = PartError::Configuration;
    let database = load(&config, built_in)?;
    let plan = Plan::compile(&database, config.root.as_deref())
        .map_err(|error| wrong(format!("telemetry.database: {error}")))?;
    let time = GenerationTime::new(&config.time, &database).map_err(wrong)?;
    if !(1..=1 << 20).contains(&config.stream_batches) {
        return Err(wrong("telemetry.stream_batches must be 1 to 1,048,576".into()));
    }
    if config.rejections > 1 << 20 {
        return Err(wrong("telemetry.rejections must be at most 1,048,576".into()));
    }
    let links = Arc::new(Links::default());
    let metrics = Metrics::register(&services.metrics);
    let mut limits = Limits::new(Arc::clone(&database));
    let archive = if config.archive.enabled {
        let settings = config.archive.check(&services.state)?;
        Some(open(settings, &database, &links, &mut limits)?)
    } else {
        None
    };
    metrics.alarms.set(limits.raised());
    let shared = Arc::new(Shared {
        latest: Latest::new(database.parameters().len()),
        database,
        plan: Arc::new(plan),
        time,
        links,
        stream: Stream::new(config.stream_batches),
        limits: Mutex::new(limits),
        alarm_changes: Stream::new(ALARM_CHANGES),
        rejections: Ring::new(config.rejections),
        archive,
        metrics,
    });
    Ok((Box::new(Telemetry { shared: Arc::clone(&shared) }), Handle { shared }))
}

fn load(config: &Config, built_in: &str) -> Result<Arc<Database>, PartError> {
    let xml;
    let (text, name) = match &config.database {
        None => (built_in, "the built-in database".to_owned()),
        Some(path) => {
            let what = format!("reading the mission database {}", path.display());
            xml = std::fs::read_to_string(path).map_err(|source| PartError::Io { what, source })?;
            (&*xml, path.display().to_string())
        }
    };
    let loaded = Database::load(text, LoadOptions { lenient: config.lenient })
        .map_err(|error| PartError::Configuration(format!("{name}: {error}")))?;
    for notice in &loaded.notices {
        tracing::warn!(target: "telemetry", database = name, "{notice}");
    }
    Ok(Arc::new(loaded.database))
}

fn open(
    settings: crate::archive::Settings,
    database: &Arc<Database>,
    links: &Arc<Links>,
    limits: &mut Limits,
) -> Result<Archive, PartError> {
    let path = settings.path.clone();
    let failed = |error| PartError::Failed(format!("archive {}: {error}", path.display()));
    let archive = Archive::open(settings, Arc::clone(database), Arc::clone(links)).map_err(failed)?;
    let (alarms, next) = archive.open_alarms().map_err(failed)?;
    for gone in limits.restore(alarms, next, drop) {
        tracing::warn!(target: "telemetry", parameter = gone.parameter, "an alarm of a parameter that is gone or has a later one has ended");
        archive.offer_alarm(gone.end());
    }
    Ok(archive)
}

struct Telemetry {
    shared: Arc<Shared>,
}

impl Part for Telemetry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            let Some(archive) = &self.shared.archive else {
                context.ready();
                context.drain.cancelled().await;
                return Ok(());
            };
            // However this future ends, the writer commits what it has and ends.
            let _closing = CloseOnDrop(&self.shared);
            let shared = Arc::downgrade(&self.shared);
            let writer = archive
                .start(move |alarms, next| {
                    if let Some(shared) = shared.upgrade() {
                        shared.restore_alarms(alarms, next);
                    }
                })
                .map_err(|source| PartError::Io { what: "starting the archive".into(), source })?
                .ok_or_else(|| PartError::Failed("the archive runs already".into()))?;
            let (ended, mut ending) = oneshot::channel();
            // A thread of its own waits for the writer: it must be seen when that panics.
            std::thread::Builder::new()
                .name("archive-end".into())
                .spawn(move || ended.send(writer.join().is_ok()))
                .map_err(|source| PartError::Io { what: "starting the archive".into(), source })?;
            context.ready();
            let mut tick = tokio::time::interval(METRICS_EVERY);
            loop {
                tokio::select! {
                    _ = tick.tick() => self.shared.metrics.follow(&archive.status()),
                    () = context.drain.cancelled() => break,
                    _ = &mut ending => return Err(PartError::Failed("the archive's thread panicked".into())),
                }
            }
            archive.close();
            match ending.await {
                Ok(true) => Ok(()),
                _ => Err(PartError::Failed("the archive's thread panicked".into())),
            }
        })
    }
}

struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(archive) = &self.0.archive {
            archive.close();
        }
    }
}
