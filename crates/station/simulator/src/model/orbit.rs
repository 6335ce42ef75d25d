//! The orbit: Kepler's ellipse whose node and perigee drift by the Earth's oblateness (J2), the Sun's direction
//! to a hundredth of a degree, and the Earth's shadow with its penumbra.
//!
//! Vectors are in kilometres in the mean equatorial frame of date.

use std::f64::consts::TAU;

use glam::DVec3;

/// Gravitational parameter of the Earth, km³/s² (EGM96).
const MU: f64 = 398_600.441_8;
/// Equatorial radius of the Earth, km (WGS 84).
const EARTH_RADIUS: f64 = 6378.137;
/// Flattening of the Earth (WGS 84).
const FLATTENING: f64 = 1.0 / 298.257_223_563;
/// Second zonal harmonic (EGM96).
const J2: f64 = 1.082_626_7e-3;
/// Kilometres in an astronomical unit.
const ASTRONOMICAL_UNIT: f64 = 149_597_870.7;
/// Radius of the Sun, km.
const SUN_RADIUS: f64 = 695_700.0;
/// Unix time of the epoch J2000.0, near enough.
const J2000: f64 = 946_728_000.0;

/// Semi-major axis, km.
const SEMI_MAJOR_AXIS: f64 = EARTH_RADIUS + 550.0;
const ECCENTRICITY: f64 = 0.0012;
/// Sun-synchronous at this height.
const INCLINATION: f64 = 97.59 * TAU / 360.0;
/// The node lies this far east of the mean Sun: local time of the ascending node 10:30 p.m.
const NODE_FROM_SUN: f64 = 157.5 * TAU / 360.0;
/// Argument of perigee of a frozen orbit.
const ARGUMENT_OF_PERIGEE: f64 = TAU / 4.0;

/// Position, velocity and what surrounds the satellite.
#[derive(Clone, Debug)]
pub struct Orbit {
    /// Seconds of Unix time.
    time: f64,
    /// Seconds since the elements' epoch.
    since_epoch: f64,
    node_at_epoch: f64,
    mean_anomaly_at_epoch: f64,
    /// Km.
    pub position: DVec3,
    /// Km/s.
    pub velocity: DVec3,
    /// Unit vector to the Sun.
    pub sun: DVec3,
    /// How much of the Sun is seen: 0 in the umbra, 1 outside the penumbra.
    pub sunlight: f64,
    /// Geodetic latitude, degrees.
    pub latitude: f64,
    /// Longitude, degrees east, -180 to 180.
    pub longitude: f64,
    /// Height over the ellipsoid, km.
    pub altitude: f64,
    /// Revolutions since the elements' epoch.
    pub revolution: u32,
}

impl Orbit {
    /// The orbit at `epoch` (seconds of Unix time), the satellite at this mean anomaly (radians).
    pub fn new(epoch: f64, mean_anomaly: f64) -> Self {
        let mean_sun = mean_longitude_of_sun(epoch);
        let mut orbit = Self {
            time: epoch,
            since_epoch: 0.0,
            node_at_epoch: mean_sun + NODE_FROM_SUN,
            mean_anomaly_at_epoch: mean_anomaly,
            position: DVec3::X,
            velocity: DVec3::Y,
            sun: DVec3::X,
            sunlight: 1.0,
            latitude: 0.0,
            longitude: 0.0,
            altitude: 0.0,
            revolution: 0,
        };
        orbit.advance(0.0);
        orbit
    }

    /// The orbit with the satellite so many seconds before it leaves the shadow.
    pub fn before_sunrise(epoch: f64, seconds: f64) -> Self {
        let mut scout = Self::new(epoch, 0.0);
        let mut was_lit = true;
        // Two revolutions hold a whole night wherever they begin.
        for second in 0..=(2.0 * period()) as u32 {
            let lit = scout.sunlight > 0.5;
            if lit && !was_lit {
                let ahead = f64::from(second) - seconds;
                return Self::new(epoch, TAU * ahead / period());
            }
            was_lit = lit;
            scout.advance(1.0);
        }
        Self::new(epoch, 0.0)
    }

    /// Lets time pass.
    pub fn advance(&mut self, seconds: f64) {
        self.time += seconds;
        self.since_epoch += seconds;
        let t = self.since_epoch;

        // Secular rates by J2 (Vallado, Fundamentals of Astrodynamics, §9.6).
        let n = (MU / SEMI_MAJOR_AXIS.powi(3)).sqrt();
        let parameter = SEMI_MAJOR_AXIS * (1.0 - ECCENTRICITY * ECCENTRICITY);
        let factor = 1.5 * n * J2 * (EARTH_RADIUS / parameter).powi(2);
        let (sin_i, cos_i) = INCLINATION.sin_cos();
        let node = self.node_at_epoch - factor * cos_i * t;
        let perigee = ARGUMENT_OF_PERIGEE + factor * (2.0 - 2.5 * sin_i * sin_i) * t;
        let drift = factor * (1.0 - ECCENTRICITY * ECCENTRICITY).sqrt() * (1.0 - 1.5 * sin_i * sin_i);
        let mean_anomaly = self.mean_anomaly_at_epoch + (n + drift) * t;

        let eccentric = eccentric_anomaly(mean_anomaly.rem_euclid(TAU));
        let (sin_e, cos_e) = eccentric.sin_cos();
        let minor = (1.0 - ECCENTRICITY * ECCENTRICITY).sqrt();
        let (x, y) = (SEMI_MAJOR_AXIS * (cos_e - ECCENTRICITY), SEMI_MAJOR_AXIS * minor * sin_e);
        let speed = n * SEMI_MAJOR_AXIS / (1.0 - ECCENTRICITY * cos_e);
        let (vx, vy) = (-speed * sin_e, speed * minor * cos_e);
        let (sin_w, cos_w) = perigee.sin_cos();
        let (sin_o, cos_o) = node.sin_cos();
        let p = DVec3::new(
            cos_o * cos_w - sin_o * sin_w * cos_i,
            sin_o * cos_w + cos_o * sin_w * cos_i,
            sin_w * sin_i,
        );
        let q = DVec3::new(
            -cos_o * sin_w - sin_o * cos_w * cos_i,
            -sin_o * sin_w + cos_o * cos_w * cos_i,
            cos_w * sin_i,
        );
        self.position = x * p + y * q;
        self.velocity = vx * p + vy * q;
        let from_node = mean_anomaly + ARGUMENT_OF_PERIGEE;
        self.revolution = (from_node / TAU).max(0.0) as u32;
        self.sun = sun_direction(self.time);
        self.sunlight = sunlight(self.position, self.sun);
        self.locate();
    }

    /// Seconds of Unix time.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Unit vector along the orbit normal.
    pub fn normal(&self) -> DVec3 {
        self.position.cross(self.velocity).normalize()
    }

    /// Angle between the Sun and the orbital plane, degrees.
    pub fn beta(&self) -> f64 {
        self.normal().dot(self.sun).clamp(-1.0, 1.0).asin().to_degrees()
    }

    /// The Earth's magnetic field here, microtesla: a dipole tilted as in 2025 (IGRF-14, first degree).
    pub fn magnetic_field(&self) -> DVec3 {
        let sidereal = sidereal_angle(self.time);
        let axis = spherical(80.8_f64.to_radians(), -72.8_f64.to_radians() + sidereal);
        let r = self.position.normalize();
        let strength = 29.7 * (EARTH_RADIUS / self.position.length()).powi(3);
        strength * (axis - 3.0 * axis.dot(r) * r)
    }

    fn locate(&mut self) {
        let DVec3 { x, y, z } = self.position;
        let longitude = y.atan2(x) - sidereal_angle(self.time);
        let flat = x.hypot(y);
        // Bowring's formula, one pass: better than a metre at this height.
        let polar = EARTH_RADIUS * (1.0 - FLATTENING);
        let e2 = FLATTENING * (2.0 - FLATTENING);
        let (sin_u, cos_u) = (z * EARTH_RADIUS).atan2(flat * polar).sin_cos();
        let second = e2 / (1.0 - e2);
        let latitude = (z + second * polar * sin_u.powi(3)).atan2(flat - e2 * EARTH_RADIUS * cos_u.powi(3));
        let curvature = EARTH_RADIUS / (1.0 - e2 * latitude.sin().powi(2)).sqrt();
        self.latitude = latitude.to_degrees();
        self.longitude = (longitude.to_degrees() + 180.0).rem_euclid(360.0) - 180.0;
        self.altitude =
            flat * latitude.cos() + z * latitude.sin() - curvature * (1.0 - e2 * latitude.sin().powi(2));
    }
}

/// Seconds of one revolution.
pub fn period() -> f64 {
    TAU * (SEMI_MAJOR_AXIS.powi(3) / MU).sqrt()
}

/// Kepler's equation by Newton's method, which needs few rounds for an orbit this round.
fn eccentric_anomaly(mean_anomaly: f64) -> f64 {
    let mut eccentric = mean_anomaly;
    for _ in 0..5 {
        let error = eccentric - ECCENTRICITY * eccentric.sin() - mean_anomaly;
        eccentric -= error / (1.0 - ECCENTRICITY * eccentric.cos());
    }
    eccentric
}

fn days_since_j2000(time: f64) -> f64 {
    (time - J2000) / 86_400.0
}

/// The Astronomical Almanac's low-precision formula, §C.
fn mean_longitude_of_sun(time: f64) -> f64 {
    (280.460 + 0.985_647_4 * days_since_j2000(time)).to_radians().rem_euclid(TAU)
}

fn sun_direction(time: f64) -> DVec3 {
    let days = days_since_j2000(time);
    let anomaly = (357.528 + 0.985_600_3 * days).to_radians();
    let longitude =
        mean_longitude_of_sun(time) + (1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
    let obliquity = (23.439 - 4.0e-7 * days).to_radians();
    let (sin, cos) = longitude.sin_cos();
    DVec3::new(cos, obliquity.cos() * sin, obliquity.sin() * sin)
}

/// Greenwich mean sidereal time as an angle.
fn sidereal_angle(time: f64) -> f64 {
    (280.460_618_37 + 360.985_647_366_29 * days_since_j2000(time)).to_radians().rem_euclid(TAU)
}

fn spherical(latitude: f64, longitude: f64) -> DVec3 {
    let (sin, cos) = longitude.sin_cos();
    DVec3::new(latitude.cos() * cos, latitude.cos() * sin, latitude.sin())
}

/// How much of the Sun's disc the Earth leaves: between first and last contact the share grows evenly with the
/// angle, which is close enough for eight seconds of dusk.
fn sunlight(position: DVec3, sun: DVec3) -> f64 {
    let distance = position.length();
    let earth = (EARTH_RADIUS / distance).min(1.0).asin();
    let disc = (SUN_RADIUS / ASTRONOMICAL_UNIT).asin();
    let separation = (-position / distance).dot(sun).clamp(-1.0, 1.0).acos();
    ((separation - (earth - disc)) / (2.0 * disc)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23T00:00:00 UTC.
    const EPOCH: f64 = 1_795_392_000.0;

    #[test]
    fn the_dark_share_of_an_orbit_is_what_geometry_says() {
        let mut orbit = Orbit::new(EPOCH, 0.0);
        let beta = orbit.beta().to_radians();
        let a = SEMI_MAJOR_AXIS;
        let expected = ((a * a - EARTH_RADIUS * EARTH_RADIUS).sqrt() / (a * beta.cos())).acos() * 2.0 / TAU;
        let seconds = period() as u32;
        let dark = (0..seconds)
            .filter(|_| {
                orbit.advance(1.0);
                orbit.sunlight < 0.5
            })
            .count();
        let share = dark as f64 / f64::from(seconds);
        assert!((share - expected).abs() < 0.005, "{share} of the orbit is dark, {expected} expected");
        assert!((0.3..0.4).contains(&share));
    }

    #[test]
    fn the_orbit_stays_with_the_sun() {
        let beta = Orbit::new(EPOCH, 0.0).beta();
        let mut later = Orbit::new(EPOCH, 0.0);
        later.advance(20.0 * 86_400.0);
        // The equation of time moves it by some degrees over a year, not over three weeks.
        assert!((later.beta() - beta).abs() < 3.0, "{beta} then {}", later.beta());
    }

    #[test]
    fn energy_and_height_stay_within_the_ellipse() {
        let mut orbit = Orbit::new(EPOCH, 1.0);
        for _ in 0..600 {
            orbit.advance(10.0);
            let energy = orbit.velocity.length_squared() / 2.0 - MU / orbit.position.length();
            assert!((energy + MU / (2.0 * SEMI_MAJOR_AXIS)).abs() < 1e-6);
            assert!((535.0..585.0).contains(&orbit.altitude), "{} km", orbit.altitude);
            assert!(orbit.latitude.abs() < 83.0);
            let field = orbit.magnetic_field().length();
            assert!((15.0..55.0).contains(&field), "{field} microtesla");
        }
    }

    #[test]
    fn it_starts_shortly_before_sunrise() {
        let mut orbit = Orbit::before_sunrise(EPOCH, 240.0);
        assert!(orbit.sunlight < 0.5);
        orbit.advance(225.0);
        assert!(orbit.sunlight < 0.5);
        orbit.advance(30.0);
        assert!(orbit.sunlight > 0.5);
    }

    #[test]
    fn the_sun_stands_where_the_almanac_has_it() {
        // 2025-06-21T02:42 UTC, the solstice: declination +23.44 degrees, right ascension 6 h.
        let sun = sun_direction(1_750_473_720.0);
        assert!((sun.z.asin().to_degrees() - 23.436).abs() < 0.01);
        assert!((sun.y.atan2(sun.x).to_degrees() - 90.0).abs() < 0.05);
    }
}
