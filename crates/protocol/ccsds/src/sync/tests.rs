//! Streams built by hand: what is in them is known, so what must come out is.

use proptest::prelude::*;

use super::*;

/// A frame as handed out, owned: offset, octets, inverted, errors of the marker.
type Got = (u64, Vec<u8>, bool, Option<u32>);

fn collect(got: &mut Vec<Got>) -> impl FnMut(SyncedFrame<'_>) {
    |frame| got.push((frame.offset, frame.octets.to_vec(), frame.inverted, frame.marker_errors))
}

fn receive(parameters: &SyncParameters, pieces: &[&[u8]]) -> (Vec<Got>, SyncCounters) {
    let mut synchronizer = Synchronizer::new(parameters.clone()).unwrap();
    let mut got = Vec::new();
    for piece in pieces {
        synchronizer.receive(piece, &mut collect(&mut got));
    }
    synchronizer.finish(&mut collect(&mut got));
    (got, *synchronizer.counters())
}

const LEN: usize = 20;

fn parameters(alignment: Alignment) -> SyncParameters {
    SyncParameters::new(&ASM, LEN, alignment)
}

/// The n-th frame's octets; nothing like a marker.
fn body(n: usize) -> Vec<u8> {
    (0..LEN).map(|at| (n * 3 + at) as u8 & 0x3F).collect()
}

fn cadu(n: usize) -> Vec<u8> {
    [&ASM[..], &body(n)].concat()
}

fn cadus(numbers: std::ops::Range<usize>) -> Vec<u8> {
    numbers.flat_map(cadu).collect()
}

fn to_bits(octets: &[u8]) -> Vec<u8> {
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1)).collect()
}

fn from_bits(bits: &[u8]) -> Vec<u8> {
    bits.chunks(8).map(|octet| octet.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
}

fn numbers(got: &[Got]) -> Vec<Option<usize>> {
    got.iter().map(|(_, octets, ..)| (0..20).find(|n| body(*n) == *octets)).collect()
}

fn all(range: std::ops::Range<usize>) -> Vec<Option<usize>> {
    range.map(Some).collect()
}

#[test]
fn walks_through_its_states() {
    let mut synchronizer = Synchronizer::new(parameters(Alignment::Octet)).unwrap();
    let mut states = vec![synchronizer.state()];
    let broken = [&[0; 4], &body(3)[..]].concat();
    for input in [
        vec![9; 30],
        cadu(0),
        cadu(1),
        cadu(2),
        broken.clone(),
        broken,
        vec![9; 90],
        cadu(4),
        cadu(5),
        cadu(6),
    ] {
        synchronizer.receive(&input, &mut |_| ());
        states.push(synchronizer.state());
    }
    use SyncState::{Flywheel, Lock, Search, Verify};
    // A missing marker is judged when the place of the next one is in sight: one frame later.
    assert_eq!(states, [Search, Search, Verify, Lock, Lock, Lock, Flywheel, Search, Verify, Lock, Lock]);
    assert_eq!(synchronizer.counters().losses, 1);
    assert_eq!(synchronizer.counters().flywheel, 1);
}

#[test]
fn frames_are_lent_from_the_input_in_lock() {
    let mut synchronizer = Synchronizer::new(parameters(Alignment::Octet)).unwrap();
    let input = cadus(0..10);
    let range = input.as_ptr_range();
    let mut lent = 0;
    synchronizer.receive(&input, &mut |frame| lent += usize::from(range.contains(&frame.octets.as_ptr())));
    assert_eq!(lent, 10);
    synchronizer.receive(&input, &mut |frame| lent += usize::from(range.contains(&frame.octets.as_ptr())));
    assert_eq!(lent, 20);
}

#[test]
fn a_damaged_marker_costs_no_frame() {
    let mut input = cadus(0..10);
    for marker in [3, 6, 7] {
        input[marker * 24] ^= 0xFF;
    }
    for alignment in [Alignment::Octet, Alignment::Bit] {
        let (got, counters) = receive(&parameters(alignment), &[&input]);
        assert_eq!(numbers(&got), all(0..10));
        assert_eq!(got.iter().filter(|(.., errors)| errors.is_none()).count(), 3);
        assert_eq!((counters.flywheel, counters.losses, counters.skipped), (3, 0, 0));
    }
}

#[test]
fn bit_errors_in_the_marker_as_many_as_allowed() {
    let mut input = cadus(0..6);
    input[0] ^= 0x10;
    input[2 * 24 + 1] ^= 0x81;
    input[3 * 24 + 3] ^= 0x07;
    for alignment in [Alignment::Octet, Alignment::Bit] {
        let (got, _) = receive(&SyncParameters { max_errors: 2, ..parameters(alignment) }, &[&input]);
        let errors: Vec<_> = got.iter().map(|(.., errors)| *errors).collect();
        assert_eq!(errors, [Some(1), Some(0), Some(2), None, Some(0), Some(0)]);
    }
}

#[test]
fn bit_slips_both_ways_are_followed() {
    for slip in [-8i32, -3, -1, 1, 2, 8] {
        let mut bits = to_bits(&cadus(0..10));
        let at = 5 * 24 * 8 - 10;
        if slip < 0 {
            bits.drain(at..at + slip.unsigned_abs() as usize);
        } else {
            bits.splice(at..at, vec![0; slip as usize]);
        }
        let (got, counters) = receive(&parameters(Alignment::Bit), &[&from_bits(&bits)]);
        let seen = numbers(&got);
        assert_eq!((&seen[..4], &seen[5..]), (&all(0..4)[..], &all(5..10)[..]), "slip of {slip}");
        assert_eq!((counters.slips, counters.losses), (1, 0), "slip of {slip}");
        assert_eq!(got[5].0 as i32, 5 * 24 * 8 + slip);
    }
}

#[test]
fn inverted_polarity_is_put_right_even_when_it_changes() {
    let mut input = cadus(0..10);
    input[5 * 24..].iter_mut().for_each(|octet| *octet = !*octet);
    for alignment in [Alignment::Octet, Alignment::Bit] {
        let (got, counters) = receive(&parameters(alignment), &[&input]);
        assert_eq!(numbers(&got), all(0..10));
        assert!(got.iter().enumerate().all(|(n, (_, _, inverted, _))| *inverted == (n >= 5)));
        assert_eq!(counters.polarity_changes, 1);
    }
}

/// Twelve errors in the first octets of a marker of 64 bits, in either polarity.
#[test]
fn errors_may_all_be_at_the_beginning_of_a_long_marker() {
    let marker = [0x03, 0x47, 0x76, 0xC7, 0x27, 0x28, 0x95, 0xB0];
    let mut input: Vec<u8> = (0..5).flat_map(|n| [&marker[..], &body(n)].concat()).collect();
    input[0] ^= 0xFF;
    input[1] ^= 0x0F;
    for alignment in [Alignment::Octet, Alignment::Bit] {
        for flip in [0, 0xFF] {
            let input: Vec<u8> = input.iter().map(|octet| octet ^ flip).collect();
            let parameters =
                SyncParameters { max_errors: 12, ..SyncParameters::new(&marker, LEN, alignment) };
            let (got, _) = receive(&parameters, &[&[0x55; 100], &input]);
            assert_eq!(numbers(&got), all(0..5));
            assert_eq!(got[0].3, Some(12));
        }
    }
}

/// The stream begins inside a frame that happens to contain a marker.
#[test]
fn a_chance_marker_hides_no_true_one() {
    let mut input = vec![7; 3];
    input.extend(ASM);
    input.extend([1; 9]);
    let start = input.len() as u64;
    input.extend(cadus(0..4));
    let (got, counters) = receive(&parameters(Alignment::Octet), &[&input]);
    assert_eq!(numbers(&got), all(0..4));
    assert_eq!(got[0].0, start);
    assert_eq!((counters.false_markers, counters.skipped), (1, start));
}

/// In lock what is inside the frames is not looked at.
#[test]
fn markers_inside_frames_are_data() {
    let frame = [&ASM[..], &[5; 8], &ASM, &[6; 8]].concat();
    let input = frame.repeat(5);
    let (got, _) = receive(&parameters(Alignment::Bit), &[&input]);
    assert_eq!(got.len(), 5);
    assert!(got.iter().all(|(_, octets, ..)| octets == &frame[4..]));
}

#[test]
fn a_lone_frame_and_the_last_one_come_out() {
    let (got, _) = receive(&parameters(Alignment::Bit), &[&[3; 50], &cadu(1)]);
    assert_eq!(numbers(&got), [Some(1)]);
    let (got, counters) = receive(&parameters(Alignment::Octet), &[&cadus(0..3), &cadu(3)[..23]]);
    assert_eq!(numbers(&got), all(0..3));
    assert_eq!(counters.skipped, 23, "a frame cut short is not one");
}

#[test]
fn without_a_marker_frames_stand_back_to_back() {
    for alignment in [Alignment::Octet, Alignment::Bit] {
        let parameters = SyncParameters::new(&[], 7, alignment);
        let input: Vec<u8> = (0..40).collect();
        let (got, counters) = receive(&parameters, &[&input[..10], &input[10..11], &input[11..]]);
        let units = alignment.units();
        let wanted: Vec<Got> = input
            .chunks_exact(7)
            .zip(0..)
            .map(|(frame, n)| (n * 7 * units, frame.to_vec(), false, Some(0)))
            .collect();
        assert_eq!(got, wanted);
        assert_eq!(counters.skipped, 5 * units);
    }
}

/// The 192-bit marker of the rate-1/6 turbo code, and a marker of one octet.
#[test]
fn markers_of_any_length() {
    let long: Vec<u8> = (0..24u8).map(|at| at.wrapping_mul(0x9D) ^ 0x5A).collect();
    for marker in [&long[..], &[0xE4]] {
        let stream: Vec<u8> = (0..5).flat_map(|n| [marker, &body(n)].concat()).collect();
        for alignment in [Alignment::Octet, Alignment::Bit] {
            let parameters = SyncParameters { verify: 2, ..SyncParameters::new(marker, LEN, alignment) };
            let (got, _) = receive(&parameters, &[&[0; 3], &stream]);
            assert_eq!(numbers(&got), all(0..5));
        }
    }
}

#[test]
fn hard_bits_and_soft_symbols_are_the_same_stream() {
    let bits = [&[0, 1, 1][..], &to_bits(&cadus(0..5))].concat();
    let soft: Vec<i8> = bits.iter().map(|bit| if *bit == 1 { 50 } else { -3 }).collect();
    for piece in [1, 9, 1000] {
        let (mut by_bits, mut by_soft) = (Vec::new(), Vec::new());
        let mut synchronizer = Synchronizer::new(parameters(Alignment::Bit)).unwrap();
        bits.chunks(piece).for_each(|bits| synchronizer.receive_bits(bits, &mut collect(&mut by_bits)));
        synchronizer.finish(&mut collect(&mut by_bits));
        soft.chunks(piece).for_each(|soft| synchronizer.receive_soft(soft, &mut collect(&mut by_soft)));
        synchronizer.finish(&mut collect(&mut by_soft));
        assert_eq!((numbers(&by_bits), by_bits[0].0), (all(0..5), 3));
        assert_eq!(by_soft, by_bits);
    }
}

#[test]
fn parameters_are_checked() {
    let wrong = |change: fn(&mut SyncParameters)| {
        let mut parameters = parameters(Alignment::Bit);
        change(&mut parameters);
        Synchronizer::new(parameters).map(|_| ()).unwrap_err()
    };
    assert_eq!(wrong(|parameters| parameters.frame_len = 0), SyncError::FrameLength);
    assert_eq!(wrong(|parameters| parameters.max_errors = 8), SyncError::MaxErrors { errors: 8, bits: 32 });
    assert_eq!(wrong(|parameters| parameters.verify = 17), SyncError::Verify(17));
}

/// Frames and garbage in turn, as bits.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let garbage = prop::collection::vec(0..2u8, 0..120);
    let part = (garbage, 0..20usize, 1..4usize, any::<bool>(), 0..64usize);
    prop::collection::vec(part, 1..8).prop_map(|parts| {
        let mut bits = Vec::new();
        for (garbage, first, count, inverted, wrong) in parts {
            bits.extend(garbage);
            let mut frames = to_bits(&cadus(first..first + count));
            if wrong < 32 {
                frames[wrong] ^= 1;
            }
            bits.extend(frames.iter().map(|bit| bit ^ u8::from(inverted)));
        }
        bits
    })
}

proptest! {
    #[test]
    fn how_the_input_is_cut_makes_no_difference(
        bits in stream(), octet_aligned: bool, verify in 0..3u32, max_errors in 0..3u32, cuts in prop::collection::vec(0..400usize, 0..20)
    ) {
        let alignment = if octet_aligned { Alignment::Octet } else { Alignment::Bit };
        let parameters = SyncParameters { verify, max_errors, ..parameters(alignment) };
        let input = from_bits(&bits);
        let whole = receive(&parameters, &[&input]);
        let mut pieces = Vec::new();
        let mut rest = &input[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(receive(&parameters, &pieces), whole.clone());
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(receive(&parameters, &octets), whole.clone());

        // Frames do not overlap, and every unit of the input is accounted for, but for slips.
        let (got, counters) = whole;
        let period = 24 * alignment.units();
        prop_assert!(got.windows(2).all(|pair| pair[1].0 + u64::from(parameters.max_slip) >= pair[0].0 + period));
        if counters.slips == 0 {
            prop_assert_eq!(counters.skipped + counters.frames * period, input.len() as u64 * alignment.units());
        }
    }

    /// Two good frames in a row are never lost, whatever stands around them.
    #[test]
    fn pairs_of_frames_are_found(before in prop::collection::vec(any::<u8>(), 0..100), after in prop::collection::vec(any::<u8>(), 0..100), inverted: bool) {
        let flip = if inverted { 0xFF } else { 0 };
        let pair: Vec<u8> = cadus(3..5).iter().map(|octet| octet ^ flip).collect();
        for alignment in [Alignment::Octet, Alignment::Bit] {
            let (got, _) = receive(&parameters(alignment), &[&before, &pair, &after]);
            let seen = numbers(&got);
            prop_assert!(seen.contains(&Some(3)) && seen.contains(&Some(4)));
        }
    }
}
