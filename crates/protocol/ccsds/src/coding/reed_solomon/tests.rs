//! Properties of the whole codec, and the traps that other decoders fell into.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

fn any_code() -> impl Strategy<Value = ReedSolomon> {
    let codes = select(vec![Code::Rs255_223, Code::Rs255_239]);
    let bases = select(vec![Basis::Conventional, Basis::Dual]);
    let interleaves = select(vec![1, 2, 3, 4, 5, 8]);
    let fills = prop_oneof![Just(0), 1..223usize];
    (codes, bases, interleaves, fills)
        .prop_filter_map("fill leaves data", |(code, basis, interleave, fill)| {
            ReedSolomon::new(code, basis, interleave, fill).ok()
        })
}

/// In each codeword of a block, places and what to exclusive-or there.
type Damage = Vec<Vec<(usize, u8)>>;

/// A code, a block of it, and for each codeword up to `errors(E)` symbols with what is done to them.
fn damaged(
    errors: fn(usize) -> std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = (ReedSolomon, Vec<u8>, Damage)> {
    any_code().prop_flat_map(move |code| {
        let symbols = CODEWORD_LEN - code.virtual_fill;
        let places = subsequence((0..symbols).collect::<Vec<_>>(), errors(code.code.correctable()));
        let damage = places.prop_flat_map(|places| {
            let values = prop::collection::vec(1u8.., places.len());
            values.prop_map(move |values| places.iter().copied().zip(values).collect::<Vec<_>>())
        });
        let data = prop::collection::vec(any::<u8>(), code.block_len());
        (Just(code.clone()), data, prop::collection::vec(damage, code.interleave)).prop_map(
            |(code, mut block, damage)| {
                code.encode(&mut block);
                (code, block, damage)
            },
        )
    })
}

fn damage(block: &mut [u8], interleave: usize, damage: &[Vec<(usize, u8)>]) {
    for (codeword, symbols) in damage.iter().enumerate() {
        for (symbol, value) in symbols {
            block[symbol * interleave + codeword] ^= value;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn up_to_e_errors_in_each_codeword_are_put_right((code, sent, errors) in damaged(|e| 0..=e)) {
        let mut block = sent.clone();
        damage(&mut block, code.interleave, &errors);
        let correction = code.decode(&mut block);
        let wanted: Vec<_> = errors.iter().map(|errors| Codeword::Corrected(errors.len() as u8)).collect();
        prop_assert_eq!(correction.codewords(), &wanted[..]);
        prop_assert_eq!(block, sent);
    }

    #[test]
    fn more_are_refused_or_mistaken_but_never_passed((code, sent, errors) in damaged(|e| e + 1..=e + 8)) {
        let mut received = sent.clone();
        damage(&mut received, code.interleave, &errors);
        let mut block = received.clone();
        let correction = code.decode(&mut block);
        for (codeword, outcome) in correction.codewords().iter().enumerate() {
            let changed = (codeword..block.len()).step_by(code.interleave).filter(|at| block[*at] != received[*at]).count();
            match outcome {
                // What could not be corrected can still be read as it came.
                Codeword::Uncorrectable => prop_assert_eq!(changed, 0),
                Codeword::Corrected(symbols) => prop_assert_eq!((changed, *symbols > 0), (usize::from(*symbols), true)),
            }
        }
    }
}

#[test]
fn seventeen_errors_are_mostly_refused() {
    let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 0).unwrap();
    let refused = (0..200u32).filter(|seed| {
        let mut block: Vec<u8> = (0..255u32).map(|i| (i * seed) as u8).collect();
        code.encode(&mut block);
        for error in 0..17 {
            block[(error * 15 + *seed as usize) % 255] ^= (1 + seed * 7 + error as u32 % 5) as u8 | 1;
        }
        code.decode(&mut block).corrected().is_none()
    });
    assert_eq!(refused.count(), 200);
}

#[test]
fn one_lost_codeword_does_not_spoil_the_others() {
    let code = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 5, 0).unwrap();
    let mut sent: Vec<u8> = (0..1275u32).map(|i| (i * 31) as u8).collect();
    code.encode(&mut sent);
    let mut block = sent.clone();
    for symbol in 0..20 {
        block[symbol * 5 + 2] ^= 0x5A;
    }
    block[4] ^= 1;
    let correction = code.decode(&mut block);
    assert_eq!(correction.corrected(), None);
    let mut wanted = [Codeword::Corrected(0); 5];
    (wanted[2], wanted[4]) = (Codeword::Uncorrectable, Codeword::Corrected(1));
    assert_eq!(correction.codewords(), wanted);
    assert_eq!(block[4], sent[4]);
}

#[test]
fn parity_in_the_other_basis_is_not_taken() {
    let [dual, conventional] = [Basis::Dual, Basis::Conventional]
        .map(|basis| ReedSolomon::new(Code::Rs255_223, basis, 1, 0).unwrap());
    let mut block: Vec<u8> = (0..255).map(|i| i as u8).collect();
    dual.encode(&mut block);
    assert_eq!(block[223..231], [0x4F, 0xFB, 0x92, 0xDD, 0x55, 0x7E, 0xC6, 0x7F]);
    assert_eq!(conventional.decode(&mut block.clone()).corrected(), None);
    conventional.encode(&mut block);
    assert_eq!(block[223..231], [0x2F, 0xBD, 0x4F, 0xB4, 0x74, 0x84, 0x94, 0xB9]);
    assert_eq!(dual.decode(&mut block.clone()).corrected(), None);
}

/// Shortening is nothing but zeros in front, in either basis (0 is 0 in both).
#[test]
fn virtual_fill_is_zeros_that_are_not_sent() {
    for basis in [Basis::Conventional, Basis::Dual] {
        let whole = ReedSolomon::new(Code::Rs255_223, basis, 4, 0).unwrap();
        let short = ReedSolomon::new(Code::Rs255_223, basis, 4, 95).unwrap();
        assert_eq!((short.data_len(), short.block_len()), (4 * 128, 4 * 160));
        let mut sent: Vec<u8> = (0..640u32).map(|i| (i * 13 + 5) as u8).collect();
        short.encode(&mut sent);
        let mut filled = [&[0; 380], &sent[..]].concat();
        whole.encode(&mut filled);
        assert_eq!(filled[380..], sent);
    }
}

/// An error pattern that reaches into the fill cannot have happened.
#[test]
fn errors_in_the_virtual_fill_are_refused() {
    let whole = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 0).unwrap();
    let short = ReedSolomon::new(Code::Rs255_223, Basis::Dual, 1, 100).unwrap();
    let mut block = vec![0; 255];
    whole.encode(&mut block);
    block[99] = 1; // a codeword near to all zeros, seen without its first symbols
    whole.encode(&mut block);
    let received = block[100..].to_vec();
    let mut got = received.clone();
    assert_eq!(short.decode(&mut got).corrected(), None);
    assert_eq!(got, received);
}

#[test]
fn parameters_are_checked() {
    let new = |interleave, fill| {
        ReedSolomon::new(Code::Rs255_223, Basis::Dual, interleave, fill).map(|code| code.data_len())
    };
    assert_eq!(new(6, 0), Err(ReedSolomonError::Interleave(6)));
    assert_eq!(new(0, 0), Err(ReedSolomonError::Interleave(0)));
    assert_eq!(new(1, 223), Err(ReedSolomonError::VirtualFill { fill: 223, data: 223 }));
    assert_eq!(new(1, 222), Ok(1));
}
