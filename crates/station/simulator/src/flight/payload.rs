//! Packets of the subsystem Payload: imaging spectrometer.

use super::layout::{Field, Packet, flag, integer, signed, unsigned, value};
use crate::model::payload::STORE_MAX;
use crate::model::thermal::Node;

/// State of the instrument.
pub(super) const PAYLOAD_PACKET: Packet = Packet {
    name: "/PerigeeSat/Payload/PayloadPacket",
    apid: 80,
    fields: &[
        value("PayloadMode", integer(8), |s| f64::from(s.payload.mode as u8)),
        flag("ShutterOpen", |s| s.payload.shutter_open),
        Field::Spare(7),
        value("FramesTaken", integer(32), |s| f64::from(s.payload.frames)),
        value("Exposure", unsigned(16, 0.01, 0.0), |s| s.payload.exposure),
        value("StoredData", integer(40), |s| s.payload.stored),
        value("StoreFill", unsigned(16, 0.01, 0.0), |s| s.payload.stored / STORE_MAX * 100.0),
        value("SupplyVoltage", unsigned(16, 0.001, 0.0), |s| s.payload.supply.0),
        value("SupplyCurrent", unsigned(16, 0.001, 0.0), |s| s.payload.supply.1),
        value("CoolerRate", unsigned(16, 0.01, 0.0), |s| s.payload.cooler_rate),
        value("OpticsBenchTemperature", signed(16, 0.01, 0.0), |s| s.thermal.measured[Node::Optics as usize]),
        value("FocalPlaneTemperature", signed(16, 0.01, 0.0), |s| {
            s.thermal.measured[Node::Detector as usize]
        }),
    ],
};

/// The latest spectrum.
pub(super) const SPECTRUM_PACKET: Packet = Packet {
    name: "/PerigeeSat/Payload/SpectrumPacket",
    apid: 81,
    fields: &[
        value("SpectrumFrame", integer(32), |s| f64::from(s.payload.frames)),
        Field::Array {
            name: "Spectrum",
            count: 32,
            coding: integer(16),
            value: |s, i| f64::from(s.payload.spectrum[i]),
        },
    ],
};
