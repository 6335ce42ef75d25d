//! Packets of the subsystem Power: solar arrays, battery, converters.

use super::layout::{Field, Member, Packet, flag, integer, signed, unsigned, value};
use crate::model::payload::PayloadMode;

/// State of the power subsystem.
pub(super) const POWER_PACKET: Packet = Packet {
    name: "/PerigeeSat/Power/PowerPacket",
    apid: 16,
    fields: &[
        value("PowerMode", integer(8), |s| f64::from(s.power.mode as u8)),
        flag("InSunlight", |s| s.power.array_available > 1.0),
        flag("HeaterBusOn", |s| !s.obc.safe),
        flag("PayloadBusOn", |s| s.payload.mode != PayloadMode::Off),
        flag("TransmitterBusOn", |_| true),
        Field::Spare(4),
        value("BatteryVoltage", unsigned(16, 0.001, 0.0), |s| s.power.battery_voltage),
        value("BatteryCurrent", signed(16, 0.001, 0.0), |s| s.power.battery_current),
        value("StateOfCharge", unsigned(16, 0.01, 0.0), |s| s.power.state_of_charge * 100.0),
        value("BatteryPower", signed(16, 0.01, 0.0), |s| s.power.battery_voltage * s.power.battery_current),
        value("BatteryCycles", unsigned(16, 0.1, 0.0), |s| s.power.cycles),
        Field::Array {
            name: "CellVoltage",
            count: 8,
            coding: unsigned(16, 0.0001, 0.0),
            value: |s, i| s.power.cells[i],
        },
        value("ArrayPower", unsigned(16, 0.01, 0.0), |s| s.power.array_power.max(0.0)),
        value("ArrayAvailable", unsigned(16, 0.01, 0.0), |s| s.power.array_available),
        Field::Group {
            name: "Strings",
            count: 4,
            members: &[
                Member {
                    name: "Voltage",
                    coding: unsigned(16, 0.001, 0.0),
                    value: |s, i| s.power.strings[i].0,
                },
                Member {
                    name: "Current",
                    coding: unsigned(16, 0.001, 0.0),
                    value: |s, i| s.power.strings[i].1,
                },
            ],
        },
        value("LoadPower", unsigned(16, 0.01, 0.0), |s| s.power.load_power),
        value("Rail12Voltage", unsigned(16, 0.001, 0.0), |s| s.power.rails[0].0),
        value("Rail12Current", unsigned(16, 0.001, 0.0), |s| s.power.rails[0].1),
        value("Rail5Voltage", unsigned(16, 0.001, 0.0), |s| s.power.rails[1].0),
        value("Rail5Current", unsigned(16, 0.001, 0.0), |s| s.power.rails[1].1),
        value("Rail3Voltage", unsigned(16, 0.001, 0.0), |s| s.power.rails[2].0),
        value("Rail3Current", unsigned(16, 0.001, 0.0), |s| s.power.rails[2].1),
        value("ObcPower", unsigned(16, 0.01, 0.0), |s| s.power.loads.obc),
        value("RadioPower", unsigned(16, 0.01, 0.0), |s| s.power.loads.radio),
        value("PayloadPower", unsigned(16, 0.01, 0.0), |s| s.power.loads.payload),
        value("WheelPower", unsigned(16, 0.01, 0.0), |s| s.power.loads.wheels),
        value("HeaterPower", unsigned(16, 0.01, 0.0), |s| s.power.loads.heaters),
    ],
};
