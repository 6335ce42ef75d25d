//! The receive chain of one link, and how what it finds is shown and counted.

use std::time::Instant;

use perigee_part::{Downlink, PacketReport, Rejection, Timestamp};

use crate::config::{Content, Kind};
use crate::packets::{self, Piece, Splitter};
use crate::settings::{Problem, Settings, SettingsError};
use crate::tally::Tally;

/// What turns octets into packets.
pub(crate) enum Chain {
    /// Bare packets in a stream.
    Stream(Splitter),
    /// Bare packets in datagrams.
    Datagrams,
}

impl Chain {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        match (settings.content, settings.kind) {
            (Content::Packets, Kind::Udp) => Ok(Self::Datagrams),
            (Content::Packets, _) => Ok(Self::Stream(Splitter::default())),
            (Content::Frames, _) => Err(SettingsError {
                link: settings.name.clone(),
                problem: Problem::Receiver("links of frames are not wired yet".to_owned()),
            }),
        }
    }

    /// Walks over what one read brought.
    pub(crate) fn receive(&mut self, octets: &[u8], shown: &mut Shown<'_>) {
        match self {
            Self::Stream(splitter) => splitter.receive(octets, |piece| shown.piece(piece)),
            Self::Datagrams => packets::datagram(octets, |piece| shown.piece(piece)),
        }
    }

    /// The input ended or begins anew.
    pub(crate) fn finish(&mut self, shown: &mut Shown<'_>) {
        match self {
            Self::Stream(splitter) => splitter.finish(|piece| shown.piece(piece)),
            Self::Datagrams => {}
        }
    }

    /// Whether frames, or packets, are found where they are expected.
    pub(crate) fn in_lock(&self) -> bool {
        match self {
            Self::Stream(splitter) => !splitter.searching(),
            Self::Datagrams => true,
        }
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

    fn piece(&mut self, piece: Piece<'_>) {
        let received = self.received;
        match piece {
            Piece::Packet(octets) => {
                self.tally.last_good = Some(Instant::now());
                self.tally.last_packet = Some(received);
                self.tally.totals.packets += 1;
                self.downlink.packet(PacketReport { received, vcid: None, octets });
            }
            Piece::Rejected(reason, octets) => {
                self.tally.reject(reason, 1);
                self.downlink.rejected(Rejection { received, vcid: None, reason, octets });
            }
        }
    }
}
