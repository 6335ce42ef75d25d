//! Bare packets: finds their boundaries in a stream or in a datagram.
//!
//! Space packets (CCSDS 133.0-B-2 §4.1) and encapsulation packets (133.1-B-3 §4.1) say how long they are and
//! carry no sync marker. As long as one follows the other nothing needs to be searched; after octets that
//! cannot begin a packet, [`Splitter`] looks for a header that is followed by another one, and shows what it
//! passed over. A length field that lies makes it lose at most the octets that it claims.

use perigee_ccsds::packet::{Extent, extent};
use perigee_ccsds::reason::Reason;

/// The longest packet of interest: a space packet with a full data field. Longer encapsulation packets are
/// taken for a lie.
pub const LONGEST: usize = 65_542;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole packet.
    Packet(&'a [u8]),
    /// Octets that belong to no whole packet, and why not.
    Rejected(Reason, &'a [u8]),
}

/// How long the packet is that starts here.
fn length(octets: &[u8]) -> Extent {
    match extent(octets) {
        Extent::Known(length) if length > LONGEST => Extent::Invalid(Reason::BadPacketLength),
        known => known,
    }
}

/// Splits one datagram, which holds whole packets.
pub fn datagram(octets: &[u8], mut show: impl FnMut(Piece<'_>)) {
    let mut rest = octets;
    while !rest.is_empty() {
        match length(rest) {
            Extent::Known(end) if end <= rest.len() => {
                show(Piece::Packet(&rest[..end]));
                rest = &rest[end..];
            }
            Extent::Known(_) | Extent::NeedsOctets(_) => {
                return show(Piece::Rejected(Reason::Unfinished, rest));
            }
            Extent::Invalid(reason) => return show(Piece::Rejected(reason, rest)),
        }
    }
}

/// Splits a stream.
#[derive(Debug, Default)]
pub struct Splitter {
    /// What is waiting for more: less than a packet, or in search less than two.
    kept: Vec<u8>,
    /// Why octets are being passed over, where they are.
    searching: Option<Reason>,
}

impl Splitter {
    /// Shows the packets that `octets` complete, by reference where they lie whole in `octets`.
    pub fn receive(&mut self, octets: &[u8], mut show: impl FnMut(Piece<'_>)) {
        let mut rest = octets;
        while !self.kept.is_empty() {
            // Take only what completes the packet that is open, so that what follows is not copied.
            let take = match length(&self.kept) {
                _ if self.searching.is_some() => rest.len(),
                Extent::Known(end) => end.saturating_sub(self.kept.len()).min(rest.len()),
                Extent::NeedsOctets(_) => rest.len().min(1),
                Extent::Invalid(_) => 0,
            };
            let (taken, left) = rest.split_at(take);
            self.kept.extend_from_slice(taken);
            rest = left;
            let mut kept = std::mem::take(&mut self.kept);
            let used = self.walk(&kept, &mut show);
            kept.drain(..used);
            self.kept = kept;
            if used == 0 && rest.is_empty() {
                return;
            }
        }
        let used = self.walk(rest, &mut show);
        self.kept.extend_from_slice(&rest[used..]);
    }

    /// Whether octets that begin no packet are being passed over.
    pub fn searching(&self) -> bool {
        self.searching.is_some()
    }

    /// The stream ends or begins anew: what was open will not be completed.
    pub fn finish(&mut self, mut show: impl FnMut(Piece<'_>)) {
        if !self.kept.is_empty() {
            show(Piece::Rejected(self.searching.unwrap_or(Reason::Unfinished), &self.kept));
        }
        self.kept.clear();
        self.searching = None;
    }

    /// Goes from packet to packet as far as they are whole; says how many octets are done with.
    fn walk(&mut self, octets: &[u8], show: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut at = 0;
        loop {
            if let Some(reason) = self.searching {
                let (skip, found) = search(&octets[at..]);
                if skip > 0 {
                    show(Piece::Rejected(reason, &octets[at..at + skip]));
                    at += skip;
                }
                if !found {
                    return at;
                }
                self.searching = None;
            }
            match length(&octets[at..]) {
                Extent::Known(end) if end <= octets.len() - at => {
                    show(Piece::Packet(&octets[at..at + end]));
                    at += end;
                }
                Extent::Known(_) | Extent::NeedsOctets(_) => return at,
                Extent::Invalid(reason) => self.searching = Some(reason),
            }
        }
    }
}

/// How many octets belong to no packet, and whether what follows is one: a header with another behind it.
fn search(octets: &[u8]) -> (usize, bool) {
    for at in 0..octets.len() {
        match length(&octets[at..]) {
            Extent::Invalid(_) => {}
            Extent::NeedsOctets(_) => return (at, false),
            Extent::Known(end) => match octets.get(at + end..).map(length) {
                Some(Extent::Known(_)) => return (at, true),
                Some(Extent::Invalid(_)) => {}
                Some(Extent::NeedsOctets(_)) | None => return (at, false),
            },
        }
    }
    (octets.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(apid: u16, length: usize) -> Vec<u8> {
        let mut octets = vec![0u8; length];
        octets[..2].copy_from_slice(&apid.to_be_bytes());
        octets[4..6].copy_from_slice(&u16::try_from(length - 7).unwrap().to_be_bytes());
        octets[6..].fill(0xA5);
        octets
    }

    /// The packets found, and how many octets were rejected.
    fn split(splitter: &mut Splitter, octets: &[u8], read: usize) -> (Vec<Vec<u8>>, usize) {
        let mut packets = Vec::new();
        let mut rejected = 0;
        let mut show = |piece: Piece<'_>| match piece {
            Piece::Packet(octets) => packets.push(octets.to_vec()),
            Piece::Rejected(_, octets) => rejected += octets.len(),
        };
        for part in octets.chunks(read) {
            splitter.receive(part, &mut show);
        }
        splitter.finish(&mut show);
        (packets, rejected)
    }

    #[test]
    fn packets_are_found_however_the_stream_is_cut() {
        let mut expected = vec![packet(1, 7), packet(2, 300), packet(3, LONGEST), packet(4, 20)];
        expected.push(vec![0xE0]); // encapsulation: idle, one octet
        expected.push(vec![0xE5, 3, 9]);
        expected.push(vec![0xEA, 0, 0, 5, 9]);
        let stream = expected.concat();
        for read in [1, 2, 5, 7, 299, 4096, stream.len()] {
            let (packets, rejected) = split(&mut Splitter::default(), &stream, read);
            assert_eq!(rejected, 0, "read {read}");
            assert!(packets == expected, "read {read}");
        }
    }

    #[test]
    fn garbage_is_passed_over_and_counted() {
        let packets: Vec<_> = (0..6).map(|n| packet(n, 40)).collect();
        let stream = [&packets[..3].concat()[..], &[0x77; 23], &packets[3..].concat()].concat();
        for read in [1, 3, 64, stream.len()] {
            let (found, rejected) = split(&mut Splitter::default(), &stream, read);
            assert_eq!(rejected, 23, "read {read}");
            assert!(found == packets, "read {read}");
        }
    }

    #[test]
    fn the_reason_is_that_of_the_octets_where_the_search_began() {
        // An encapsulation packet shorter than its own header.
        let stream = [&[0xE5, 1][..], &packet(1, 20), &packet(2, 20)].concat();
        for read in [1, stream.len()] {
            let mut reasons = Vec::new();
            let mut splitter = Splitter::default();
            let mut show = |piece: Piece<'_>| {
                if let Piece::Rejected(reason, _) = piece {
                    reasons.push(reason);
                }
            };
            stream.chunks(read).for_each(|part| splitter.receive(part, &mut show));
            splitter.finish(&mut show);
            assert!(
                !reasons.is_empty() && reasons.iter().all(|r| *r == Reason::BadPacketLength),
                "{reasons:?}"
            );
        }
    }

    #[test]
    fn every_octet_is_accounted_for() {
        // A multiplicative congruential sequence is garbage enough.
        let mut state = 0x2545_F491u32;
        for _ in 0..200 {
            let garbage: Vec<u8> = (0..3000)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let (packets, rejected) = split(&mut Splitter::default(), &garbage, 97);
            assert_eq!(packets.iter().map(Vec::len).sum::<usize>() + rejected, garbage.len());
        }
    }

    #[test]
    fn a_datagram_holds_whole_packets() {
        let good = [packet(1, 10), packet(2, 11)].concat();
        let mut pieces = 0;
        datagram(&good, |piece| {
            assert!(matches!(piece, Piece::Packet(_)));
            pieces += 1;
        });
        assert_eq!(pieces, 2);
        let mut last = None;
        datagram(&good[..20], |piece| {
            last = Some(matches!(piece, Piece::Rejected(Reason::Unfinished, rest) if rest.len() == 10));
        });
        assert_eq!(last, Some(true));
    }
}
