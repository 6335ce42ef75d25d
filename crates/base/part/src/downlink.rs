//! The doorway from the links to whoever processes what they receive.
//!
//! A link walks frames and packets out of its receive buffer and shows each one, by reference, to a
//! [`Downlink`]; nothing is copied on the way. The command decides what stands behind the doorway.

use crate::Timestamp;

/// A transfer frame as the decoder gave it, attached sync marker and parity removed.
#[derive(Clone, Copy, Debug)]
pub struct FrameReport<'a> {
    /// When the octets reached this machine.
    pub received: Timestamp,
    /// Spacecraft identifier.
    pub scid: u16,
    /// Virtual channel identifier.
    pub vcid: u8,
    /// Virtual channel frame count; `None` where the frame carries none, as USLP frames may.
    pub vcfc: Option<u64>,
    /// The transfer frame.
    pub octets: &'a [u8],
}

/// A packet put together from one or more frames, or received bare.
#[derive(Clone, Copy, Debug)]
pub struct PacketReport<'a> {
    /// When its last octets reached this machine.
    pub received: Timestamp,
    /// The spacecraft it came from; `None` where packets arrive bare.
    pub scid: Option<u16>,
    /// The virtual channel it came on; `None` where packets arrive bare.
    pub vcid: Option<u8>,
    /// The whole packet with its header.
    pub octets: &'a [u8],
}

/// A frame or packet that was dropped, and why.
#[derive(Clone, Copy, Debug)]
pub struct Rejection<'a> {
    /// When it was dropped.
    pub received: Timestamp,
    /// The virtual channel, where it could be told.
    pub vcid: Option<u8>,
    /// The reason, one of a fixed set of words such as `uncorrectable` or `vc-gap`.
    pub reason: &'static str,
    /// Octets of it: more than `octets` has where they were passed over unseen.
    pub length: u64,
    /// What there was of it.
    pub octets: &'a [u8],
}

/// Takes what one link receives. Each link owns its own; calls come from one thread, in order.
///
/// No call may block for longer than it takes to hand work to a bounded queue; what does not fit is
/// counted by the receiver of the call, never silently lost.
pub trait Downlink: Send {
    /// A good frame. Called before the packets that end in it.
    fn frame(&mut self, frame: FrameReport<'_>);

    /// A whole packet. Idle packets are not shown.
    fn packet(&mut self, packet: PacketReport<'_>);

    /// Something was dropped.
    fn rejected(&mut self, rejection: Rejection<'_>);

    /// All that one read of the input brought has been shown: publish what is ready now.
    fn flush(&mut self);
}
