//! The receive chain of one link, and how what it finds is shown and counted.

use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::packet::is_idle;
use perigee_ccsds::receive::{ReceivedFrame, ReceivedPacket, Receiver, Rejected, Sink};
use perigee_part::{Downlink, FrameReport, PacketReport, Rejection, Timestamp};

use crate::config::Kind;
use crate::packets::{self, Piece, Splitter};
use crate::settings::{Problem, Settings, SettingsError};
use crate::tally::Tally;

/// What turns octets into packets.
pub(crate) enum Chain {
    /// Transfer frames in a stream.
    FrameStream(Box<Receiver>),
    /// Transfer frames in datagrams, each a multiple of so many octets.
    FrameDatagrams(Box<Receiver>, usize),
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
            Kind::Udp => Self::FrameDatagrams(receiver, unit_length(parameters)),
            _ => Self::FrameStream(receiver),
        })
    }

    /// Walks over what one read brought.
    pub(crate) fn receive(&mut self, octets: &[u8], shown: &mut Shown<'_>) {
        match self {
            Self::FrameStream(receiver) => {
                receiver.receive(octets, shown);
            }
            Self::FrameDatagrams(receiver, unit) => {
                if octets.len().is_multiple_of(*unit) {
                    octets.chunks_exact(*unit).for_each(|unit| receiver.receive_unit(unit, shown));
                } else {
                    receiver.receive_unit(octets, shown);
                }
            }
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

    /// Whether frames, or packets, come where they are expected.
    pub(crate) fn in_lock(&self) -> bool {
        match self {
            Self::FrameStream(receiver) => receiver.lock().frames,
            Self::PacketStream(splitter) => !splitter.searching(),
            Self::FrameDatagrams(..) | Self::PacketDatagrams => true,
        }
    }
}

/// Octets of one coded frame with its marker.
fn unit_length(parameters: &LinkParameters) -> usize {
    parameters.asm.as_ref().map_or(0, |marker| marker.asm.len()) + parameters.block_length()
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

    fn packet(&mut self, vcid: Option<u8>, octets: &[u8]) {
        if is_idle(octets) {
            return;
        }
        self.tally.totals.packets += 1;
        self.tally.last_packet = Some(self.received);
        self.downlink.packet(PacketReport { received: self.received, vcid, octets });
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Packet(octets) => {
                self.tally.good = true;
                self.packet(None, octets);
            }
            Piece::Rejected(reason, octets) => {
                self.tally.reject(reason.as_str(), 1);
                let reason = reason.as_str();
                self.downlink.rejected(Rejection { received: self.received, vcid: None, reason, octets });
            }
        }
    }
}

impl Sink for Shown<'_> {
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        if frame.status.is_err() {
            // Told as a rejection.
            return;
        }
        self.tally.good = true;
        self.tally.last_frame = Some(self.received);
        if frame.ocf.is_some() {
            self.tally.ocf = frame.ocf;
        }
        self.downlink.frame(FrameReport {
            received: self.received,
            scid: frame.scid.unwrap_or_default(),
            vcid: frame.vcid.unwrap_or_default(),
            vcfc: frame.vcfc.unwrap_or_default(),
            octets: frame.octets,
        });
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        Shown::packet(self, Some(packet.vcid), packet.octets);
    }

    fn rejected(&mut self, rejected: &Rejected<'_>) {
        self.downlink.rejected(Rejection {
            received: self.received,
            vcid: rejected.channel.map(|channel| channel.vcid),
            reason: rejected.reason.as_str(),
            octets: rejected.octets,
        });
    }
}
