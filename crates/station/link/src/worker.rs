//! The life of one link's thread: read, decode, show, publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use perigee_part::{Downlink, Rejection, Timestamp};

use crate::chain::{Chain, Shown};
use crate::input::{Event, Input, Taker};
use crate::metrics::LinkMetrics;
use crate::part::Publisher;
use crate::status::LinkStatus;
use crate::tally::{Meter, Tally};

/// The status is published at most this often.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// The same trouble that comes and goes is told again after so long.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The reason of datagrams that the kernel dropped.
const SOCKET_OVERFLOW: &str = "socket-overflow";

/// One link, ready to run on a thread of its own.
pub(crate) struct Worker {
    name: String,
    input: Box<dyn Input>,
    station: Station,
    meter: Meter,
    metrics: LinkMetrics,
    publisher: Publisher,
    stop: Arc<AtomicBool>,
    /// What was last written to the log, and when.
    told: Option<(String, Instant)>,
}

/// What a read feeds.
struct Station {
    chain: Chain,
    downlink: Box<dyn Downlink>,
    tally: Tally,
}

impl Worker {
    #[allow(clippy::too_many_arguments)] // It is the one place where a link is put together.
    pub(crate) fn new(
        input: Box<dyn Input>,
        chain: Chain,
        downlink: Box<dyn Downlink>,
        status: LinkStatus,
        idle_timeout: Duration,
        metrics: LinkMetrics,
        publisher: Publisher,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            name: status.name.clone(),
            input,
            station: Station { chain, downlink, tally: Tally::default() },
            meter: Meter::new(status, idle_timeout, Instant::now()),
            metrics,
            publisher,
            stop,
            told: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Works until told to stop, or until the input is over.
    pub(crate) fn run(mut self) {
        let mut published = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let event = self.input.read(&mut self.station);
            match event {
                Event::Octets => self.station.downlink.flush(),
                Event::Idle => {}
                Event::Connected => {
                    // A new peer may take the place of one that never said goodbye.
                    self.station.finish();
                    self.station.tally.connections += 1;
                    self.station.tally.error = None;
                    tracing::info!(target: "link", link = self.name, "connected");
                }
                Event::Lost(why) => {
                    self.station.finish();
                    self.trouble(why, "connection lost");
                }
                Event::Trouble(why) => self.trouble(why, "trouble"),
                Event::End => {
                    tracing::info!(target: "link", link = self.name, "end of input");
                    break;
                }
            }
            let now = Instant::now();
            if now - published >= PUBLISH_EVERY {
                published = now;
                self.publish(now);
            }
        }
        self.station.finish();
        self.publish(Instant::now());
    }

    /// Tells what went wrong. A server that stays away is worth one line, not one for each attempt.
    fn trouble(&mut self, why: String, what: &'static str) {
        let told = self.told.as_ref().is_some_and(|(told, at)| *told == why && at.elapsed() < TELL_EVERY);
        if self.station.tally.error.as_ref() != Some(&why) && !told {
            tracing::warn!(target: "link", link = self.name, reason = why, "{what}");
            self.told = Some((why.clone(), Instant::now()));
        }
        self.station.tally.error = Some(why);
    }

    fn publish(&mut self, now: Instant) {
        let Station { chain, tally, .. } = &mut self.station;
        chain.count(tally);
        let status = self.meter.status(tally, chain, self.input.connected(), now);
        self.metrics.update(status);
        self.publisher.publish(status);
    }
}

impl Station {
    /// What was open will not be completed.
    fn finish(&mut self) {
        let mut shown = Shown::new(&mut *self.downlink, &mut self.tally, Timestamp::now());
        self.chain.finish(&mut shown);
        self.downlink.flush();
    }
}

impl Taker for Station {
    fn octets(&mut self, octets: &[u8]) {
        self.tally.totals.octets += octets.len() as u64;
        let now = Instant::now();
        self.tally.last_octets = Some(now);
        self.tally.error = None;
        let mut shown = Shown::new(&mut *self.downlink, &mut self.tally, Timestamp::now());
        self.chain.receive(octets, &mut shown);
        if std::mem::take(&mut self.tally.good) {
            self.tally.last_good = Some(now);
        }
    }

    fn overflowed(&mut self, datagrams: u64) {
        self.tally.reject(SOCKET_OVERFLOW, datagrams);
        // Nobody saw them: one rejection for all that were lost between two reads. The status counts them.
        self.downlink.rejected(Rejection {
            received: Timestamp::now(),
            vcid: None,
            reason: SOCKET_OVERFLOW,
            length: 0,
            octets: &[],
        });
    }
}
