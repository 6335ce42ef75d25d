//! Follows what the station publishes and hands it to the hub.

use std::time::{Duration, Instant};

use perigee_part::Timestamp;
use perigee_part::stream::Next;
use perigee_telemetry::AlarmState;
use perigee_xtce::ParameterId;
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::dictionary::{latest_of, samples};
use crate::http::alarms::Alarm;
use crate::http::reception::Rejections;
use crate::live::hub::Hub;
use crate::station::Station;
use crate::wire::client::Topic;
use crate::wire::server::ServerMessage;

/// How often states that change all the time are sent at the most.
const STATES: Duration = Duration::from_millis(500);

/// Batches that are taken in one go, before the clients' tasks get their turn.
const AT_ONCE: usize = 16;

/// Delivers until the publishers are gone; calls `ready` once nothing that is published can be lost unseen.
pub(crate) async fn deliver(station: &Station, ready: impl FnOnce()) {
    let mut batches = station.telemetry.stream().subscribe();
    let mut changes = station.telemetry.alarm_changes().subscribe();
    let mut links = station.links.changes();
    let mut rejections = 0;
    let mut states = interval(STATES);
    states.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tally = Tally { before: station.telemetry.counters().values, taken: 0, behind: false };
    remember(station);
    ready();
    loop {
        let due = station.hub().next_due();
        tokio::select! {
            next = batches.next() => {
                let mut next = next;
                for left in (0..AT_ONCE).rev() {
                    match next {
                        Next::Record(batch) => {
                            tally.taken += batch.values.entries.len() as u64;
                            let values = samples(&station.database, &batch);
                            let dropped = station.hub().values(values, Instant::now());
                            station.metrics.missed.inc_by(dropped);
                        }
                        Next::Missed(_) => tally.behind = true,
                        Next::End => return,
                    }
                    if left == 0 {
                        break;
                    }
                    let Some(more) = batches.try_next() else {
                        tally.settle(station);
                        break;
                    };
                    next = more;
                }
                // Those who were woken may wait on this very thread: catching up must not hold them up.
                yield_now().await;
            },
            next = changes.next() => match next {
                Next::Record(change) => {
                    tell(station, &mut station.hub(), &change.alarm);
                }
                // All that is known stands for what was lost, and what is listed no longer has ended.
                Next::Missed(_) => {
                    let mut hub = station.hub();
                    let listed = station.telemetry.alarms();
                    let ended = hub.alarms.ended(&listed, Timestamp::now());
                    ended.iter().chain(&listed).for_each(|state| tell(station, &mut hub, state));
                }
                Next::End => return,
            },
            _ = states.tick() => {
                if links.has_changed().unwrap_or(false) {
                    let links = links.borrow_and_update().clone();
                    station.hub().state(Topic::Links, &ServerMessage::Links { links: &links });
                }
                if station.hub().is_followed(Topic::Rejections) {
                    let now = Rejections::now(station);
                    if now.total() != rejections {
                        rejections = now.total();
                        station.hub().state(Topic::Rejections, &ServerMessage::Rejections { rejections: &now });
                    }
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                let dropped = station.hub().elapse(Instant::now());
                station.metrics.missed.inc_by(dropped);
            }
        }
    }
}

/// Tells everyone who follows alarms how one of them is now.
fn tell(station: &Station, hub: &mut Hub, state: &AlarmState) {
    if let Some(alarm) = Alarm::of(station, state) {
        hub.alarms.note(state);
        hub.message(Topic::Alarms, &ServerMessage::Alarm { alarm: &alarm });
    }
}

/// What was published and taken, to tell how much was overwritten before it was taken.
#[derive(Debug)]
struct Tally {
    /// Values published before this part followed.
    before: u64,
    /// Values taken, and values known to be lost.
    taken: u64,
    /// Some were lost since the last settlement.
    behind: bool,
}

impl Tally {
    /// Once all that waited was taken, what is missing of what was published is lost: everyone is told, and
    /// shown the latest.
    fn settle(&mut self, station: &Station) {
        if !std::mem::take(&mut self.behind) {
            return;
        }
        let published = station.telemetry.counters().values.saturating_sub(self.before);
        let lost = published.saturating_sub(self.taken);
        self.taken += lost;
        remember(station);
        let mut hub = station.hub();
        let told = hub.missed(lost);
        let dropped = hub.show_latest();
        station.metrics.missed.inc_by(told + dropped);
        tracing::warn!(target: "fanout", values = lost, "values were lost on the way to all clients");
    }
}

/// Takes in what was decoded before this part followed it.
fn remember(station: &Station) {
    let ids: Vec<_> = (0..station.database.parameters().len() as u32).map(ParameterId).collect();
    let held = station.telemetry.latest(&ids);
    let mut hub = station.hub();
    held.iter()
        .flatten()
        .filter_map(|held| latest_of(&station.database, held))
        .for_each(|s| hub.remember(&s));
}
