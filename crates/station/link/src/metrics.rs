//! The links' counters for Prometheus. They follow the published status, so the receive path pays nothing.

use perigee_part::metrics::{Counter, Family, Gauge, Registry};

use crate::status::LinkStatus;

/// The label `link`.
type ByLink = [(&'static str, String); 1];

/// The labels `link` and `reason`.
type ByReason = [(&'static str, String); 2];

/// The metrics of every link.
#[derive(Clone)]
pub(crate) struct Metrics {
    connected: Family<ByLink, Gauge>,
    frame_lock: Family<ByLink, Gauge>,
    octets: Family<ByLink, Counter>,
    frames: Family<ByLink, Counter>,
    packets: Family<ByLink, Counter>,
    corrected_symbols: Family<ByLink, Counter>,
    uncorrectable: Family<ByLink, Counter>,
    gaps: Family<ByLink, Counter>,
    sync_skipped_bits: Family<ByLink, Counter>,
    sync_losses: Family<ByLink, Counter>,
    sync_flywheel: Family<ByLink, Counter>,
    sync_slips: Family<ByLink, Counter>,
    rejections: Family<ByReason, Counter>,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Self {
        Self {
            connected: registry.register("connected", "Peer connected or socket bound", Family::default()),
            frame_lock: registry.register("frame_lock", "Frames arrive in lock", Family::default()),
            octets: registry.register("octets", "Octets received", Family::default()),
            frames: registry.register("frames", "Good frames", Family::default()),
            packets: registry.register("packets", "Whole packets", Family::default()),
            corrected_symbols: registry.register("corrected_symbols", "Symbols corrected", Family::default()),
            uncorrectable: registry.register("uncorrectable", "Frames not correctable", Family::default()),
            gaps: registry.register("gaps", "Gaps in virtual channel counts", Family::default()),
            sync_skipped_bits: registry.register(
                "sync_skipped_bits",
                "Bits that belonged to no frame",
                Family::default(),
            ),
            sync_losses: registry.register("sync_losses", "Times that lock was lost", Family::default()),
            sync_flywheel: registry.register(
                "sync_flywheel",
                "Frames given out without a marker",
                Family::default(),
            ),
            sync_slips: registry.register(
                "sync_slips",
                "Markers found a few bits off their place",
                Family::default(),
            ),
            rejections: registry.register("rejections", "Frames and packets dropped", Family::default()),
        }
    }

    /// Those of one link.
    pub(crate) fn of(&self, link: &str) -> LinkMetrics {
        LinkMetrics { all: self.clone(), link: [("link", link.to_owned())] }
    }
}

/// The metrics of one link.
pub(crate) struct LinkMetrics {
    all: Metrics,
    link: ByLink,
}

impl LinkMetrics {
    /// Brings the metrics up to the status.
    pub(crate) fn update(&self, status: &LinkStatus) {
        let Self { all, link } = self;
        let raise = |counter: &Counter, to: u64| {
            counter.inc_by(to.saturating_sub(counter.get()));
        };
        all.connected.get_or_create(link).set(status.connected.into());
        all.frame_lock.get_or_create(link).set(status.frame_lock.into());
        raise(&all.octets.get_or_create(link), status.octets);
        raise(&all.frames.get_or_create(link), status.frames);
        raise(&all.packets.get_or_create(link), status.packets);
        raise(&all.corrected_symbols.get_or_create(link), status.corrected_symbols);
        raise(&all.uncorrectable.get_or_create(link), status.uncorrectable);
        raise(&all.gaps.get_or_create(link), status.gaps);
        if let Some(sync) = &status.sync {
            raise(&all.sync_skipped_bits.get_or_create(link), sync.skipped_bits);
            raise(&all.sync_losses.get_or_create(link), sync.losses);
            raise(&all.sync_flywheel.get_or_create(link), sync.flywheel);
            raise(&all.sync_slips.get_or_create(link), sync.slips);
        }
        for (&reason, &count) in &status.rejections {
            let labels = [link[0].clone(), ("reason", reason.to_owned())];
            raise(&all.rejections.get_or_create(&labels), count);
        }
    }
}
