//! Attitude: a rigid body turned by four reaction wheels in a pyramid, magnetorquers that unload them, and the
//! sensors that tell.
//!
//! Body axes: +Z to nadir, where the instrument looks; +X along the flight; the wings turn about Y and follow
//! the Sun.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use glam::{DMat3, DQuat, DVec3};

use super::Noise;
use super::orbit::Orbit;

/// Principal moments of inertia, kg m².
const INERTIA: DVec3 = DVec3::new(6.1, 7.4, 5.2);
/// Natural frequency of the control loop, rad/s, and its damping.
const BANDWIDTH: f64 = 0.06;
const DAMPING: f64 = 0.9;
/// The controller's period, seconds; also the step of its integration.
const CONTROL_PERIOD: f64 = 0.25;
/// Torque that one wheel can give, N m.
const WHEEL_TORQUE_MAX: f64 = 0.03;
/// Inertia of a wheel, kg m².
const WHEEL_INERTIA: f64 = 1.2e-3;
/// Torque of a wheel's motor for one ampere, N m/A.
const MOTOR_CONSTANT: f64 = 0.03;
/// Spin axes rise this far out of the X-Y plane.
const PYRAMID_SIN: f64 = 0.577_350_269_189_626;
const PYRAMID_COS: f64 = 0.816_496_580_927_726;
/// Wheel speed that unloading aims at, rad/s; alternate wheels turn the other way, so their sum vanishes.
const SPIN: f64 = 160.0;
/// Air, sunlight and the field turn the satellite with about this much, N m.
const DISTURBANCE: DVec3 = DVec3::new(1.6e-5, -2.4e-5, 0.7e-5);
/// Largest moment of a magnetorquer, A m².
const DIPOLE_MAX: f64 = 6.0;
/// Volts and watts of a wheel's electronics at rest.
const WHEEL_STANDBY_POWER: f64 = 0.6;
const WHEEL_VOLTAGE: f64 = 12.0;

/// The star tracker looks to the sky on the side away from the Sun; closer to it than this angle the Sun blinds it.
const TRACKER: DVec3 = DVec3::new(0.0, FRAC_1_SQRT_2, -FRAC_1_SQRT_2);
const TRACKER_EXCLUSION: f64 = 30.0 / 360.0 * TAU;

/// What the controller aims at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PointingMode {
    /// Wings to the Sun, everything else secondary.
    Sun = 2,
    /// The instrument to the point below.
    Nadir = 3,
    /// The instrument to a strip beside the track.
    Target = 4,
}

/// One reaction wheel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wheel {
    /// Rad/s.
    pub speed: f64,
    /// Torque on the satellite about the spin axis, N m.
    pub torque: f64,
    /// A.
    pub current: f64,
    /// Degrees Celsius.
    pub temperature: f64,
}

/// Orientation, rotation, actuators and sensors.
#[derive(Clone, Debug)]
pub struct Attitude {
    /// What the controller aims at.
    pub mode: PointingMode,
    /// Turns body vectors into inertial ones.
    pub orientation: DQuat,
    /// The orientation that is aimed at.
    pub target: DQuat,
    /// Angular velocity in body axes, rad/s.
    pub rate: DVec3,
    /// Angle between the orientation and its target, degrees.
    pub error: f64,
    /// The wheels.
    pub wheels: [Wheel; 4],
    /// Moments of the magnetorquers, A m².
    pub dipole: DVec3,
    /// Angle of the wings about Y, degrees.
    pub wing_angle: f64,
    /// What the gyroscopes measure, degrees/s.
    pub gyro: DVec3,
    /// What the magnetometer measures, microtesla.
    pub magnetometer: DVec3,
    /// What the sun sensor measures: a unit vector, or nothing in the shadow.
    pub sun_sensor: DVec3,
    /// Stars that the star tracker follows; below four it gives no attitude.
    pub stars: u8,
    gyro_bias: DVec3,
    unspent: f64,
}

impl Attitude {
    /// At rest in the orbital frame.
    pub fn nadir(orbit: &Orbit) -> Self {
        let (orientation, rate) = orbital_frame(orbit);
        let mut wheels = [Wheel { temperature: 21.0, ..Wheel::default() }; 4];
        for (wheel, sign) in wheels.iter_mut().zip(NULL_DIRECTION) {
            wheel.speed = sign * SPIN;
        }
        Self {
            mode: PointingMode::Nadir,
            orientation,
            target: orientation,
            rate: orientation.inverse() * rate,
            error: 0.0,
            wheels,
            dipole: DVec3::ZERO,
            wing_angle: 0.0,
            gyro: DVec3::ZERO,
            magnetometer: DVec3::ZERO,
            sun_sensor: DVec3::ZERO,
            stars: 14,
            gyro_bias: DVec3::new(2.1e-4, -3.4e-4, 1.2e-4),
            unspent: 0.0,
        }
    }

    /// An inertial vector in body axes.
    pub fn to_body(&self, inertial: DVec3) -> DVec3 {
        self.orientation.inverse() * inertial
    }

    /// Share of the sunlight that falls on the wings, which turn about Y.
    pub fn wing_incidence(&self, orbit: &Orbit) -> f64 {
        let sun = self.to_body(orbit.sun);
        (1.0 - sun.y * sun.y).max(0.0).sqrt()
    }

    /// Watts that the wheels take.
    pub fn wheel_consumption(&self) -> f64 {
        self.wheels.iter().map(|wheel| WHEEL_STANDBY_POWER + WHEEL_VOLTAGE * wheel.current).sum()
    }

    /// Lets time pass; `friction` multiplies the drag of the second wheel.
    pub fn advance(&mut self, seconds: f64, mode: PointingMode, friction: f64, orbit: &Orbit) {
        self.mode = mode;
        self.unspent += seconds;
        while self.unspent >= CONTROL_PERIOD {
            self.unspent -= CONTROL_PERIOD;
            self.control(CONTROL_PERIOD, friction, orbit);
        }
        let sun = self.to_body(orbit.sun);
        self.wing_angle = sun.x.atan2(-sun.z).to_degrees();
    }

    fn control(&mut self, dt: f64, friction: f64, orbit: &Orbit) {
        let (target, rate) = self.aim(orbit);
        self.target = target;
        let body = self.orientation.inverse();
        let mut turn = body * target;
        if turn.w < 0.0 {
            turn = -turn;
        }
        self.error = (2.0 * turn.w.clamp(-1.0, 1.0).acos()).to_degrees();
        let lag = body * rate - self.rate;
        let momentum = INERTIA * self.rate + wheel_momentum(&self.wheels);
        let wanted = INERTIA * (2.0 * BANDWIDTH * BANDWIDTH * turn.xyz() + 2.0 * DAMPING * BANDWIDTH * lag)
            + self.rate.cross(momentum);
        let given = self.turn_wheels(wanted, dt, friction);
        let unloading = self.unload(self.to_body(orbit.magnetic_field()));

        let torque = given + unloading + DISTURBANCE - self.rate.cross(momentum);
        self.rate += torque / INERTIA * dt;
        let step = self.rate * dt;
        self.orientation = (self.orientation * DQuat::from_scaled_axis(step)).normalize();
    }

    /// Orientation and inertial angular velocity that the mode asks for.
    fn aim(&self, orbit: &Orbit) -> (DQuat, DVec3) {
        let (nadir, rate) = orbital_frame(orbit);
        match self.mode {
            PointingMode::Nadir => (nadir, rate),
            PointingMode::Target => (nadir * DQuat::from_rotation_x(12.0 / 360.0 * TAU), rate),
            PointingMode::Sun => {
                // -Z to the Sun, Y as near to the orbit's normal as that leaves it: at rest among the stars.
                let z = -orbit.sun;
                let y = (-orbit.normal()).reject_from_normalized(z).normalize();
                (DQuat::from_mat3(&DMat3::from_cols(y.cross(z), y, z)), DVec3::ZERO)
            }
        }
    }

    /// Spreads a torque over the wheels; what they can give of it comes back.
    fn turn_wheels(&mut self, wanted: DVec3, dt: f64, friction: f64) -> DVec3 {
        let mut given = DVec3::ZERO;
        for (index, wheel) in self.wheels.iter_mut().enumerate() {
            let axis = spin_axis(index);
            // The four axes are spread evenly: the sum of a_i a_i^T is 4/3 of the identity.
            let share = axis.dot(wanted) * 0.75;
            wheel.torque = share.clamp(-WHEEL_TORQUE_MAX, WHEEL_TORQUE_MAX);
            given += axis * wheel.torque;
            wheel.speed -= wheel.torque / WHEEL_INERTIA * dt;
            let drag = (1.4e-3 + 4.0e-6 * wheel.speed.abs()) * if index == 1 { friction } else { 1.0 };
            wheel.current = (wheel.torque.abs() + drag) / MOTOR_CONSTANT;
            let warmth = 18.0 + 38.0 * wheel.current;
            wheel.temperature += (warmth - wheel.temperature) * dt / 240.0;
        }
        given
    }

    /// The magnetorquers take momentum out of the wheels wherever the field allows it.
    fn unload(&mut self, field: DVec3) -> DVec3 {
        let field = field * 1e-6;
        let excess = wheel_momentum(&self.wheels);
        let dipole = excess.cross(field) * (4e-3 / field.length_squared());
        self.dipole = dipole.clamp(DVec3::splat(-DIPOLE_MAX), DVec3::splat(DIPOLE_MAX));
        self.dipole.cross(field)
    }

    /// What the sensors say now.
    pub fn measure(&mut self, orbit: &Orbit, noise: &mut Noise) {
        let mut jitter =
            |deviation| DVec3::new(noise.normal(deviation), noise.normal(deviation), noise.normal(deviation));
        self.gyro = DVec3::from(self.rate.to_array().map(f64::to_degrees)) + self.gyro_bias + jitter(8e-4);
        self.magnetometer = self.to_body(orbit.magnetic_field()) + jitter(0.06);
        let sun = self.to_body(orbit.sun);
        self.sun_sensor = if orbit.sunlight > 0.05 { (sun + jitter(2e-3)).normalize() } else { DVec3::ZERO };
        let blinded = orbit.sunlight > 0.0 && sun.dot(TRACKER) > TRACKER_EXCLUSION.cos();
        let wandering = 14.0 + 4.0 * (self.wing_angle.to_radians()).sin() + noise.normal(1.2);
        self.stars = if blinded { 0 } else { wandering.clamp(6.0, 24.0) as u8 };
    }
}

/// Speeds along this direction cancel out.
const NULL_DIRECTION: [f64; 4] = [1.0, -1.0, 1.0, -1.0];

fn spin_axis(index: usize) -> DVec3 {
    let (sin, cos) = ((index as f64 + 0.5) * TAU / 4.0).sin_cos();
    DVec3::new(PYRAMID_COS * cos, PYRAMID_COS * sin, PYRAMID_SIN)
}

fn wheel_momentum(wheels: &[Wheel; 4]) -> DVec3 {
    wheels.iter().enumerate().map(|(index, wheel)| spin_axis(index) * (wheel.speed * WHEEL_INERTIA)).sum()
}

/// Orientation and angular velocity of the frame that looks down and flies forward.
fn orbital_frame(orbit: &Orbit) -> (DQuat, DVec3) {
    let z = -orbit.position.normalize();
    let y = -orbit.normal();
    let frame = DQuat::from_mat3(&DMat3::from_cols(y.cross(z), y, z));
    (frame, orbit.position.cross(orbit.velocity) / orbit.position.length_squared())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: f64 = 1_795_392_000.0;

    fn fly(attitude: &mut Attitude, orbit: &mut Orbit, mode: PointingMode, seconds: u32) {
        for _ in 0..seconds {
            orbit.advance(1.0);
            attitude.advance(1.0, mode, 1.0, orbit);
        }
    }

    #[test]
    fn it_points_and_slews_and_points_again() {
        let mut orbit = Orbit::new(EPOCH, 0.3);
        let mut attitude = Attitude::nadir(&orbit);
        fly(&mut attitude, &mut orbit, PointingMode::Nadir, 600);
        assert!(attitude.error < 0.1, "{} degrees off nadir", attitude.error);
        let down = attitude.to_body(-orbit.position.normalize());
        assert!(down.z > 0.999_99);
        for mode in [PointingMode::Target, PointingMode::Sun, PointingMode::Nadir] {
            fly(&mut attitude, &mut orbit, mode, 1200);
            assert!(attitude.error < 0.2, "{} degrees off in {mode:?}", attitude.error);
        }
    }

    #[test]
    fn wheels_stay_within_their_speed_over_a_day() {
        let mut orbit = Orbit::new(EPOCH, 0.0);
        let mut attitude = Attitude::nadir(&orbit);
        for _ in 0..24 {
            fly(&mut attitude, &mut orbit, PointingMode::Nadir, 3600);
            for wheel in &attitude.wheels {
                assert!((20.0..400.0).contains(&wheel.speed.abs()), "{} rad/s", wheel.speed);
                assert!((0.03..0.3).contains(&wheel.current), "{} A", wheel.current);
            }
        }
    }

    #[test]
    fn friction_costs_current() {
        let mut orbit = Orbit::new(EPOCH, 0.0);
        let mut attitude = Attitude::nadir(&orbit);
        orbit.advance(1.0);
        attitude.advance(1.0, PointingMode::Nadir, 6.0, &orbit);
        let others = attitude.wheels[0].current;
        assert!(attitude.wheels[1].current > 4.0 * others);
        assert!(attitude.error < 0.1);
    }
}
