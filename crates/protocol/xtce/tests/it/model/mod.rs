//! Random databases and random packets, against a model that knows nothing of plans, runs or slots: it writes
//! a packet bit by bit and keeps what it wrote. Every value that is decoded, raw and engineering, must be that.

mod containers;
mod packet;
mod types;
mod xtce;

use std::sync::Arc;
use std::time::{Duration, Instant};

use perigee_xtce::{Database, DecodeError, Decoder, Encoder, LoadOptions, Plan, Value, Values};

use containers::Model;

/// Random numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_in(&mut self, limit: u64) -> bool {
        self.below(limit) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

/// What a value is, in the model's terms.
#[derive(Clone, Debug, PartialEq)]
enum Is {
    Absent,
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Label(String),
    Text(String),
    Octets(Vec<u8>),
    Time(i64),
    Json(serde_json::Value),
}

impl Is {
    /// Whether a decoded value is this one. A float is the same to the bit.
    fn agrees(&self, own: Value, labels: &[String], values: &Values) -> bool {
        match (self, own) {
            (Is::Absent, Value::Absent) => true,
            (Is::Integer(value), Value::Unsigned(_) | Value::Signed(_)) => own.as_i128() == Some(*value),
            (Is::Float(value), Value::Float(own)) => own.to_bits() == value.to_bits(),
            (Is::Boolean(value), Value::Boolean(own)) => own == *value,
            (Is::Label(value), Value::Label(own)) => labels.get(own as usize) == Some(value),
            (Is::Text(value), Value::Text(_)) => values.text(own) == value,
            (Is::Octets(value), Value::Binary(_)) => values.octets(own) == value,
            (Is::Time(value), Value::Time(own)) => own == *value,
            (Is::Json(value), Value::Structured(_)) => {
                serde_json::from_str::<serde_json::Value>(values.text(own)).is_ok_and(|own| own == *value)
            }
            _ => false,
        }
    }
}

/// What a run has seen, so that a generator that has dried up does not pass for a test.
#[derive(Debug, Default)]
struct Seen {
    databases: usize,
    packets: usize,
    values: usize,
    no_container: usize,
    cut: usize,
    encoded: usize,
}

/// One database, and a few packets of it through one decoder, which keeps values from packet to packet.
fn case(seed: u64, seen: &mut Seen) {
    let mut random = Random(seed);
    let model = Model::random(&mut random);
    let xml = model.xtce();
    let loaded =
        Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    assert!(loaded.notices.is_empty(), "{:?}\n{xml}", loaded.notices);
    let database = loaded.database;
    let plan = Plan::compile(&database, None).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let plan = Arc::new(plan);
    let mut decoder = Decoder::new(Arc::clone(&plan));
    let mut history = packet::History::default();
    let mut values = Values::default();
    seen.databases += 1;
    for round in 0..8 {
        let written = packet::write(&model, &mut history, &mut random);
        let octets = &written.octets;
        let about = || format!("packet {round}: {octets:02X?}\n{xml}");

        // An octet less is too short, unless no container fits before that octet is missed.
        if let (Some(short), true) = (written.needed.checked_sub(1), written.container.is_some()) {
            let cut = decoder.clone().decode(&octets[..short], &mut Values::default());
            assert!(matches!(cut, Err(DecodeError::TooShort { .. })), "{cut:?} of the cut {}", about());
            seen.cut += 1;
        }

        values.clear();
        let decoded = decoder.decode(octets, &mut values);
        let Some(container) = &written.container else {
            assert!(matches!(decoded, Err(DecodeError::NoContainer { .. })), "{decoded:?} of {}", about());
            seen.no_container += 1;
            continue;
        };
        let decoded = decoded.unwrap_or_else(|error| panic!("{error} in {}", about()));
        let name = database.container(decoded).map(|own| own.short_name.as_str());
        assert_eq!(name, Some(container.as_str()), "{}", about());
        assert_eq!(values.entries.len(), written.expected.len(), "number of values in {}", about());
        for (entry, expected) in values.entries.iter().zip(&written.expected) {
            let parameter = database.parameter(entry.parameter).expect("a parameter");
            assert_eq!(parameter.short_name, expected.name, "{}", about());
            for (what, own, expected) in
                [("raw", entry.raw, &expected.raw), ("eng", entry.eng, &expected.eng)]
            {
                let agrees = expected.agrees(own, &parameter.labels, &values);
                assert!(agrees, "{what} of {}: {own:?}, not {expected:?}, in {}", parameter.name, about());
            }
        }
        seen.packets += 1;
        seen.values += values.entries.len();

        // The encoder begins without earlier packets: the first packet is the same bits again.
        if round == 0 && written.encodable {
            let raw: Vec<_> = values.entries.iter().map(|entry| (entry.parameter, entry.raw)).collect();
            let again = Encoder::new(&database, Arc::clone(&plan)).encode(decoded, &raw, &values.arena);
            let again = again.unwrap_or_else(|error| panic!("{error} for {}", about()));
            assert_eq!(again, octets[..written.needed], "encoded again: {}", about());
            seen.encoded += 1;
        }
    }
}

/// The seeds to try: the first are the same everywhere, how far it gets depends on the machine.
fn seeds(least: u64, short: Duration) -> impl Iterator<Item = u64> {
    let limit = perigee_testkit::corpus::how_long(short);
    let begin = Instant::now();
    (0..).take_while(move |seed| *seed < least || begin.elapsed() < limit)
}

/// A database whose entries lie on top of each other: every fixed place is moved to the front.
fn overlapping(xml: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let mut parts = xml.split("<LocationInContainerInBits referenceLocation='");
    out += parts.next().unwrap_or_default();
    for part in parts {
        let (from, rest) = part.split_once("'><FixedValue>").expect("a fixed place");
        let (_, rest) = rest.split_once('<').expect("an end");
        // Not before the octet that tells sizes.
        let bits = random.below(60) as i64 + if from == "containerStart" { 8 } else { -20 };
        out += &format!("<LocationInContainerInBits referenceLocation='{from}'><FixedValue>{bits}<{rest}");
    }
    out
}

#[test]
fn what_is_read_is_written_again_even_where_entries_overlap() {
    for seed in seeds(100, Duration::from_millis(500)) {
        let mut random = Random(seed);
        let xml = Model::random(&mut random).xtce();
        let xml = overlapping(&xml, &mut random);
        let mut packets = Vec::new();
        for _ in 0..8 {
            let length = random.below(120) as u16;
            packets.extend(length.to_be_bytes());
            // Small counts, and octets that are often all zeros or all ones: zeros with a sign, no numbers.
            let octet = |random: &mut Random| random.of(&[0, 0xFF, 0x80, random.0 as u8]);
            packets.extend(
                (0..length).map(|at| if at == 0 { random.below(4) as u8 } else { octet(&mut random) }),
            );
        }
        let failed =
            std::panic::catch_unwind(|| perigee_xtce::fuzzing::decode_under(&xml, &packets)).is_err();
        assert!(!failed, "seed {seed}: {packets:02X?}\n{xml}");
    }
}

#[test]
fn what_is_written_is_decoded_value_by_value() {
    let mut seen = Seen::default();
    for seed in seeds(200, Duration::from_millis(1000)) {
        let failed =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(seed, &mut seen))).is_err();
        assert!(!failed, "seed {seed}");
    }
    println!("{seen:?}");
    assert!(seen.packets > seen.databases && seen.values > 5 * seen.packets, "{seen:?}");
    assert!(seen.no_container > 0 && seen.encoded > seen.databases / 20, "{seen:?}");
}
