//! Channel coding and synchronisation against reference vectors, real frames coded by other programs, and real
//! symbols off the air.

mod links;
mod vectors;

use perigee_testkit::shared_data;
use serde_json::Value;
use sha1::{Digest, Sha1};

fn octets(path: &str) -> Option<Vec<u8>> {
    shared_data(path)
        .map(|path| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn json(path: &str) -> Option<Value> {
    octets(path)
        .map(|octets| serde_json::from_slice(&octets).unwrap_or_else(|error| panic!("{path}: {error}")))
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("hexadecimal text");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn sha1(octets: &[u8]) -> String {
    Sha1::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
