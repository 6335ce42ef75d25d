//! Power: two wings of two strings each, a lithium-ion battery of eight cells on an unregulated bus, three
//! converters, and the loads.

use super::Noise;

/// Cells in series.
pub const CELLS: usize = 8;
/// Capacity, ampere-seconds.
const CAPACITY: f64 = 6.0 * 3600.0;
/// Resistance of the whole battery, ohm.
const RESISTANCE: f64 = 0.16;
/// The charger holds the battery at or below this voltage.
pub const CHARGE_VOLTAGE: f64 = 33.2;
/// The charger's largest current, A.
const CHARGE_CURRENT_MAX: f64 = 4.0;
/// Share of the charge that the cells keep.
const CHARGE_EFFICIENCY: f64 = 0.985;
/// Watts of one string in full sunlight at 28 degrees Celsius.
const STRING_POWER: f64 = 47.0;
/// Strings.
pub const STRINGS: usize = 4;
/// A string gives this share less for each degree.
const STRING_TEMPERATURE_COEFFICIENT: f64 = 0.0041;
/// What remains behind the converters.
const CONVERTER_EFFICIENCY: f64 = 0.92;

/// Open-circuit voltage of a cell by state of charge.
const CELL_VOLTAGE: [(f64, f64); 8] =
    [(0.0, 3.0), (0.05, 3.34), (0.15, 3.52), (0.3, 3.64), (0.5, 3.76), (0.7, 3.92), (0.9, 4.1), (1.0, 4.2)];

/// Watts that the subsystems take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loads {
    /// On-board computer.
    pub obc: f64,
    /// Transmitter and receivers.
    pub radio: f64,
    /// Instrument.
    pub payload: f64,
    /// Reaction wheels.
    pub wheels: f64,
    /// Heaters.
    pub heaters: f64,
}

impl Loads {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.obc + self.radio + self.payload + self.wheels + self.heaters
    }
}

/// What the power conditioning does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PowerMode {
    /// The battery carries the bus.
    Discharging = 0,
    /// The wings carry the bus and charge the battery.
    Charging = 1,
    /// The battery is full: what is not needed is left in the wings.
    Tapering = 2,
}

/// The power subsystem.
#[derive(Clone, Debug)]
pub struct Power {
    /// 0 empty, 1 full.
    pub state_of_charge: f64,
    /// V at the terminals, which is the bus.
    pub battery_voltage: f64,
    /// A, positive when charging.
    pub battery_current: f64,
    /// What the conditioning does.
    pub mode: PowerMode,
    /// W that the wings could give now.
    pub array_available: f64,
    /// W that is taken from them.
    pub array_power: f64,
    /// W that is taken from the bus.
    pub load_power: f64,
    /// W by subsystem.
    pub loads: Loads,
    /// Measured voltages of the cells.
    pub cells: [f64; CELLS],
    /// Measured volts and amperes of each string.
    pub strings: [(f64, f64); STRINGS],
    /// Measured volts and amperes of the converters for 12 V, 5 V and 3.3 V.
    pub rails: [(f64, f64); 3],
    /// Full charges that the battery has given, counted over its life.
    pub cycles: f64,
}

impl Power {
    /// A battery with this state of charge.
    pub fn new(state_of_charge: f64) -> Self {
        Self {
            state_of_charge,
            battery_voltage: open_circuit(state_of_charge),
            battery_current: 0.0,
            mode: PowerMode::Discharging,
            array_available: 0.0,
            array_power: 0.0,
            load_power: 0.0,
            loads: Loads::default(),
            cells: [0.0; CELLS],
            strings: [(0.0, 0.0); STRINGS],
            rails: [(0.0, 0.0); 3],
            cycles: 412.0,
        }
    }

    /// Lets time pass with so much sunlight on the wings (0 to 1).
    pub fn advance(&mut self, dt: f64, illumination: f64, wing_temperature: f64, loads: &Loads) {
        let heat = 1.0 - STRING_TEMPERATURE_COEFFICIENT * (wing_temperature - 28.0);
        self.array_available = STRINGS as f64 * STRING_POWER * illumination * heat.max(0.0);
        self.loads = *loads;
        self.load_power = loads.total() / CONVERTER_EFFICIENCY;
        let source = open_circuit(self.state_of_charge);
        let wanted = current_for(self.array_available - self.load_power, source);
        let most = ((CHARGE_VOLTAGE - source) / RESISTANCE).clamp(0.0, CHARGE_CURRENT_MAX);
        self.battery_current = wanted.min(most);
        self.battery_voltage = source + self.battery_current * RESISTANCE;
        self.array_power = self.load_power + self.battery_current * self.battery_voltage;
        self.mode = if wanted < 0.0 {
            PowerMode::Discharging
        } else if wanted > most {
            PowerMode::Tapering
        } else {
            PowerMode::Charging
        };
        let kept = if self.battery_current > 0.0 { CHARGE_EFFICIENCY } else { 1.0 };
        let charge = self.battery_current * kept * dt / CAPACITY;
        self.state_of_charge = (self.state_of_charge + charge).clamp(0.0, 1.0);
        self.cycles += (-charge).max(0.0);
    }

    /// W that the battery turns into heat.
    pub fn battery_loss(&self) -> f64 {
        self.battery_current * self.battery_current * RESISTANCE
    }

    /// What the sensors say now; a faulty fourth cell shows too little.
    pub fn measure(&mut self, faulty_cell: bool, noise: &mut Noise) {
        for (index, cell) in self.cells.iter_mut().enumerate() {
            let scatter = [4.0, -7.0, 1.0, 6.0, -3.0, 2.0, -5.0, 3.0][index] * 1e-3;
            let fault = if faulty_cell && index == 3 { -0.62 } else { 0.0 };
            *cell = self.battery_voltage / CELLS as f64 + scatter + fault + noise.normal(1.5e-3);
        }
        let share = self.array_power.max(0.0) / STRINGS as f64;
        for (index, string) in self.strings.iter_mut().enumerate() {
            let scatter = 1.0 + [0.006, -0.011, 0.009, -0.004][index];
            let lit = self.array_available > 1.0;
            let voltage =
                if lit { self.battery_voltage + 1.4 + noise.normal(0.02) } else { noise.normal(0.01).abs() };
            let current = if lit { share / voltage * scatter + noise.normal(4e-3) } else { 0.0 };
            *string = (voltage, current.max(0.0));
        }
        let Loads { obc, radio, payload, wheels, heaters } = self.loads;
        let watts = [wheels + radio + heaters * 0.5, payload + obc * 0.4, obc * 0.6 + heaters * 0.5];
        for ((rail, nominal), watts) in self.rails.iter_mut().zip([12.0, 5.0, 3.3]).zip(watts) {
            let voltage = nominal * (1.0 + noise.normal(1.2e-3));
            *rail = (voltage, watts / nominal + noise.normal(3e-3).abs());
        }
    }
}

/// Volts of the battery without a load.
fn open_circuit(state_of_charge: f64) -> f64 {
    let above = CELL_VOLTAGE.partition_point(|&(charge, _)| charge <= state_of_charge);
    let (low, high) = (above.saturating_sub(1).min(6), above.clamp(1, 7));
    let ((x0, y0), (x1, y1)) = (CELL_VOLTAGE[low], CELL_VOLTAGE[high]);
    CELLS as f64 * (y0 + (y1 - y0) * ((state_of_charge - x0) / (x1 - x0)))
}

/// The current that brings `watts` into the battery (out of it when negative): of `i (u + i r) = watts` the
/// root near zero. More than the battery can give leaves it at the top of its power.
fn current_for(watts: f64, voltage: f64) -> f64 {
    let root = (voltage * voltage + 4.0 * RESISTANCE * watts).max(0.0).sqrt();
    (root - voltage) / (2.0 * RESISTANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_battery_is_never_overcharged() {
        let mut power = Power::new(0.9);
        for _ in 0..40_000 {
            power.advance(1.0, 1.0, 20.0, &Loads { obc: 10.0, ..Loads::default() });
            assert!(power.battery_voltage <= CHARGE_VOLTAGE + 1e-9);
            assert!(power.state_of_charge < 1.0);
        }
        assert_eq!(power.mode, PowerMode::Tapering);
        assert!(power.battery_current < 0.05, "{} A still flow", power.battery_current);
    }

    #[test]
    fn what_the_wings_give_goes_to_the_loads_or_into_the_battery() {
        let mut power = Power::new(0.6);
        let loads = Loads { obc: 12.0, radio: 20.0, payload: 15.0, wheels: 5.0, heaters: 10.0 };
        for (second, illumination) in (0..6000).map(|s| (s, f64::from(u8::from(s % 6000 > 2000)))) {
            let before = power.state_of_charge;
            power.advance(1.0, illumination, 40.0, &loads);
            let into_battery = power.battery_voltage * power.battery_current;
            assert!((power.array_power - power.load_power - into_battery).abs() < 1e-9);
            assert!(power.array_power <= power.array_available + 1e-9, "at {second} s");
            let moved = (power.state_of_charge - before) * CAPACITY;
            assert!((moved - power.battery_current).abs() <= 0.02 * power.battery_current.abs() + 1e-9);
        }
    }

    #[test]
    fn the_cells_make_the_battery() {
        let mut power = Power::new(0.5);
        power.advance(1.0, 0.0, 20.0, &Loads { obc: 30.0, ..Loads::default() });
        power.measure(false, &mut Noise::new(1));
        assert!((power.cells.iter().sum::<f64>() - power.battery_voltage).abs() < 0.05);
        power.measure(true, &mut Noise::new(1));
        assert!(power.cells[3] < 3.3);
    }
}
