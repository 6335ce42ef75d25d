//! Packets of the subsystem Orbit: position, velocity, what surrounds the satellite.

use super::layout::{Coding, Packet, integer, signed, unsigned, value};

/// Navigation.
pub(super) const ORBIT_PACKET: Packet = Packet {
    name: "/PerigeeSat/Orbit/OrbitPacket",
    apid: 64,
    fields: &[
        value("FixType", integer(8), |_| 3.0),
        value("SatellitesUsed", integer(8), |s| 9.0 + (s.elapsed / 300.0).sin().abs() * 4.0),
        value("Position.X", Coding::Float64, |s| s.orbit.position.x),
        value("Position.Y", Coding::Float64, |s| s.orbit.position.y),
        value("Position.Z", Coding::Float64, |s| s.orbit.position.z),
        value("Velocity.X", Coding::Float32, |s| s.orbit.velocity.x),
        value("Velocity.Y", Coding::Float32, |s| s.orbit.velocity.y),
        value("Velocity.Z", Coding::Float32, |s| s.orbit.velocity.z),
        value("Latitude", Coding::Float32, |s| s.orbit.latitude),
        value("Longitude", Coding::Float32, |s| s.orbit.longitude),
        value("Altitude", Coding::Float32, |s| s.orbit.altitude),
        value("Sunlight", unsigned(8, 0.5, 0.0), |s| s.orbit.sunlight * 100.0),
        value("Revolution", integer(32), |s| f64::from(s.orbit.revolution)),
        value("BetaAngle", signed(16, 0.01, 0.0), |s| s.orbit.beta()),
    ],
};
