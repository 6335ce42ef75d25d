//! The part: one thread for each link, and the handle by which others see them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use perigee_part::{Context, Downlink, Part, PartError, Running, Services};
use tokio::sync::{mpsc, watch};

use crate::chain::Chain;
use crate::config::Config;
use crate::input;
use crate::metrics::Metrics;
use crate::settings::{Settings, SettingsError};
use crate::status::LinkStatus;
use crate::worker::Worker;

/// Name of the part: configuration table, metric prefix, log target.
pub const NAME: &str = "link";

/// Checks the configuration, reads link files, binds sockets and opens files. `downlink` is asked once for
/// each link, by name, for whoever takes what it receives.
///
/// # Errors
/// A link whose configuration is wrong or whose address or file the system refuses, by name.
pub fn build(
    config: Config,
    downlink: &mut dyn FnMut(&str) -> Box<dyn Downlink>,
    services: &Services,
) -> Result<(Box<dyn Part>, Handle), PartError> {
    let metrics = Metrics::register(&services.metrics);
    let stop = Arc::new(AtomicBool::new(false));
    let (changes, _) = watch::channel(Vec::new());
    let changes = Arc::new(changes);
    let mut workers = Vec::new();
    for (index, mut settings) in Settings::check_all(config)?.into_iter().enumerate() {
        let input = input::open(&mut settings)?;
        let chain = Chain::new(&settings)?;
        let status = LinkStatus::new(&settings);
        changes.send_modify(|all| all.push(status.clone()));
        workers.push(Worker::new(
            input,
            chain,
            downlink(&settings.name),
            status,
            settings.idle_timeout,
            metrics.of(&settings.name),
            Publisher { index, changes: Arc::clone(&changes) },
            Arc::clone(&stop),
        ));
    }
    let handle = Handle { statuses: changes.subscribe() };
    Ok((Box::new(Links { workers, stop: StopOnDrop(stop) }), handle))
}

impl From<SettingsError> for PartError {
    fn from(error: SettingsError) -> Self {
        Self::Configuration(error.to_string())
    }
}

/// How other parts see the links. Clones see the same.
#[derive(Clone, Debug)]
pub struct Handle {
    statuses: watch::Receiver<Vec<LinkStatus>>,
}

impl Handle {
    /// Every link's state, in the order of the configuration.
    pub fn statuses(&self) -> Vec<LinkStatus> {
        self.statuses.borrow().clone()
    }

    /// The same as it changes; each link publishes at most five times a second.
    pub fn changes(&self) -> watch::Receiver<Vec<LinkStatus>> {
        self.statuses.clone()
    }
}

/// Where one link publishes its state.
pub(crate) struct Publisher {
    index: usize,
    changes: Arc<watch::Sender<Vec<LinkStatus>>>,
}

impl Publisher {
    pub(crate) fn publish(&self, status: &LinkStatus) {
        self.changes.send_modify(|all| all[self.index].clone_from(status));
    }
}

/// Tells the threads to stop, also when the part's future is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Links {
    workers: Vec<Worker>,
    stop: StopOnDrop,
}

impl Part for Links {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            // Each thread says how it ended; the channel closes with the last of them.
            let (ended, mut endings) = mpsc::channel(self.workers.len().max(1));
            for worker in self.workers {
                let link = worker.name().to_owned();
                let ending = Ending { link: link.clone(), ended: ended.clone() };
                thread::Builder::new()
                    .name(format!("link {link}"))
                    .spawn(move || {
                        let _ending = ending;
                        worker.run();
                    })
                    .map_err(|source| PartError::Io { what: format!("starting link {link:?}"), source })?;
            }
            drop(ended);
            context.ready();
            let stop = self.stop;
            let mut panicked = None;
            loop {
                tokio::select! {
                    () = context.drain.cancelled(), if !stop.0.load(Ordering::Relaxed) => {
                        stop.0.store(true, Ordering::Relaxed);
                    }
                    ending = endings.recv() => match ending {
                        Some(Ended { link, panicked: true }) => {
                            panicked = Some(link);
                            stop.0.store(true, Ordering::Relaxed);
                        }
                        Some(_) => {}
                        None if stop.0.load(Ordering::Relaxed) => break,
                        // Every link has come to its end, as files do; the part lives on until it is drained.
                        None => {
                            context.drain.cancelled().await;
                            break;
                        }
                    },
                }
            }
            match panicked {
                Some(link) => Err(PartError::Failed(format!("the thread of link {link:?} panicked"))),
                None => Ok(()),
            }
        })
    }
}

/// How a thread ended.
struct Ended {
    link: String,
    panicked: bool,
}

/// Says so when it is dropped at the end of the thread.
struct Ending {
    link: String,
    ended: mpsc::Sender<Ended>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let ended = Ended { link: std::mem::take(&mut self.link), panicked: thread::panicking() };
        // There is room for one of each thread; nobody listens when the part was dropped.
        let _ = self.ended.try_send(ended);
    }
}
