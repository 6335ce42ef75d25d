//! What the fuzz target runs, and the test that replays its corpus. Not part of the interface.

use crate::packets::{self, Piece, Splitter};

/// Bare packets: the first octet says how the stream is cut, the rest is the stream. Whatever it holds, each octet is
/// shown once and in order, however it is cut.
pub fn bare_packets(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let mut shown = Vec::new();
    let mut show = |piece: Piece<'_>| match piece {
        Piece::Packet(octets) | Piece::Rejected(_, octets) => {
            assert!(!octets.is_empty());
            shown.extend_from_slice(octets);
        }
    };
    let mut splitter = Splitter::default();
    stream.chunks(usize::from(*cut) + 1).for_each(|part| splitter.receive(part, &mut show));
    splitter.finish(&mut show);
    packets::datagram(stream, &mut show);
    assert!(shown == [stream, stream].concat(), "octets were lost or shown twice");
}
