//! ../shared/data/coding-vectors: what libfec and other independent code computed.

use perigee_ccsds::coding::convolutional::{Encoder, Rate};
use perigee_ccsds::coding::randomizer::Randomizer;
use perigee_ccsds::coding::reed_solomon::{Basis, Code, ReedSolomon};
use perigee_ccsds::coding::{crc, fhec};

use super::{json, list, sha1, unhex};

#[test]
fn reed_solomon_parity() {
    let Some(expected) = json("coding-vectors/expected-reed-solomon.json") else { return };
    for (list_name, code, basis, parity_name) in [
        ("rs_255_223", Code::Rs255_223, Basis::Dual, "parity_dual"),
        ("rs_255_223", Code::Rs255_223, Basis::Conventional, "parity_conventional"),
        ("rs_255_239", Code::Rs255_239, Basis::Conventional, "parity_conventional"),
    ] {
        let codec = ReedSolomon::new(code, basis, 1, 0).unwrap();
        for vector in list(&expected[list_name]) {
            let data = unhex(&vector["data"]);
            let mut block = data.clone();
            block.resize(codec.block_len(), 0);
            codec.encode(&mut block);
            assert_eq!(
                block[data.len()..],
                unhex(&vector[parity_name]),
                "{list_name} {basis:?} {}",
                vector["name"]
            );
            assert_eq!(codec.decode(&mut block).corrected(), Some(0));
        }
    }
}

#[test]
fn reed_solomon_errors() {
    let Some(expected) = json("coding-vectors/expected-reed-solomon.json") else { return };
    let rand42 = list(&expected["rs_255_223"]).iter().find(|vector| vector["name"] == "rand42").unwrap();
    let sent = [unhex(&rand42["data"]), unhex(&rand42["parity_dual"])].concat();
    let codec = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 0).unwrap();
    for case in list(&expected["error_cases_dual_rand42"]) {
        let received = unhex(&case["received"]);
        let mut block = received.clone();
        let corrected = codec.decode(&mut block).corrected();
        // libfec says how many, or any negative number for "uncorrectable".
        let libfec = case["libfec_return"].as_i64().unwrap();
        assert_eq!(corrected.map(i64::from), (libfec >= 0).then_some(libfec));
        assert_eq!(block, if libfec >= 0 { sent.clone() } else { received });
    }
}

#[test]
fn reed_solomon_virtual_fill_and_interleaving() {
    let Some(expected) = json("coding-vectors/expected-reed-solomon.json") else { return };
    let shortened = &expected["shortened"];
    let codec = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 95).unwrap();
    assert_eq!(shortened["virtual_fill"], 95);
    let mut block = unhex(&shortened["data"]);
    block.resize(codec.block_len(), 0);
    codec.encode(&mut block);
    assert_eq!(block, unhex(&shortened["codeword"]));

    let five = &expected["interleave5"];
    let codec = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0).unwrap();
    let mut block: Vec<u8> = (0..1115usize).map(|i| (i * 7 + 3) as u8).collect();
    block.resize(codec.block_len(), 0);
    codec.encode(&mut block);
    assert_eq!(block, unhex(&five["codeblock"]));
    assert_eq!(sha1(&block), five["codeblock_sha1"]);
    Randomizer::Period255.apply(&mut block);
    let cadu = [&perigee_ccsds::sync::ASM, &block[..]].concat();
    assert_eq!(sha1(&cadu), five["cadu_randomized_sha1"]);
}

#[test]
fn pseudo_random_sequences() {
    let Some(expected) = json("coding-vectors/expected-misc.json") else { return };
    for (randomizer, name) in [
        (Randomizer::Period255, "tm_pn255_bytes"),
        (Randomizer::Period131071, "tm_pn_long_131071_first40bytes_if_seed_LSB_out_first"),
    ] {
        let sequence = unhex(&expected[name]);
        let mut zeros = vec![0; sequence.len()];
        randomizer.apply(&mut zeros);
        assert_eq!(zeros, sequence, "{name}");
    }
}

#[test]
fn frame_error_control() {
    let Some(expected) = json("coding-vectors/expected-misc.json") else { return };
    for vector in list(&expected["crc16"]) {
        let wanted = unhex(&vector["crc"]);
        assert_eq!(crc::crc16(&unhex(&vector["data"])).to_be_bytes()[..], wanted);
    }
}

#[test]
fn convolutional_encoder() {
    let Some(expected) = json("coding-vectors/expected-misc.json") else { return };
    let vector = &expected["conv_r12"];
    let mut symbols = Vec::new();
    Encoder::new(Rate::R1_2).encode(&unhex(&vector["input"]), &mut symbols);
    let text: String = symbols.iter().map(|symbol| char::from(b'0' + symbol)).collect();
    assert_eq!(text, vector["output_bits"].as_str().unwrap());
}

#[test]
fn aos_frame_header_error_control() {
    let Some(expected) = json("coding-vectors/expected-header-vectors.json") else { return };
    let mut seen = 0;
    for vector in list(&expected["vectors"]) {
        let id = vector["id"].as_str().unwrap_or_default();
        let Some(arguments) = id.strip_prefix("AOS FHEC of ") else { continue };
        let mut numbers =
            arguments.split(|letter: char| !letter.is_ascii_alphanumeric()).filter_map(|word| {
                word.strip_prefix("0x").and_then(|digits| u16::from_str_radix(digits, 16).ok())
            });
        let (identifiers, signalling) = (numbers.next().unwrap(), numbers.next().unwrap() as u8);
        assert_eq!(fhec::encode(identifiers, signalling).to_be_bytes()[..], unhex(&vector["hex"]), "{id}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}
