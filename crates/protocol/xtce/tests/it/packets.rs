//! Packets out of files.

/// Space packets that stand back to back, each after `skip` octets of something else.
pub(crate) fn packets(octets: &[u8], skip: usize) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    let mut at = skip;
    while let Some([high, low]) = octets.get(at + 4..at + 6) {
        let len = usize::from(u16::from_be_bytes([*high, *low])) + 7;
        let Some(packet) = octets.get(at..at + len) else { break };
        packets.push(packet);
        at += len + skip;
    }
    packets
}
