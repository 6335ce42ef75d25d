//! What the fuzz targets and the replay of their corpora run: arbitrary XML through the loader,
//! arbitrary octets through the decoder of a database that uses every feature.

use std::sync::{Arc, OnceLock};

use crate::database::types::{Charset, Encoding, Type};
use crate::{Database, Decoder, Encoder, LoadOptions, PacketWriter, ParameterId, Plan, Value, Values};

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
    packets(database, Decoder::new(Arc::clone(plan)), data);
}

/// Decodes `data` as [`decode`] does, under any database.
pub fn decode_under(xml: &str, data: &[u8]) {
    let loaded = Database::load(xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::compile(&loaded.database, None).unwrap_or_else(|error| panic!("{error}"));
    packets(&loaded.database, Decoder::new(Arc::new(plan)), data);
}

fn packets(database: &Database, mut decoder: Decoder, data: &[u8]) {
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
    // Values kept from earlier packets decide sizes and conditions too. The encoder starts without any, and so
    // do the decoders that it is held against; the one that keeps them must only come through.
    let _ = decoder.decode(octets, &mut values);
    values.clear();
    let Ok(container) = Decoder::new(Arc::clone(decoder.plan())).decode(octets, &mut values) else {
        assert!(values.entries.is_empty() && values.arena.is_empty());
        return;
    };
    let mut line = Vec::new();
    PacketWriter::new(database).write(container, Some(0), &values, 0..values.entries.len(), &mut line);
    assert!(std::str::from_utf8(&line).is_ok());

    let raw: Vec<_> = values.entries.iter().map(|entry| (entry.parameter, entry.raw)).collect();
    if !raw.iter().all(|(parameter, raw)| is_whole(database, *parameter, *raw, &values)) {
        return;
    }
    let encoder = Encoder::new(database, Arc::clone(decoder.plan()));
    let Ok((again, changed)) = encoder.encode_watched(container, &raw, &values.arena) else { return };
    if changed {
        // Overlapping entries write what they read, the same bits, unless a value is read from more than one code:
        // a negative zero, a NaN, a mantissa that is not normalised. It is written as one of them.
        let many = |raw: &Value| matches!(raw, Value::Signed(0) | Value::Float(_));
        assert!(raw.iter().any(|(_, raw)| many(raw)), "{raw:?} overlap and are not what they were");
        return;
    }
    let mut second = Values::default();
    if Decoder::new(Arc::clone(decoder.plan())).decode(&again, &mut second) != Ok(container) {
        // Only bits that no entry reads are other ones; none of them decides what a packet is.
        panic!("{raw:?} became another packet: {again:02X?}");
    }
    let same = second.entries.len() == values.entries.len()
        && second.entries.iter().zip(&values.entries).all(|(a, b)| {
            values.octets(b.raw) == second.octets(a.raw)
                && (a.raw.span().is_some() || format!("{:?}", a.raw) == format!("{:?}", b.raw))
        });
    assert!(same, "{:?} is not {:?}", second.entries, values.entries);
}

/// Whether a raw value tells all of its bits that decoding looks at: BCD may have lost bad digits, and a text octets
/// that are no characters, or the mark of its byte order.
fn is_whole(database: &Database, parameter: ParameterId, raw: Value, values: &Values) -> bool {
    let encoding = database.type_of(parameter).and_then(Type::scalar).and_then(|own| own.encoding.as_ref());
    let marked = matches!(encoding, Some(Encoding::String(own)) if matches!(own.charset, Charset::Utf16 | Charset::Utf32));
    match raw {
        Value::Absent | Value::Structured(_) => false,
        Value::Text(_) => !marked && !values.text(raw).contains('\u{FFFD}'),
        _ => true,
    }
}
