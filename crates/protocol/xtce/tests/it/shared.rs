//! The folder of recordings beside the workspace, and packets out of files.

use std::path::PathBuf;

/// A file or folder of the shared data; says loudly when it is not there.
pub(crate) fn shared_data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PERIGEE_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data")),
        PathBuf::from,
    );
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("SKIPPED: ../shared/data is not here: {}", found.display());
    None
}

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
