//! Packets of the subsystem Attitude: attitude determination and control.

use super::layout::{Coding, Field, Member, Packet, flag, integer, signed, unsigned, value};

/// Orientation and rotation.
pub(super) const ATTITUDE_PACKET: Packet = Packet {
    name: "/PerigeeSat/Attitude/AttitudePacket",
    apid: 48,
    fields: &[
        value("PointingMode", integer(8), |s| f64::from(s.attitude.mode as u8)),
        value("Quaternion.Q1", Coding::Float32, |s| s.attitude.orientation.x),
        value("Quaternion.Q2", Coding::Float32, |s| s.attitude.orientation.y),
        value("Quaternion.Q3", Coding::Float32, |s| s.attitude.orientation.z),
        value("Quaternion.Q4", Coding::Float32, |s| s.attitude.orientation.w),
        value("TargetQuaternion.Q1", Coding::Float32, |s| s.attitude.target.x),
        value("TargetQuaternion.Q2", Coding::Float32, |s| s.attitude.target.y),
        value("TargetQuaternion.Q3", Coding::Float32, |s| s.attitude.target.z),
        value("TargetQuaternion.Q4", Coding::Float32, |s| s.attitude.target.w),
        value("Rate.X", Coding::Float32, |s| s.attitude.gyro.x),
        value("Rate.Y", Coding::Float32, |s| s.attitude.gyro.y),
        value("Rate.Z", Coding::Float32, |s| s.attitude.gyro.z),
        value("PointingError", unsigned(16, 0.003, 0.0), |s| s.attitude.error),
        value("WingAngle", signed(16, 0.01, 0.0), |s| s.attitude.wing_angle),
    ],
};

/// Attitude sensors.
pub(super) const SENSOR_PACKET: Packet = Packet {
    name: "/PerigeeSat/Attitude/SensorPacket",
    apid: 49,
    fields: &[
        value("SunVector.X", signed(16, 0.0001, 0.0), |s| s.attitude.sun_sensor.x),
        value("SunVector.Y", signed(16, 0.0001, 0.0), |s| s.attitude.sun_sensor.y),
        value("SunVector.Z", signed(16, 0.0001, 0.0), |s| s.attitude.sun_sensor.z),
        value("MagneticField.X", signed(16, 0.01, 0.0), |s| s.attitude.magnetometer.x),
        value("MagneticField.Y", signed(16, 0.01, 0.0), |s| s.attitude.magnetometer.y),
        value("MagneticField.Z", signed(16, 0.01, 0.0), |s| s.attitude.magnetometer.z),
        value("StarsTracked", integer(8), |s| f64::from(s.attitude.stars)),
        flag("StarTrackerValid", |s| s.attitude.stars >= 4),
        flag("SunPresent", |s| s.attitude.sun_sensor != glam::DVec3::ZERO),
        flag("GyroHealthy", |_| true),
        Field::Spare(5),
        value("Dipole.X", signed(16, 0.001, 0.0), |s| s.attitude.dipole.x),
        value("Dipole.Y", signed(16, 0.001, 0.0), |s| s.attitude.dipole.y),
        value("Dipole.Z", signed(16, 0.001, 0.0), |s| s.attitude.dipole.z),
    ],
};

/// Reaction wheels.
pub(super) const WHEEL_PACKET: Packet = Packet {
    name: "/PerigeeSat/Attitude/WheelPacket",
    apid: 50,
    fields: &[Field::Group {
        name: "Wheels",
        count: 4,
        members: &[
            Member {
                name: "Speed",
                coding: signed(16, 0.2, 0.0),
                value: |s, i| s.attitude.wheels[i].speed * 30.0 / std::f64::consts::PI,
            },
            Member {
                name: "Torque",
                coding: signed(16, 2e-06, 0.0),
                value: |s, i| s.attitude.wheels[i].torque,
            },
            Member {
                name: "Current",
                coding: unsigned(16, 0.0001, 0.0),
                value: |s, i| s.attitude.wheels[i].current,
            },
            Member {
                name: "Temperature",
                coding: signed(16, 0.01, 0.0),
                value: |s, i| s.attitude.wheels[i].temperature,
            },
        ],
    }],
};
