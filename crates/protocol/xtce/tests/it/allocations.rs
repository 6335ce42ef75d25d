//! Decoding allocates nothing once its buffers have grown.

use std::sync::Arc;

use allocation_counter::measure;
use perigee_xtce::fuzzing::FEATURES;
use perigee_xtce::{Database, Decoder, LoadOptions, Plan, Values};

use crate::features::octets;

/// Packets of every container of the database with every feature: runs, calibrators, texts, times, structures whose
/// size the packet tells, included containers and heirs; and one that no container fits.
const PACKETS: [&str; 9] = [
    "01 BFFFFFFFFFFFFFFE FFFFFFFFFFFFFFFF FF FFE 801 0102 1234 0D0C0B0A 0B0A0D0C 01",
    "02 3C00 40490FDB 4009 21FB54442D18 182D4454FB210940 50000004 400000000000",
    "03 85 0014 03 FFFC 96 07 09",
    "04 02 41424344 616200FFFFFF 02 47F6 0041 0000 0042 0043 787A79 ABC F001 0",
    "05 0000000003E8 8000 3FF0000000000000 0001 03",
    "06 02 07 0018 010203040506 0A 0000 0B 0002 0809",
    "07 02 00 2A 07 01FE 0 02 0203 05 06 F 1234",
    "08 00 37 00 07 01",
    "FF",
];

#[test]
fn warm_packets_allocate_nothing() {
    let loaded = Database::load(FEATURES, LoadOptions::default()).expect("loads");
    let plan = Plan::compile(&loaded.database, Some("Packet")).expect("compiles");
    let mut decoder = Decoder::new(Arc::new(plan));
    let packets: Vec<Vec<u8>> = PACKETS.iter().map(|packet| octets(packet)).collect();
    let mut values = Values::default();
    let mut refused = 0;
    let mut round = |values: &mut Values| {
        values.clear();
        for packet in &packets {
            refused += usize::from(decoder.decode(packet, values).is_err());
        }
    };
    round(&mut values);
    let warm = measure(|| (0..100).for_each(|_| round(&mut values)));
    assert_eq!(warm.count_total, 0, "{warm:?}");
    assert!(values.entries.len() > 60 && !values.arena.is_empty(), "all were decoded");
    assert_eq!(refused, 101, "the last packet of each round");
    // The counter counts.
    assert!(measure(|| drop(std::hint::black_box(vec![0u8; 9]))).count_total > 0);
}
