//! Packets of the subsystem Obc: on-board computer and software.

use super::layout::{Field, Packet, flag, integer, signed, unsigned, value};

/// State of the on-board computer.
pub(super) const OBC_PACKET: Packet = Packet {
    name: "/PerigeeSat/Obc/ObcPacket",
    apid: 1,
    fields: &[
        value("ObcMode", integer(8), |s| if s.obc.safe { 1.0 } else { 2.0 }),
        value("BootCount", integer(16), |s| f64::from(s.obc.boots)),
        value("ResetCause", integer(8), |_| 2.0),
        value("Uptime", unsigned(32, 0.1, 0.0), |s| s.obc.uptime),
        Field::Text { name: "SoftwareVersion", length: 16, value: |_| "PSW 4.2.1" },
        value("CpuLoad", unsigned(8, 0.5, 0.0), |s| s.obc.cpu_load * 100.0),
        value("MemoryUsed", integer(32), |s| s.obc.memory_used),
        value("LogUsed", integer(32), |s| s.obc.log_used),
        value("MemoryCorrections", integer(32), |s| f64::from(s.obc.memory_corrections)),
        value("ControlCycles", integer(32), |s| (s.obc.cycles % (1 << 32)) as f64),
        value("EventCount", integer(32), |s| f64::from(s.obc.events)),
        value("CommandsAccepted", integer(16), |s| f64::from(s.obc.commands.0)),
        value("CommandsRejected", integer(16), |s| f64::from(s.obc.commands.1)),
        value("ClockError", signed(16, 0.001, 0.0), |s| s.obc.clock_error),
        flag("TimeSynchronised", |_| true),
        flag("WatchdogEnabled", |_| true),
        flag("RedundantUnit", |_| false),
        Field::Spare(5),
        value("AnomalyFound", integer(8), |s| {
            s.anomalies.current().map_or(0.0, |anomaly| f64::from(1 + anomaly as u8))
        }),
    ],
};
