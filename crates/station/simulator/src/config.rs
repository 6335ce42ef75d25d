//! The table `[simulator]` of `perigee.toml`, and the files that belong to the satellite.

use std::time::Duration;

use perigee_ccsds::link::LinkParameters;
use serde::{Deserialize, Serialize};

use crate::model::anomaly::Anomaly;

/// The mission database of the satellite (XTCE).
pub const DATABASE: &str = include_str!("../perigeesat.xml");

/// The link file of the satellite.
pub const LINK_FILE: &str = include_str!("../../../../links/perigeesat.toml");

/// Octets of a coded frame of the link file: marker, frame and parity.
const CODED_FRAME: u64 = 4 + 1115 + 5 * 32;

/// The table `[simulator]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the satellite is heard.
    pub output: Output,
    /// TCP: where to listen (port 0: any that is free). UDP: where to send.
    pub address: String,
    /// Seed of everything that is random on board and on the channel.
    pub seed: u64,
    /// How many times faster than the clock the orbit and all that follows from it pass. Packets keep to the clock.
    pub speed: f64,
    /// Packets of each kind in a second.
    pub packet_rate: f64,
    /// Channel symbols in a second, idle frames included; 0: as many as the socket takes.
    pub bit_rate: u64,
    /// Fill the channel with packets where it would carry idle frames: a load test.
    pub fill: bool,
    /// Share of the channel symbols that arrive wrong.
    pub bit_error_rate: f64,
    /// When the first anomaly happens.
    #[serde(with = "humantime_serde")]
    pub first_anomaly: Duration,
    /// Mean time from one anomaly to the next; 0 s: none happens.
    #[serde(with = "humantime_serde")]
    pub anomaly_every: Duration,
    /// Only this anomaly happens; left out: one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<Anomaly>,
}

/// How the satellite is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// Coded frames to whoever connects, one at a time.
    #[default]
    Tcp,
    /// Coded frames, one to a datagram.
    UdpFrames,
    /// Bare packets, one to a datagram.
    UdpPackets,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output: Output::Tcp,
            address: "127.0.0.1:0".to_owned(),
            seed: 1,
            speed: 10.0,
            packet_rate: 4.0,
            bit_rate: 131_072,
            fill: false,
            bit_error_rate: 2e-5,
            first_anomaly: Duration::from_secs(40),
            anomaly_every: Duration::from_secs(180),
            anomaly: None,
        }
    }
}

impl Config {
    /// What is wrong with it: a key and what it may be.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = |key: &str, value: f64, least: f64, most: f64| {
            if value >= least && value <= most {
                Ok(())
            } else {
                Err(format!("`{key}` must be from {least} to {most}"))
            }
        };
        within("speed", self.speed, 0.0, 1000.0)?;
        within("packet_rate", self.packet_rate, 0.01, 100_000.0)?;
        within("bit_error_rate", self.bit_error_rate, 0.0, 0.5)?;
        if self.bit_rate != 0 && self.bit_rate < CODED_FRAME * 8 / 10 {
            return Err("`bit_rate` must be 0 or enough for a frame in ten seconds".to_owned());
        }
        Ok(())
    }

    /// Time that a frame takes on the channel; nothing where the socket sets the pace.
    pub fn frame_interval(&self) -> Duration {
        match self.bit_rate {
            0 => Duration::ZERO,
            rate => Duration::from_nanos(CODED_FRAME * 8 * 1_000_000_000 / rate),
        }
    }
}

/// The managed parameters of the link file.
///
/// # Panics
/// Never: a test reads the file.
#[allow(clippy::expect_used)]
pub fn link_parameters() -> LinkParameters {
    LinkParameters::from_toml(LINK_FILE).expect("the link file of the program is right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_file_is_right_and_its_frames_are_as_long_as_said() {
        let link = link_parameters();
        assert_eq!(link.unit_length() as u64, CODED_FRAME);
        assert!(link.packet.time.is_some());
    }
}
