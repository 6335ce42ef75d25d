//! Packets out of packet zones (132.0-B-3 §4.1.2.7.6 and §4.3.2, 732.0-B-5 §4.1.4.2): follows the first header
//! pointer and the packet lengths, and where the two disagree drops what is in doubt and nothing else.
//!
//! A packet that lies whole in one zone is shown as a slice of that zone. Only a packet that spans frames is
//! copied, into one buffer that is kept.

use super::{Extent, extent};
use crate::frame::FirstHeader;
use crate::reason::Reason;

/// What comes out of an assembler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assembled<'a> {
    /// A whole packet.
    Packet(&'a [u8]),
    /// Octets that belong to no whole packet, and why.
    Dropped(Reason, &'a [u8]),
}

/// Puts together the packets of one virtual channel, or of one MAP.
#[derive(Clone, Debug)]
pub struct Assembler {
    /// What has come of the packet that is open; empty where none is.
    open: Vec<u8>,
    /// Octets of the open packet, 0 as long as its header is not complete.
    total: usize,
    packet_max: usize,
}

impl Assembler {
    /// An assembler that refuses packets longer than `packet_max` octets.
    #[must_use]
    pub const fn new(packet_max: usize) -> Self {
        Self { open: Vec::new(), total: 0, packet_max }
    }

    /// Takes the packet zone of the next frame.
    #[inline]
    pub fn zone(&mut self, zone: &[u8], first: FirstHeader, out: &mut impl FnMut(Assembled<'_>)) {
        match first {
            // Such frames may come between the parts of a packet and do not interrupt it.
            FirstHeader::IdleOnly => {}
            FirstHeader::None if self.open.is_empty() => {
                if !zone.is_empty() {
                    out(Assembled::Dropped(Reason::NoStart, zone));
                }
            }
            FirstHeader::None => self.go_on(zone, false, out),
            FirstHeader::At(at) if at >= zone.len() => {
                self.abandon(Reason::BadPointer, out);
                out(Assembled::Dropped(Reason::BadPointer, zone));
            }
            FirstHeader::At(at) => {
                let (rest, starts) = zone.split_at(at);
                if !self.open.is_empty() {
                    self.go_on(rest, true, out);
                } else if !rest.is_empty() {
                    out(Assembled::Dropped(Reason::NoStart, rest));
                }
                self.walk(starts, out);
            }
        }
    }

    /// Drops the open packet, if there is one.
    pub fn abandon(&mut self, reason: Reason, out: &mut impl FnMut(Assembled<'_>)) {
        if !self.open.is_empty() {
            out(Assembled::Dropped(reason, &self.open));
            self.close();
        }
    }

    /// Whether a packet is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn close(&mut self) {
        self.open.clear();
        self.total = 0;
    }

    /// Adds octets to the open packet, which must end with the last of them if `ends`, and not before.
    fn go_on(&mut self, octets: &[u8], ends: bool, out: &mut impl FnMut(Assembled<'_>)) {
        let mut rest = octets;
        // The header may have been cut; it is completed octet by octet as far as it has to be known.
        while self.total == 0 {
            match extent(&self.open) {
                Extent::Known(total) if total <= self.packet_max => self.total = total,
                Extent::Known(_) => return self.refuse(Reason::PacketTooLong, rest, out),
                Extent::Invalid(reason) => return self.refuse(reason, rest, out),
                Extent::NeedsOctets(need) => {
                    let more = (need - self.open.len()).min(rest.len());
                    self.open.extend_from_slice(&rest[..more]);
                    rest = &rest[more..];
                    if self.open.len() < need {
                        if ends {
                            self.abandon(Reason::PointerMismatch, out);
                        }
                        return;
                    }
                }
            }
        }
        self.open.reserve(self.total.saturating_sub(self.open.len()));
        let missing = self.total - self.open.len();
        if rest.len() == missing {
            self.open.extend_from_slice(rest);
            out(Assembled::Packet(&self.open));
            self.close();
        } else if rest.len() < missing && !ends {
            self.open.extend_from_slice(rest);
        } else {
            self.refuse(Reason::PointerMismatch, rest, out);
        }
    }

    /// Drops the open packet together with the octets that seemed to continue it.
    fn refuse(&mut self, reason: Reason, rest: &[u8], out: &mut impl FnMut(Assembled<'_>)) {
        self.open.extend_from_slice(rest);
        self.abandon(reason, out);
    }

    /// Walks over the packets that start in this zone, one behind the other.
    #[inline]
    fn walk(&mut self, mut zone: &[u8], out: &mut impl FnMut(Assembled<'_>)) {
        while !zone.is_empty() {
            match extent(zone) {
                Extent::Known(total) if total <= zone.len() && total <= self.packet_max => {
                    let (packet, rest) = zone.split_at(total);
                    out(Assembled::Packet(packet));
                    zone = rest;
                }
                Extent::Known(total) if total <= self.packet_max => {
                    self.total = total;
                    self.open.reserve(total);
                    self.open.extend_from_slice(zone);
                    return;
                }
                Extent::NeedsOctets(_) => return self.open.extend_from_slice(zone),
                Extent::Known(_) => return out(Assembled::Dropped(Reason::PacketTooLong, zone)),
                Extent::Invalid(reason) => return out(Assembled::Dropped(reason, zone)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the zones; packets and drops come back as words and lengths.
    fn check(zones: &[(&[u8], FirstHeader)], expected: &[(&str, usize)]) {
        let mut assembler = Assembler::new(70);
        let mut seen = Vec::new();
        let mut out = |event: Assembled<'_>| {
            seen.push(match event {
                Assembled::Packet(octets) => ("packet", octets.len()),
                Assembled::Dropped(reason, octets) => (reason.as_str(), octets.len()),
            });
        };
        for (zone, first) in zones {
            assembler.zone(zone, *first, &mut out);
        }
        assembler.abandon(Reason::Unfinished, &mut out);
        assert_eq!(seen, expected);
    }

    /// A space packet of ten octets.
    const TEN: [u8; 10] = [0x01, 0x23, 0xC0, 0x42, 0x00, 0x03, 1, 2, 3, 4];
    use FirstHeader::{At, IdleOnly, None};

    #[test]
    fn whole_packets_and_one_over_three_frames() {
        let two = [TEN, TEN].concat();
        check(&[(&two, At(0))], &[("packet", 10), ("packet", 10)]);
        for cut in 1..9 {
            let (a, b) = TEN.split_at(cut);
            check(&[(a, At(0)), (&b[..1], None), (b"idle", IdleOnly), (&b[1..], None)], &[("packet", 10)]);
            let tail = [b, &TEN].concat();
            check(&[(a, At(0)), (&tail, At(b.len()))], &[("packet", 10), ("packet", 10)]);
        }
    }

    #[test]
    fn rest_without_a_start_is_dropped_and_the_next_packet_kept() {
        let zone = [&TEN[7..], &TEN].concat();
        check(&[(&TEN, None), (&zone, At(3))], &[("no-start", 10), ("no-start", 3), ("packet", 10)]);
    }

    #[test]
    fn pointer_and_length_that_contradict_each_other() {
        // The packet says ten octets, the pointer five, then eleven.
        let early = [&TEN[7..9], &TEN].concat();
        check(&[(&TEN[..7], At(0)), (&early, At(2))], &[("pointer-mismatch", 9), ("packet", 10)]);
        let late = [&TEN[7..], &[0], &TEN].concat();
        check(&[(&TEN[..7], At(0)), (&late, At(4))], &[("pointer-mismatch", 11), ("packet", 10)]);
        check(&[(&TEN[..3], At(0)), (&TEN, At(0))], &[("pointer-mismatch", 3), ("packet", 10)]);
        check(&[(&TEN, At(10))], &[("bad-pointer", 10)]);
        check(&[(&TEN[..7], At(0)), (&TEN, At(2000))], &[("bad-pointer", 7), ("bad-pointer", 10)]);
    }

    #[test]
    fn what_is_no_packet_ends_the_zone() {
        let zone = [&TEN[..], &[0x20, 0, 0, 0]].concat();
        check(&[(&zone, At(0))], &[("packet", 10), ("bad-packet-version", 4)]);
        check(&[(&[0, 0, 0, 0, 1, 0, 0, 0], At(0))], &[("packet-too-long", 8)]);
        check(&[(&[0, 0, 0, 0, 1], At(0)), (&[0, 0], None)], &[("packet-too-long", 7)]);
        check(&[(&[0xE1, 1], At(0))], &[("bad-packet-length", 2)]);
        check(&[(&TEN[..9], At(0))], &[("unfinished", 9)]);
    }
}
