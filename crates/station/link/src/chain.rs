//! The receive chain of one link, and how what it finds is shown and counted.

use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::packet::is_idle;
use perigee_ccsds::reason::Reason;
use perigee_ccsds::receive::{ReceivedFrame, ReceivedPacket, Receiver, Rejected, Sink};
use perigee_ccsds::sync::SyncState;
use perigee_part::{Downlink, FrameReport, PacketReport, Rejection, Timestamp};

use crate::config::Kind;
use crate::packets::{self, Piece, Splitter};
use crate::settings::{Problem, Settings, SettingsError};
use crate::status::SyncStatus;
use crate::tally::Tally;

/// What turns octets into packets.
pub(crate) enum Chain {
    /// Transfer frames in a stream.
    FrameStream(Box<Receiver>),
    /// Transfer frames in datagrams, each with one or several of them.
    FrameDatagrams(Box<Receiver>, Units),
    /// Bare packets in a stream.
    PacketStream(Splitter),
    /// Bare packets in datagrams.
    PacketDatagrams,
}

impl Chain {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let Some(parameters) = &settings.parameters else {
            return Ok(match settings.kind {
                Kind::Udp => Self::PacketDatagrams,
                _ => Self::PacketStream(Splitter::default()),
            });
        };
        let receiver = Receiver::new(parameters).map_err(|error| SettingsError {
            link: settings.name.clone(),
            problem: Problem::Receiver(error.to_string()),
        })?;
        let receiver = Box::new(receiver);
        Ok(match settings.kind {
            // Where frames may begin at any bit a datagram is a piece of a stream.
            Kind::Udp if !parameters.is_bitwise() => Self::FrameDatagrams(receiver, Units::new(parameters)),
            _ => Self::FrameStream(receiver),
        })
    }

    /// Walks over what one read brought.
    pub(crate) fn receive(&mut self, octets: &[u8], shown: &mut Shown<'_>) {
        match self {
            Self::FrameStream(receiver) => {
                receiver.receive(octets, shown);
            }
            Self::FrameDatagrams(receiver, units) => match units.length(octets) {
                Some(length) => {
                    octets.chunks_exact(length).for_each(|unit| receiver.receive_unit(unit, shown));
                }
                None => receiver.receive_unit(octets, shown),
            },
            Self::PacketStream(splitter) => splitter.receive(octets, |piece| shown.piece(piece)),
            Self::PacketDatagrams => packets::datagram(octets, |piece| shown.piece(piece)),
        }
    }

    /// The input ended or begins anew: what is open will not be completed.
    pub(crate) fn finish(&mut self, shown: &mut Shown<'_>) {
        match self {
            // No datagram leaves a frame open, but a packet may be open in the frames so far.
            Self::FrameStream(receiver) | Self::FrameDatagrams(receiver, _) => receiver.finish(shown),
            Self::PacketStream(splitter) => splitter.finish(|piece| shown.piece(piece)),
            Self::PacketDatagrams => {}
        }
    }

    /// Brings the counts of the receiver into the tally.
    pub(crate) fn count(&self, tally: &mut Tally) {
        if let Self::FrameStream(receiver) | Self::FrameDatagrams(receiver, _) = self {
            tally.copy(receiver.counters());
        }
    }

    /// What the frame synchroniser does, where there is one.
    pub(crate) fn sync(&self) -> Option<SyncStatus> {
        let Self::FrameStream(receiver) = self else { return None };
        let counters = receiver.sync_counters();
        Some(SyncStatus {
            state: match receiver.lock().state {
                SyncState::Search => "search",
                SyncState::Verify => "verify",
                SyncState::Lock => "lock",
                SyncState::Flywheel => "flywheel",
            },
            skipped_bits: receiver.skipped_bits(),
            losses: counters.losses,
            flywheel: counters.flywheel,
            slips: counters.slips,
        })
    }

    /// Whether the symbols make sense: behind a convolutional code, whether its decoder sees it.
    pub(crate) fn symbols_locked(&self) -> bool {
        match self {
            Self::FrameStream(receiver) => receiver.convolutional_lock().unwrap_or(true),
            _ => true,
        }
    }

    /// Whether frames, or packets, come where they are expected.
    pub(crate) fn in_lock(&self) -> bool {
        match self {
            Self::FrameStream(receiver) => receiver.lock().frames,
            Self::PacketStream(splitter) => !splitter.searching(),
            Self::FrameDatagrams(..) | Self::PacketDatagrams => true,
        }
    }
}

/// How a datagram is cut into frames: all of them bring their marker, or none does.
pub(crate) struct Units {
    marker: Vec<u8>,
    max_errors: u32,
    block: usize,
}

impl Units {
    fn new(parameters: &LinkParameters) -> Self {
        let marker = parameters.asm.as_ref();
        Self {
            marker: marker.map(|marker| marker.asm.clone()).unwrap_or_default(),
            max_errors: marker.map_or(0, |marker| marker.max_errors),
            block: parameters.block_length(),
        }
    }

    /// Octets of each frame of the datagram, where it holds whole ones.
    fn length(&self, datagram: &[u8]) -> Option<usize> {
        let whole = |unit| datagram.len().is_multiple_of(unit).then_some(unit);
        let with_marker = whole(self.marker.len() + self.block);
        let without = whole(self.block);
        if with_marker.is_some() && without.is_some() {
            // Both are possible by their length: the beginning tells.
            let errors: u32 = datagram.iter().zip(&self.marker).map(|(a, b)| (a ^ b).count_ones()).sum();
            return if errors <= self.max_errors { with_marker } else { without };
        }
        with_marker.or(without)
    }
}

/// Shows what the chain finds to the downlink, and counts it.
pub(crate) struct Shown<'a> {
    downlink: &'a mut dyn Downlink,
    tally: &'a mut Tally,
    received: Timestamp,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(downlink: &'a mut dyn Downlink, tally: &'a mut Tally, received: Timestamp) -> Self {
        Self { downlink, tally, received }
    }

    /// A packet of a spacecraft and virtual channel, or a bare one.
    fn packet(&mut self, channel: Option<(u16, u8)>, octets: &[u8]) {
        if is_idle(octets) {
            return;
        }
        self.tally.totals.packets += 1;
        self.tally.last_packet = Some(self.received);
        let (scid, vcid) = channel.unzip();
        self.downlink.packet(PacketReport { received: self.received, scid, vcid, octets });
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Packet(octets) => {
                self.tally.good = true;
                self.packet(None, octets);
            }
            Piece::Rejected(reason, octets) => {
                self.tally.reject(reason.as_str(), 1);
                self.downlink.rejected(Rejection {
                    received: self.received,
                    vcid: None,
                    reason: reason.as_str(),
                    length: octets.len() as u64,
                    octets,
                });
            }
        }
    }
}

impl Sink for Shown<'_> {
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        // A frame that came twice is as good a sign of the link as one that came once.
        self.tally.good |= matches!(frame.status, Ok(()) | Err(Reason::Duplicate));
        if frame.status.is_err() {
            // Told as a rejection.
            return;
        }
        self.tally.last_frame = Some(self.received);
        if frame.ocf.is_some() {
            self.tally.ocf = frame.ocf;
        }
        self.downlink.frame(FrameReport {
            received: self.received,
            scid: frame.scid.unwrap_or_default(),
            vcid: frame.vcid.unwrap_or_default(),
            vcfc: frame.vcfc,
            octets: frame.octets,
        });
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        Shown::packet(self, Some((packet.scid, packet.vcid)), packet.octets);
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        self.downlink.rejected(Rejection {
            received: self.received,
            vcid: rejected.channel.map(|channel| channel.vcid),
            reason: rejected.reason.as_str(),
            length: rejected.length.max(rejected.octets.len() as u64),
            octets: rejected.octets,
        });
    }
}
