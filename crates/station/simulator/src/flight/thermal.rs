//! Packets of the subsystem Thermal: temperatures and heaters.

use super::layout::{Coding, Field, Packet, flag, unsigned, value};
use crate::model::thermal::Node;

/// Thermistors and heaters.
pub(super) const THERMAL_PACKET: Packet = Packet {
    name: "/PerigeeSat/Thermal/ThermalPacket",
    apid: 32,
    fields: &[
        value("StructureTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Structure as usize]),
        value("BatteryTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Battery as usize]),
        value("ObcTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Obc as usize]),
        value("ElectronicsTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::Electronics as usize]
        }),
        value("TransmitterTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::Transmitter as usize]
        }),
        value("OpticsTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Optics as usize]),
        value("DetectorTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Detector as usize]),
        value("WheelsTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::Wheels as usize]),
        value("StarTrackerTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::StarTracker as usize]
        }),
        value("PanelPlusXTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::PanelPlusX as usize]),
        value("PanelMinusXTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::PanelMinusX as usize]
        }),
        value("PanelPlusYTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::PanelPlusY as usize]),
        value("PanelMinusYTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::PanelMinusY as usize]
        }),
        value("PanelMinusZTemperature", Coding::Thermistor, |s| {
            s.thermal.measured[Node::PanelMinusZ as usize]
        }),
        value("WingPlusYTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::WingPlusY as usize]),
        value("WingMinusYTemperature", Coding::Thermistor, |s| s.thermal.measured[Node::WingMinusY as usize]),
        flag("BatteryHeater", |s| s.thermal.heaters[0]),
        flag("OpticsHeater", |s| s.thermal.heaters[1]),
        flag("StarTrackerHeater", |s| s.thermal.heaters[2]),
        flag("DetectorHeater", |s| s.thermal.heaters[3]),
        Field::Spare(4),
        value("HeaterTotal", unsigned(16, 0.01, 0.0), |s| s.thermal.heater_consumption()),
    ],
};
