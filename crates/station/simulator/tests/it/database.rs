//! The mission database against the flight software, which was written apart from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use perigee_simulator::DATABASE;
use perigee_simulator::config::Config;
use perigee_simulator::flight::truth::{self, Truth};
use perigee_simulator::flight::{Flight, KINDS, OnBoardTime};
use perigee_simulator::model::Satellite;
use perigee_simulator::model::anomaly::{Anomaly, Schedule};
use perigee_simulator::model::obc::Event;
use perigee_simulator::simulation::Spacecraft;
use perigee_xtce::{
    Database, Decoder, Earlier, LoadOptions, Lookup, ParameterId, Plan, Reading, Severity, Value, Values,
    evaluate,
};

/// 2026-11-23T00:00:00 UTC.
const START: i64 = 1_795_392_000_000_000_000;

fn load() -> (Database, Decoder) {
    let loaded = Database::load(DATABASE, LoadOptions { lenient: false }).expect("the database is right");
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    let plan = Plan::compile(&loaded.database, None).expect("it compiles");
    (loaded.database, Decoder::new(Arc::new(plan)))
}

#[test]
fn the_ground_reads_what_the_flight_software_means() {
    let (database, mut decoder) = load();
    let mut satellite = Satellite::new(11, START as f64 / 1e9, Schedule::NEVER);
    let mut values = Values::default();
    let mut seen = BTreeMap::new();
    for step in 0..400 {
        satellite.step(14.3, 1.43);
        let at = START + step * 1_430_000_000;
        let mut flight = Flight::new(&satellite);
        for kind in 0..KINDS {
            values.clear();
            let container =
                decoder.decode(flight.stamp(kind, OnBoardTime::new(at)), &mut values).expect("decodes");
            assert_eq!(database.container(container).map(|c| c.name.as_str()), Some(truth::container(kind)));
            let time = values.first_time(0).expect("every packet has a time");
            assert!((time - at).abs() < 1000, "{time} for {at}");
            // The header has seven fields and the time.
            let own = &values.entries[8..];
            let meant = truth::values(kind, &satellite);
            assert_eq!(own.len(), meant.len(), "values of {}", truth::container(kind));
            for (entry, (name, truth)) in own.iter().zip(meant) {
                let parameter = database.parameter(entry.parameter).expect("known");
                assert_eq!(parameter.name, name);
                *seen.entry(name.clone()).or_insert(0) += 1;
                match truth {
                    Truth::Text(text) => assert_eq!(values.text(entry.eng), text),
                    Truth::Number(number, tolerance) => {
                        // Labels are compared by their raw value.
                        let read = entry.eng.as_f64().or_else(|| entry.raw.as_f64()).expect("a number");
                        // Counters in integers lose their fraction, nothing else may.
                        assert!(
                            (read - number).abs() <= tolerance.max(1e-9),
                            "{name}: {read}, {number} meant"
                        );
                    }
                }
            }
        }
    }
    assert!((195..=230).contains(&(seen.len() + 8)), "{} parameters", seen.len() + 8);
}

#[test]
fn events_are_text() {
    let (database, mut decoder) = load();
    let satellite = Satellite::new(1, START as f64 / 1e9, Schedule::NEVER);
    let mut flight = Flight::new(&satellite);
    let mut values = Values::default();
    let event = Event::AnomalyBegun(Anomaly::BatteryCell);
    let container =
        decoder.decode(flight.event(event, OnBoardTime::new(START)), &mut values).expect("decodes");
    assert_eq!(database.container(container).map(|c| c.name.as_str()), Some("/PerigeeSat/Obc/EventPacket"));
    let text = values.entries.last().expect("the text");
    assert_eq!(values.text(text.eng), event.text());
}

/// The latest values, for alarms that depend on others.
struct Latest<'a>(&'a BTreeMap<ParameterId, (Value, Value)>);

impl Lookup for Latest<'_> {
    fn value(&self, parameter: ParameterId, _: u8, calibrated: bool) -> Reading<'_> {
        let value =
            self.0.get(&parameter).map_or(Value::Absent, |(raw, eng)| if calibrated { *eng } else { *raw });
        Reading { value, ..Reading::default() }
    }

    fn before(&self, _: u32, _: f64) -> Option<Earlier> {
        None
    }
}

/// Flies for so many seconds; counts the samples of each parameter that are out of limits, by severity.
fn out_of_limits(config: &Config, seconds: i64) -> (usize, BTreeMap<String, (Severity, usize)>) {
    let (database, mut decoder) = load();
    let mut spacecraft = Spacecraft::new(config, START);
    let mut latest = BTreeMap::new();
    let (mut samples, mut found) = (0, BTreeMap::new());
    let mut values = Values::default();
    for tenth in 0..seconds * 10 {
        spacecraft.packets(START + tenth * 100_000_000, |_, packet| {
            values.clear();
            decoder.decode(packet, &mut values).expect("decodes");
            for entry in &values.entries {
                latest.insert(entry.parameter, (entry.raw, entry.eng));
            }
            for entry in &values.entries {
                samples += 1;
                let Some(alarm) = database.alarm(entry.parameter) else { continue };
                let severity = evaluate(alarm, entry.eng, &Latest(&latest));
                if severity > Severity::Nominal {
                    let name = database.parameter(entry.parameter).expect("known").name.clone();
                    let (worst, count) = found.entry(name).or_insert((severity, 0));
                    *worst = severity.max(*worst);
                    *count += 1;
                }
            }
        });
    }
    (samples, found)
}

#[test]
fn a_healthy_satellite_stays_within_its_limits() {
    let config = Config { anomaly_every: std::time::Duration::ZERO, ..Config::default() };
    let (samples, found) = out_of_limits(&config, 1300);
    let out: usize = found.values().map(|(_, count)| count).sum();
    println!("{out} of {samples} samples out of limits: {found:?}");
    assert!(out * 1000 < samples, "{out} of {samples} out of limits: {found:?}");
    assert!(found.values().all(|(severity, _)| *severity <= Severity::Watch), "{found:?}");
}

#[test]
fn each_anomaly_trips_a_limit_and_passes() {
    for (anomaly, parameter) in [
        (Anomaly::WheelFriction, "/PerigeeSat/Attitude/Wheels[1].Current"),
        (Anomaly::BatteryCell, "/PerigeeSat/Power/CellVoltage[3]"),
        (Anomaly::HeaterStuck, "/PerigeeSat/Thermal/StarTrackerTemperature"),
    ] {
        let config = Config {
            first_anomaly: std::time::Duration::from_secs(5),
            anomaly_every: std::time::Duration::from_secs(3600),
            anomaly: Some(anomaly),
            ..Config::default()
        };
        let (_, found) = out_of_limits(&config, 240);
        let Some((severity, count)) = found.get(parameter) else {
            panic!("{anomaly:?} trips nothing: {found:?}")
        };
        println!("{anomaly:?}: {severity:?}, {count} samples, {found:?}");
        assert!(*severity >= Severity::Warning, "{anomaly:?} is only {severity:?}");
        assert!((10..900).contains(count), "{anomaly:?} shows in {count} samples");
    }
}
