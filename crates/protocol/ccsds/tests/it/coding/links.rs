//! Whole links: ../shared/data/derived-cadu and the BlueWalker 3 symbols of ../shared/data/destevez-deep-space.

use perigee_ccsds::coding::convolutional::{Rate, Viterbi};
use perigee_ccsds::coding::crc::crc16;
use perigee_ccsds::coding::randomizer::Randomizer;
use perigee_ccsds::coding::reed_solomon::{Basis, Code, Codeword, ReedSolomon};
use perigee_ccsds::coding::soft::Quantizer;
use perigee_ccsds::sync::{ASM, Alignment, SyncParameters, SyncedFrame, Synchronizer};

use super::{json, list, octets, sha1};

/// What the synchroniser hands out, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    octets: Vec<u8>,
    offset: u64,
    inverted: bool,
    marker_errors: Option<u32>,
}

impl From<SyncedFrame<'_>> for Frame {
    fn from(frame: SyncedFrame<'_>) -> Self {
        let SyncedFrame { octets, offset, inverted, marker_errors } = frame;
        Self { octets: octets.to_vec(), offset, inverted, marker_errors }
    }
}

fn hera_parameters(alignment: Alignment) -> SyncParameters {
    SyncParameters { max_errors: 1, ..SyncParameters::new(&ASM, 1275, alignment) }
}

/// Feeds the input in pieces and gives all frames.
fn synchronize(parameters: SyncParameters, input: &[u8], piece: usize) -> Vec<Frame> {
    let mut synchronizer = Synchronizer::new(parameters).expect("good parameters");
    let mut frames = Vec::new();
    for piece in input.chunks(piece) {
        synchronizer.receive(piece, &mut |frame| frames.push(Frame::from(frame)));
    }
    synchronizer.finish(&mut |frame| frames.push(Frame::from(frame)));
    frames
}

#[test]
fn hera_frames_with_garbage_and_errors() {
    let Some(input) = octets("derived-cadu/hera_cadu_i5_rand_errors.bin") else { return };
    let Some(expected) = json("derived-cadu/expected-hera_cadu.json") else { return };
    let frames = synchronize(hera_parameters(Alignment::Octet), &input, 4096);
    assert_eq!(frames.len(), list(&expected).len());
    let codec = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0).unwrap();
    for (frame, expected) in frames.iter().zip(list(&expected)) {
        let context = format!("frame {}", expected["i"]);
        assert_eq!(frame.offset, expected["offset"], "{context}");
        assert_eq!(frame.marker_errors.map(u64::from), expected["asm_bit_errors"].as_u64(), "{context}");
        let mut block = frame.octets.clone();
        Randomizer::Period255.apply(&mut block);
        let correction = codec.decode(&mut block);
        let outcomes: Vec<Option<u64>> = list(&expected["rs_corrections"])
            .iter()
            .map(|number| number.as_i64().and_then(|number| u64::try_from(number).ok()))
            .collect();
        let got: Vec<Option<u64>> = correction
            .codewords()
            .iter()
            .map(|codeword| match codeword {
                Codeword::Corrected(symbols) => Some(u64::from(*symbols)),
                Codeword::Uncorrectable => None,
            })
            .collect();
        assert_eq!(got, outcomes, "{context}");
        // The recorded frames are 1113 octets; the FECF was added again when they were coded.
        let data = &block[..codec.data_len()];
        assert_eq!(crc16(data) == 0, expected["fecf_ok"] == true, "{context}");
        if expected["decoded_ok"] == true {
            assert_eq!(sha1(data), expected["sha1"], "{context}");
        }
    }
}

/// Trap: the randomiser comes off before Reed-Solomon. After it nothing can be decoded.
#[test]
fn derandomising_after_reed_solomon_is_wrong() {
    let Some(input) = octets("derived-cadu/hera_cadu_i5_rand_errors.bin") else { return };
    let codec = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0).unwrap();
    let mut block = input[137 + 4..][..1275].to_vec();
    assert_eq!(codec.decode(&mut block.clone()).corrected(), None);
    Randomizer::Period255.apply(&mut block);
    assert_eq!(codec.decode(&mut block).corrected(), Some(0));
}

/// However it is cut, aligned to octets or shifted by some bits, upright or inverted: the same frames.
#[test]
fn hera_frames_do_not_depend_on_the_cut_or_the_bits() {
    let Some(input) = octets("derived-cadu/hera_cadu_i5_rand_errors.bin") else { return };
    let whole = synchronize(hera_parameters(Alignment::Octet), &input, input.len());
    for piece in [1, 7, 1278, 1279, 1280, 5000, 1 << 16] {
        assert_eq!(synchronize(hera_parameters(Alignment::Octet), &input, piece), whole, "pieces of {piece}");
    }
    for shift in 0..8u32 {
        let shifted: Vec<u8> = std::iter::once(0)
            .chain(input.iter().copied())
            .zip(input.iter().copied().chain([0]))
            .map(|(before, octet)| !((u16::from(before) << 8 | u16::from(octet)) >> shift) as u8)
            .collect();
        let frames = synchronize(hera_parameters(Alignment::Bit), &shifted, 777 + shift as usize);
        let wanted: Vec<Frame> = whole
            .iter()
            .map(|frame| Frame {
                offset: 8 * frame.offset + u64::from(shift),
                inverted: true,
                ..frame.clone()
            })
            .collect();
        assert_eq!(frames, wanted, "shifted by {shift} bits");
    }
}

#[test]
fn hera_soft_symbols_at_4_db() {
    let Some(input) = octets("derived-cadu/hera_conv_soft_i8_ebn0_4dB.bin") else { return };
    let Some(expected) = json("derived-cadu/expected-hera_conv.json") else { return };
    let symbols: Vec<i8> = input.iter().map(|octet| octet.cast_signed()).collect();
    let decode = |piece: usize| {
        let mut viterbi = Viterbi::new(Rate::R1_2);
        let mut decoded = Vec::new();
        for piece in symbols.chunks(piece) {
            viterbi.decode(piece, &mut decoded);
        }
        viterbi.finish(&mut decoded);
        assert_eq!(viterbi.phase_changes(), 0);
        decoded
    };
    let decoded = decode(symbols.len());
    for piece in [1, 100, 1681, 50_000] {
        assert_eq!(decode(piece), decoded, "pieces of {piece}");
    }
    let frames = synchronize(SyncParameters::new(&ASM, 1275, Alignment::Bit), &decoded, 1000);
    let cadus: Vec<u8> = frames.iter().flat_map(|frame| [&ASM, &frame.octets[..]].concat()).collect();
    assert_eq!(frames.len(), 8);
    assert_eq!(sha1(&cadus), expected["sha1_of_8_cadus"]);
}

/// Real symbols in an odd phase: GNU Radio finds 152 markers, every 2872 bits.
#[test]
fn bluewalker_3_off_the_air() {
    let Some(input) = octets("destevez-deep-space/bw3_soft_symbols.f32") else { return };
    let Some(theirs) = octets("destevez-deep-space/bw3_viterbi_out_1.u8") else { return };
    let symbols: Vec<f32> =
        input.as_chunks::<4>().0.iter().map(|octets| f32::from_le_bytes(*octets)).collect();
    let (mut quantizer, mut viterbi) = (Quantizer::new(), Viterbi::new(Rate::R1_2));
    let (mut quantized, mut decoded) = (Vec::new(), Vec::new());
    quantizer.quantize(&symbols, &mut quantized);
    quantizer.finish(&mut quantized);
    viterbi.decode(&quantized, &mut decoded);
    viterbi.finish(&mut decoded);

    let parameters = SyncParameters::new(&ASM, 355, Alignment::Bit);
    let ours = synchronize(parameters.clone(), &decoded, decoded.len());
    let mut synchronizer = Synchronizer::new(parameters).expect("good parameters");
    let mut frames = Vec::new();
    synchronizer.receive_bits(&theirs, &mut |frame| frames.push(Frame::from(frame)));
    synchronizer.finish(&mut |frame| frames.push(Frame::from(frame)));

    // 152 markers, the last frame cut short. GNU Radio gives one bit more before the first.
    assert_eq!((ours.len(), frames.len(), frames[0].offset), (151, 151, 180));
    for (ours, theirs) in ours.iter().zip(&frames) {
        assert_eq!(ours.offset + 1, theirs.offset);
        assert_eq!(ours.octets, theirs.octets);
    }
    let spacing: Vec<u64> = ours.windows(2).map(|pair| pair[1].offset - pair[0].offset).collect();
    assert_eq!(spacing, vec![2872; 150]);
}
