//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use crate::bus;
use crate::control::Request;
use crate::supervisor;

/// Octets from the message bus: what has a length is read or refused, and reads no further than that length.
pub fn bus(data: &[u8]) {
    let Ok(Some(length)) = bus::length(data) else { return };
    let Some(octets) = data.get(..length) else { return };
    let read = bus::parse(octets);
    // What follows is another message's.
    let mut more = octets.to_vec();
    more.extend([0xa5; 64]);
    if let Ok(message) = read {
        assert_eq!(bus::parse(&more), Ok(message));
    }
}

/// A line from the control socket: what is a request is the same one after it was written again.
pub fn control(data: &[u8]) {
    let Ok(request) = supervisor::parse(data) else { return };
    let text = serde_json::to_vec(&request).expect("a request has a text");
    assert_eq!(serde_json::from_slice::<Request>(&text).ok(), Some(request));
}
