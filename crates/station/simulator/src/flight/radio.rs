//! Packets of the subsystem Radio: transmitter and receiver.

use super::layout::{Field, Packet, flag, integer, signed, unsigned, value};

/// State of the radio.
pub(super) const RADIO_PACKET: Packet = Packet {
    name: "/PerigeeSat/Radio/RadioPacket",
    apid: 96,
    fields: &[
        flag("TransmitterOn", |_| true),
        flag("CarrierLock", |s| s.radio.carrier_lock()),
        flag("BitLock", |s| s.radio.bit_lock()),
        Field::Spare(5),
        value("Modulation", integer(8), |_| 2.0),
        value("CodingScheme", integer(8), |_| 1.0),
        value("TransmitPower", unsigned(16, 0.01, 0.0), |s| s.radio.transmit_power),
        value("ReflectedPower", signed(16, 0.01, 0.0), |s| s.radio.reflected_power),
        value("DownlinkFrequency", integer(32), |_| 2_245_000_000.0),
        value("UplinkStrength", signed(16, 0.01, 0.0), |s| s.radio.uplink_strength),
        value("UplinkEbN0", signed(16, 0.01, 0.0), |s| s.radio.uplink_eb_n0),
        value("UplinkOffset", signed(24, 0.1, 0.0), |s| s.radio.uplink_offset),
        value("FramesSent", integer(32), |s| s.radio.frames_sent as f64),
        value("FramesReceived", integer(32), |s| f64::from(s.radio.frames_received)),
    ],
};
