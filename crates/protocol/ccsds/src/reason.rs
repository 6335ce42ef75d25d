//! Why a frame, a packet or a run of octets was dropped: one closed list of stable words.
//!
//! The words appear in the `status` column of the command, in counters and in the station's log, so they
//! never change their meaning. Nothing is dropped in the receive chain without one of them.

use core::fmt;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// Why something was not decoded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the chain.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable word, in kebab case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// Octets, or symbols, in which no attached sync marker was found.
    NotSynchronised = "not-synchronised",
    /// The input ended inside a frame.
    Truncated = "truncated",
    /// The unit handed over is not one frame long.
    WrongUnitLength = "wrong-unit-length",
    /// Reed-Solomon: a codeword has more symbol errors than the code can correct.
    Uncorrectable = "uncorrectable",
    /// The frame error control field does not agree with the frame.
    BadFecf = "bad-fecf",
    /// AOS: the frame header error control cannot repair the header.
    BadFhec = "bad-fhec",
    /// The transfer frame version number is not that of the link.
    WrongVersion = "wrong-version",
    /// The spacecraft identifier is not that of the link.
    WrongScid = "wrong-scid",
    /// USLP: the length in the header is not that of the frame.
    WrongLength = "wrong-length",
    /// The header describes parts that do not fit into the frame.
    BadHeader = "bad-header",
    /// The frame before on this virtual channel once more: the same count and the same octets.
    Duplicate = "duplicate",
    /// A packet was open on the virtual channel heard longest ago when more came than a receiver keeps.
    TooManyChannels = "too-many-channels",
    /// The first header pointer, or data pointer, points beyond its zone.
    BadPointer = "bad-pointer",
    /// TM: packets cut into segments (segment length identifier not 3), which 132.0-B no longer knows.
    SegmentedData = "segmented-data",
    /// The rest of a packet whose beginning was not received.
    NoStart = "no-start",
    /// A packet was open when frames of its virtual channel went missing.
    VcGap = "vc-gap",
    /// The packet length and the first header pointer contradict each other.
    PointerMismatch = "pointer-mismatch",
    /// What should be a packet has a packet version number other than 0 and 7.
    BadPacketVersion = "bad-packet-version",
    /// An encapsulation packet shorter than its own header.
    BadPacketLength = "bad-packet-length",
    /// A packet longer than the link allows.
    PacketTooLong = "packet-too-long",
    /// A service data unit in segments began anew before it ended.
    BrokenSegments = "broken-segments",
    /// The input ended inside a packet.
    Unfinished = "unfinished",
}

impl Reason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kebab_case_and_unique() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{reason}");
            assert!(!Reason::ALL[..i].iter().any(|other| other.as_str() == reason.as_str()), "{reason}");
            assert!(reason.explanation().ends_with('.'), "{reason}");
        }
    }
}
