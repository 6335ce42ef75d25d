//! From the simulated satellite over a noisy channel and a real socket into the archive: what the code can
//! mend is mended, and what it cannot is accounted for.

use std::collections::BTreeMap;

use perigee_testkit::Station;
use serde_json::Value;

use crate::support::{PERIGEE, link, wait_for};

/// Enough for a few hundred thousand channel symbols in error at the highest rate.
const FRAMES: u64 = 500;

/// The link and what it dropped, once so many frames have come at this bit error rate.
fn link_at(bit_error_rate: &str) -> (Value, BTreeMap<String, u64>) {
    let errors = format!("simulator.bit_error_rate={bit_error_rate}");
    let load = ["--set", "simulator.fill=true", "--set", "simulator.bit_rate=8000000", "--set", &errors];
    let station = Station::start(PERIGEE, &load);
    wait_for("frames", || {
        let (link, dropped) = link(&station);
        let enough = number(&link, "frames") + number(&link, "uncorrectable") >= FRAMES;
        enough.then_some((link, dropped))
    })
}

fn number(link: &Value, key: &str) -> u64 {
    link[key].as_u64().unwrap()
}

#[test]
fn nothing_is_mended_on_a_clean_channel() {
    let (link, dropped) = link_at("0.0");
    assert_eq!(number(&link, "corrected_symbols"), 0, "{link}");
    assert_eq!((number(&link, "gaps"), number(&link, "uncorrectable")), (0, 0), "{link}");
    assert!(dropped.is_empty(), "{link}");
}

#[test]
fn a_wrong_bit_in_ten_thousand_is_mended_wherever_it_falls() {
    let (link, dropped) = link_at("1e-4");
    // About one bit of a frame of 10,200.
    assert!(number(&link, "corrected_symbols") > FRAMES / 2, "{link}");
    assert_eq!((number(&link, "gaps"), number(&link, "uncorrectable")), (0, 0), "{link}");
    assert!(dropped.is_empty(), "{link}");
}

#[test]
fn three_wrong_bits_in_a_thousand_are_nearly_all_mended_and_the_rest_is_told() {
    let (link, dropped) = link_at("3e-3");
    assert_eq!(link["frame_lock"], true, "{link}");
    // Some 30 symbols of a frame of 1,275.
    assert!(number(&link, "corrected_symbols") > 25 * FRAMES, "{link}");
    // 16 of 255 symbols can be mended, 6 are wrong on average: one codeword in several thousand has more.
    let lost = number(&link, "uncorrectable");
    assert!(lost * 50 < number(&link, "frames"), "{link}");
    // What is missing was told: uncorrectable, or passed over in search of a marker with too many errors.
    let of = |reason: &str| dropped.get(reason).copied().unwrap_or(0);
    assert_eq!(of("uncorrectable"), lost, "{link}");
    assert!(number(&link, "gaps") <= lost + of("not-synchronised"), "{link}");
}
