//! The rules of synchronisation: where the next frame is, decided on what is in sight.
//!
//! While markers come where they are expected nothing else is looked at. Wherever that fails the tracker waits
//! until it sees one frame further before it decides, and it decides for what accounts for the most markers.

use super::marker::Hit;
use super::window::Window;
use super::{SyncCounters, SyncState};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A frame: its marker is `at`, its octets are from `body` on.
    Frame { at: u64, body: u64, inverted: bool, marker_errors: Option<u32> },
    /// Nothing can be decided before the input reaches this place, or any place (`None`).
    Wait(Option<u64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Search,
    /// Markers are expected; so many were missing.
    Track {
        missed: u32,
    },
}

/// The state between two frames. All lengths are in the unit of the windows.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    marker_len: u64,
    /// From a marker to the next.
    period: u64,
    verify: u64,
    flywheel: u32,
    max_slip: u64,
    mode: Mode,
    /// Everything before this place is decided.
    at: u64,
    /// A marker stands at `at` and waits to be verified.
    candidate: bool,
    inverted: bool,
    pub(super) counters: SyncCounters,
}

impl Tracker {
    pub(super) fn new(marker_len: u64, frame_len: u64, verify: u32, flywheel: u32, max_slip: u32) -> Self {
        Self {
            marker_len,
            period: marker_len + frame_len,
            verify: u64::from(verify),
            flywheel,
            max_slip: u64::from(max_slip).min(frame_len),
            mode: Mode::Search,
            at: 0,
            candidate: false,
            inverted: false,
            counters: SyncCounters::default(),
        }
    }

    pub(super) fn state(&self) -> SyncState {
        match self.mode {
            Mode::Search if self.candidate => SyncState::Verify,
            Mode::Search => SyncState::Search,
            Mode::Track { missed: 0 } => SyncState::Lock,
            Mode::Track { .. } => SyncState::Flywheel,
        }
    }

    /// The first place that may still be looked at.
    pub(super) fn needed_from(&self) -> u64 {
        match self.mode {
            Mode::Search => self.at,
            Mode::Track { .. } => self.at.saturating_sub(self.max_slip),
        }
    }

    /// The input ended here: what is left belongs to no frame.
    pub(super) fn finish(&mut self, end: u64) {
        self.counters.skipped += end.saturating_sub(self.at);
        (self.mode, self.at, self.candidate, self.inverted) = (Mode::Search, 0, false, false);
    }

    /// Decides as far as the next frame. `ended`: nothing comes after what is in sight.
    pub(super) fn next(&mut self, window: &impl Window, ended: bool) -> Step {
        loop {
            let step = match self.mode {
                Mode::Search => self.search(window, ended),
                Mode::Track { missed } => self.track(window, ended, missed),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn search(&mut self, window: &impl Window, ended: bool) -> Option<Step> {
        self.candidate = false;
        let Some((at, hit)) = window.find(self.at..u64::MAX) else {
            // The last octets may be the beginning of a marker.
            let tail = (window.end() + 1).saturating_sub(self.marker_len);
            self.skip_to(tail.max(self.at));
            return Some(Step::Wait(None));
        };
        self.skip_to(at);
        self.candidate = true;
        let next = at + self.period;
        if next > window.end() {
            return Some(Step::Wait(Some(next)));
        }
        for place in (1..=self.verify).map(|count| at + count * self.period) {
            if place + self.marker_len > window.end() {
                if !ended {
                    return Some(Step::Wait(Some(place + self.marker_len)));
                }
                break; // It will never be contradicted.
            }
            if window.marker_at(place).is_none() {
                if place == next && window.find(at + 1..next).is_some() {
                    // Its rivals are judged by the markers that follow them.
                    let last = next + self.period + self.marker_len;
                    if last > window.end() && !ended {
                        return Some(Step::Wait(Some(last)));
                    }
                    if let Some(better) = self.better(window, at, hit) {
                        self.counters.false_markers += 1;
                        self.skip_to(better);
                        return None;
                    }
                }
                // A true frame, as far as one can see, but nothing to lock to.
                return Some(self.frame(at, hit.inverted, Some(hit.errors)));
            }
        }
        self.mode = Mode::Track { missed: 0 };
        Some(self.frame(at, hit.inverted, Some(hit.errors)))
    }

    /// A marker inside the frame of an unverified one that is more credible.
    fn better(&self, window: &impl Window, at: u64, hit: Hit) -> Option<u64> {
        let mut from = at + 1;
        while let Some((rival, other)) = window.find(from..at + self.period) {
            if other.errors < hit.errors || window.marker_at(rival + self.period).is_some() {
                return Some(rival);
            }
            from = rival + 1;
        }
        None
    }

    fn track(&mut self, window: &impl Window, ended: bool, missed: u32) -> Option<Step> {
        let at = self.at;
        let next = at + self.period;
        let wait = |place: u64| (place > window.end() && !ended).then_some(Step::Wait(Some(place)));
        if at + self.marker_len > window.end() {
            return Some(Step::Wait(Some(next)));
        }
        if let Some(hit) = window.marker_at(at) {
            if next > window.end() {
                return Some(Step::Wait(Some(next)));
            }
            self.mode = Mode::Track { missed: 0 };
            return Some(self.frame(at, hit.inverted, Some(hit.errors)));
        }
        if let Some(step) = wait(next + self.marker_len + self.max_slip) {
            return Some(step);
        }
        if let Some(slipped) = self.slipped(window, at) {
            self.counters.slips += 1;
            if slipped > at {
                self.skip_to(slipped);
            }
            self.at = slipped;
            return None;
        }
        let verified = window.marker_at(next).is_some();
        if !verified && let Some((other, _)) = window.find(at + 1..next) {
            self.lose();
            self.skip_to(other);
            return None;
        }
        if next <= window.end() && (verified || missed < self.flywheel) {
            self.mode = Mode::Track { missed: missed + 1 };
            self.counters.flywheel += 1;
            return Some(self.frame(at, self.inverted, None));
        }
        self.lose();
        None
    }

    /// The nearest marker on either side of its place that another follows, or that ends the input.
    fn slipped(&self, window: &impl Window, at: u64) -> Option<u64> {
        let follows = |place: &u64| {
            let next = place + self.period;
            window.marker_at(*place).is_some()
                && (next + self.marker_len > window.end() || window.marker_at(next).is_some())
        };
        (1..=self.max_slip).flat_map(|by| [at.saturating_sub(by), at + by]).find(follows)
    }

    fn frame(&mut self, at: u64, inverted: bool, marker_errors: Option<u32>) -> Step {
        self.counters.polarity_changes += u64::from(self.counters.frames > 0 && inverted != self.inverted);
        self.counters.frames += 1;
        self.inverted = inverted;
        self.candidate = false;
        self.at = at + self.period;
        Step::Frame { at, body: at + self.marker_len, inverted, marker_errors }
    }

    fn lose(&mut self) {
        self.counters.losses += 1;
        self.mode = Mode::Search;
    }

    fn skip_to(&mut self, at: u64) {
        self.counters.skipped += at - self.at;
        self.at = at;
    }
}
