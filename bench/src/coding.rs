//! Channel coding on one core: Reed-Solomon and Viterbi, beside libfec.

use std::hint::black_box;

use perigee_ccsds::coding::convolutional::{Encoder, Rate, Viterbi};
use perigee_ccsds::coding::reed_solomon::{Basis, Code, ReedSolomon};

use crate::libfec;
use crate::measure::{Random, best_of, cache_copy_bandwidth};
use crate::table::{Row, rate};

/// Codewords in one run: 4 MB of data, far more than the caches in front of memory hold twice.
const CODEWORDS: usize = 16_384;
const RUNS: usize = 7;

pub fn run() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (errors, wanted) in [(0, 20.0), (8, 5.0)] {
        rows.push(reed_solomon(errors, wanted)?);
    }
    rows.push(viterbi()?);
    Ok(rows)
}

/// Both decode the same codewords (I=1), with the same symbol errors, and must give the same data.
fn reed_solomon(errors: usize, wanted: f64) -> anyhow::Result<Row> {
    let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 0)?;
    let mut random = Random::new(223);
    let mut clean = Vec::with_capacity(CODEWORDS);
    let mut sent = Vec::with_capacity(CODEWORDS);
    for _ in 0..CODEWORDS {
        let mut codeword = [0u8; 255];
        codeword[..223].copy_from_slice(&random.octets(223));
        code.encode(&mut codeword);
        clean.push(codeword);
        let mut places: Vec<usize> = (0..255).collect();
        for place in 0..errors {
            let other = place + random.below(255 - place);
            places.swap(place, other);
            codeword[places[place]] ^= 1 + random.below(255) as u8;
        }
        sent.push(codeword);
    }
    let mut check = sent.clone();
    check.iter_mut().for_each(|codeword| assert_eq!(libfec::decode(codeword), errors as i32));
    assert!(check == clean, "libfec did not restore the data");
    check.clone_from(&sent);
    check.iter_mut().for_each(|codeword| {
        assert_eq!(code.decode(codeword).corrected(), Some(errors as u32));
    });
    assert!(check == clean, "Perigee did not restore the data");

    let ours = best_of(
        RUNS,
        || sent.clone(),
        |codewords| {
            for codeword in codewords {
                black_box(code.decode(codeword));
            }
        },
    );
    let theirs = best_of(
        3,
        || sent.clone(),
        |codewords| {
            for codeword in codewords {
                black_box(libfec::decode(codeword));
            }
        },
    );
    // Interleaved, as links use it: the vectors are full.
    let interleaved = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 4, 0)?;
    let blocks: Vec<Vec<u8>> =
        sent.chunks_exact(4).map(|four| (0..1020).map(|at| four[at % 4][at / 4]).collect()).collect();
    let wide = best_of(
        RUNS,
        || blocks.clone(),
        |blocks| {
            for block in blocks {
                black_box(interleaved.decode(block));
            }
        },
    );
    let octets = (CODEWORDS * 223) as f64;
    Ok(Row {
        work: format!("RS(255,223) decode, {errors} errors a codeword"),
        ours: format!("{} (I=4: {})", rate(octets / ours), rate(octets / wide)),
        peer: "libfec".into(),
        theirs: rate(octets / theirs),
        ratio: theirs / ours,
        wanted: Some(wanted),
        limit: if errors == 0 {
            format!(
                "32 syndromes x 6 vector instructions for 32 octets; copy in cache {}",
                rate(cache_copy_bandwidth())
            )
        } else {
            "syndromes, key equation (16 steps), 255 places x 17 terms of Chien's search".into()
        },
    })
}

/// Both decode the same noisy symbols (Eb/N0 5 dB) as one run of bits.
fn viterbi() -> anyhow::Result<Row> {
    const OCTETS: usize = 1 << 17;
    let mut random = Random::new(27);
    let data = random.octets(OCTETS);
    let mut symbols = Vec::new();
    let mut encoder = Encoder::new(Rate::R1_2);
    encoder.encode(&data, &mut symbols);
    encoder.encode(&[0; 8], &mut symbols);
    // Amplitude 32 for one symbol: Es/N0 = 2 dB at rate 1/2.
    let sigma = 32.0 / (2.0f64 * 10f64.powf(0.2)).sqrt();
    let soft: Vec<i8> = symbols
        .iter()
        .map(|symbol| {
            let sent = if *symbol == 1 { 32.0 } else { -32.0 };
            (sent + sigma * random.normal()).round().clamp(-127.0, 127.0) as i8
        })
        .collect();
    let mut offset_binary: Vec<u8> = soft.iter().map(|symbol| (i16::from(*symbol) + 128) as u8).collect();

    let mut ours_out = Vec::with_capacity(OCTETS + 64);
    let decode = |out: &mut Vec<u8>| {
        out.clear();
        let mut viterbi = Viterbi::new(Rate::R1_2);
        viterbi.decode(&soft, out);
        viterbi.finish(out);
    };
    decode(&mut ours_out);
    let ours_wrong = bit_errors(&ours_out, &data);
    let ours = best_of(RUNS, || (), |()| decode(&mut ours_out));

    let mut peer = libfec::Viterbi::new(OCTETS * 8);
    let mut theirs_out = vec![0u8; OCTETS];
    let theirs = best_of(3, || (), |()| peer.decode(&mut offset_binary, &mut theirs_out));
    let theirs_wrong = bit_errors(&theirs_out, &data);
    anyhow::ensure!(
        ours_wrong <= theirs_wrong + theirs_wrong / 10 + 20,
        "Viterbi leaves {ours_wrong} wrong bits where libfec leaves {theirs_wrong}"
    );

    let bits = (OCTETS * 8) as f64;
    Ok(Row {
        work: format!("Viterbi K=7 r=1/2 soft (wrong bits {ours_wrong} and {theirs_wrong} of {bits})"),
        ours: format!("{:.0} Mbit/s", bits / ours / 1e6),
        peer: "libfec".into(),
        theirs: format!("{:.1} Mbit/s", bits / theirs / 1e6),
        ratio: theirs / ours,
        wanted: Some(15.0),
        limit: "64 states: 2 vectors, about 16 vector instructions a bit".into(),
    })
}

/// Wrong bits, where the decoder may have begun some bits late and inverted: the frame synchroniser's business.
fn bit_errors(decoded: &[u8], sent: &[u8]) -> u32 {
    let bits = |octets: &[u8]| -> Vec<bool> {
        octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
    };
    let (decoded, sent) = (bits(decoded), bits(sent));
    (0..64)
        .flat_map(|late| [false, true].map(|inverted| (late, inverted)))
        .map(|(late, inverted)| {
            decoded.iter().zip(&sent[late..]).filter(|(got, sent)| **got != (**sent ^ inverted)).count()
                as u32
        })
        .min()
        .unwrap_or(u32::MAX)
}
