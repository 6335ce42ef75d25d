//! Bare packets: finds their boundaries in a stream or in a datagram.
//!
//! Space packets (CCSDS 133.0-B-2 §4.1) and encapsulation packets (133.1-B-3 §4.1) say how long they are and
//! carry no sync marker. As long as one follows the other nothing needs to be searched; after octets that
//! cannot begin a packet, [`Splitter`] looks for a header that is followed by another one, and shows what it
//! passed over. A length field that lies makes it lose at most the octets that it claims.

/// The longest packet of interest: a space packet with a full data field. Longer encapsulation packets are
/// taken for a lie.
const LONGEST: usize = 65_542;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole packet.
    Packet(&'a [u8]),
    /// Octets that belong to no whole packet, and why not.
    Rejected(&'static str, &'a [u8]),
}

/// What the octets at some place are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// A packet of so many octets, header included.
    Length(usize),
    /// Too few octets to tell.
    Incomplete,
    /// Not a packet.
    Invalid,
}

fn header(octets: &[u8]) -> Header {
    let Some(&first) = octets.first() else { return Header::Incomplete };
    match first >> 5 {
        0b000 => match octets {
            [_, _, _, _, high, low, ..] => Header::Length(7 + usize::from(u16::from_be_bytes([*high, *low]))),
            _ => Header::Incomplete,
        },
        0b111 => {
            // The length field follows the first octet, or the third or fourth where it is that long.
            let (header_length, at) = match first & 0b11 {
                0 => return Header::Length(1),
                1 => (2, 1),
                2 => (4, 2),
                _ => (8, 4),
            };
            match octets.get(at..header_length) {
                None => Header::Incomplete,
                Some(field) => {
                    let length = field.iter().fold(0u64, |sum, &octet| sum << 8 | u64::from(octet));
                    match usize::try_from(length) {
                        Ok(length) if (header_length..=LONGEST).contains(&length) => Header::Length(length),
                        _ => Header::Invalid,
                    }
                }
            }
        }
        _ => Header::Invalid,
    }
}

/// Splits one datagram, which holds whole packets.
pub fn datagram(octets: &[u8], mut show: impl FnMut(Piece<'_>)) {
    let mut rest = octets;
    while !rest.is_empty() {
        match header(rest) {
            Header::Length(length) if length <= rest.len() => {
                show(Piece::Packet(&rest[..length]));
                rest = &rest[length..];
            }
            Header::Length(_) | Header::Incomplete => return show(Piece::Rejected("unfinished", rest)),
            Header::Invalid => return show(Piece::Rejected("bad-packet-version", rest)),
        }
    }
}

/// Splits a stream.
#[derive(Debug, Default)]
pub struct Splitter {
    /// What is waiting for more: less than a packet, or in search less than two.
    kept: Vec<u8>,
    searching: bool,
}

impl Splitter {
    /// Shows the packets that `octets` complete, by reference where they lie whole in `octets`.
    pub fn receive(&mut self, octets: &[u8], mut show: impl FnMut(Piece<'_>)) {
        let mut rest = octets;
        while !self.kept.is_empty() {
            // Take only what completes the packet that is open, so that what follows is not copied.
            let take = match header(&self.kept) {
                _ if self.searching => rest.len(),
                Header::Length(length) => length.saturating_sub(self.kept.len()).min(rest.len()),
                Header::Incomplete => rest.len().min(1),
                Header::Invalid => 0,
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
        self.searching
    }

    /// The stream ends or begins anew: what was open will not be completed.
    pub fn finish(&mut self, mut show: impl FnMut(Piece<'_>)) {
        if !self.kept.is_empty() {
            show(Piece::Rejected(
                if self.searching { "bad-packet-version" } else { "unfinished" },
                &self.kept,
            ));
        }
        self.kept.clear();
        self.searching = false;
    }

    /// Goes from packet to packet as far as they are whole; says how many octets are done with.
    fn walk(&mut self, octets: &[u8], show: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut at = 0;
        loop {
            if self.searching {
                let (skip, found) = search(&octets[at..]);
                if skip > 0 {
                    show(Piece::Rejected("bad-packet-version", &octets[at..at + skip]));
                    at += skip;
                }
                if !found {
                    return at;
                }
                self.searching = false;
            }
            match header(&octets[at..]) {
                Header::Length(length) if length <= octets.len() - at => {
                    show(Piece::Packet(&octets[at..at + length]));
                    at += length;
                }
                Header::Length(_) | Header::Incomplete => return at,
                Header::Invalid => self.searching = true,
            }
        }
    }
}

/// How many octets belong to no packet, and whether what follows is one: a header with another behind it.
fn search(octets: &[u8]) -> (usize, bool) {
    for at in 0..octets.len() {
        match header(&octets[at..]) {
            Header::Invalid => {}
            Header::Incomplete => return (at, false),
            Header::Length(length) => match octets.get(at + length..).map(header) {
                Some(Header::Length(_)) => return (at, true),
                Some(Header::Invalid) => {}
                Some(Header::Incomplete) | None => return (at, false),
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
            last = Some(matches!(piece, Piece::Rejected("unfinished", rest) if rest.len() == 10));
        });
        assert_eq!(last, Some(true));
    }
}
