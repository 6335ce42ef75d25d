//! What the fuzz targets and the replay of their corpora run: arbitrary XML through the loader,
//! arbitrary octets through the decoder of a database that uses every feature.

use std::sync::{Arc, OnceLock};

use crate::{Database, Decoder, Encoder, LoadOptions, PacketWriter, Plan, Value, Values};

/// A database that uses every feature.
pub const FEATURES: &str = include_str!("fuzzing/features.xml");

/// Loads `data` strictly and leniently; what loads is compiled and decodes a packet.
pub fn load(data: &[u8]) {
    let Ok(xml) = std::str::from_utf8(data) else { return };
    let strict = Database::load(xml, LoadOptions::default());
    let lenient = Database::load(xml, LoadOptions { lenient: true });
    if let Err(error) = &strict {
        assert!(!error.problems.is_empty() && !error.to_string().is_empty());
    }
    let Ok(loaded) = lenient else {
        assert!(strict.is_err(), "a database that loads strictly loads leniently");
        return;
    };
    if let Ok(plan) = Plan::compile(&loaded.database, None) {
        let mut decoder = Decoder::new(Arc::new(plan));
        packet(&loaded.database, &mut decoder, data);
    }
}

/// Decodes `data` as packets under [`FEATURES`]: its first two octets tell the length of the first, and so on.
pub fn decode(data: &[u8]) {
    static LOADED: OnceLock<(Database, Arc<Plan>)> = OnceLock::new();
    let (database, plan) = LOADED.get_or_init(|| {
        let loaded =
            Database::load(FEATURES, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan::compile(&loaded.database, Some("Packet")).unwrap_or_else(|error| panic!("{error}"));
        (loaded.database, Arc::new(plan))
    });
    let mut decoder = Decoder::new(Arc::clone(plan));
    let mut rest = data;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (octets, next) = after.split_at(length);
        rest = next;
        packet(database, &mut decoder, octets);
    }
}

/// Decodes a packet, renders it, encodes it again and decodes that: the raw values are the same.
fn packet(database: &Database, decoder: &mut Decoder, octets: &[u8]) {
    let mut values = Values::default();
    // Values kept from earlier packets decide sizes too: the encoder starts without any.
    let mut fresh = Decoder::new(Arc::clone(decoder.plan()));
    let _ = decoder.decode(octets, &mut values);
    values.clear();
    let Ok(container) = fresh.decode(octets, &mut values) else {
        assert!(values.entries.is_empty() && values.arena.is_empty());
        return;
    };
    let mut line = Vec::new();
    PacketWriter::new(database).write(container, Some(0), &values, 0..values.entries.len(), &mut line);
    assert!(std::str::from_utf8(&line).is_ok());
    let raw: Vec<_> = values.entries.iter().map(|entry| (entry.parameter, entry.raw)).collect();
    // Texts may have lost octets that are no characters, and BCD its bad digits.
    let lossless =
        raw.iter().all(|(_, raw)| !matches!(raw, Value::Text(_) | Value::Absent | Value::Structured(_)));
    let encoder = Encoder::new(database, Arc::clone(decoder.plan()));
    if let (true, Ok(again)) = (lossless, encoder.encode(container, &raw, &values.arena)) {
        let mut second = Values::default();
        if Decoder::new(Arc::clone(decoder.plan())).decode(&again, &mut second) == Ok(container) {
            let same = second.entries.len() == values.entries.len()
                && second.entries.iter().zip(&values.entries).all(|(a, b)| {
                    values.octets(b.raw) == second.octets(a.raw)
                        && (a.raw.span().is_some() || format!("{:?}", a.raw) == format!("{:?}", b.raw))
                });
            // Overlapping entries overwrite each other with what they read: the same bits.
            assert!(same, "{:?} is not {:?}", second.entries, values.entries);
        }
    }
}
