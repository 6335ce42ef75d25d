//! Bit errors on the channel: what can be corrected is, what cannot is counted, and nothing wrong is shown.

use std::io::Write;
use std::net::TcpStream;

use perigee_link::{Content, Kind, LinkStatus};

use crate::harness::{Running, Shown, Spacecraft, link};

/// Sends packets through a channel with this bit error rate; gives what was sent, the status at the end and what was
/// shown.
fn through(rate: f64) -> (Vec<Vec<u8>>, LinkStatus, Shown) {
    let mut spacecraft = Spacecraft::new();
    let mut symbols = spacecraft.frames(3000);
    let mut random = fastrand::Rng::with_seed(20_261_123);
    if rate > 0.0 {
        for octet in &mut symbols {
            for bit in 0..8 {
                *octet ^= u8::from(random.f64() < rate) << bit;
            }
        }
    }
    let running = Running::start(link(Kind::TcpServer, Content::Frames));
    let mut client = TcpStream::connect(running.address()).expect("the link listens");
    // In pieces of any size.
    let mut rest = &symbols[..];
    while !rest.is_empty() {
        let (piece, left) = rest.split_at(random.usize(1..5000).min(rest.len()));
        client.write_all(piece).expect("the link listens");
        rest = left;
    }
    drop(client);
    let octets = symbols.len() as u64;
    let status = running.until("received", |status| status.octets == octets && !status.connected);
    let shown = running.stop().with(|shown| Shown {
        packets: shown.packets.clone(),
        rejections: shown.rejections.clone(),
        rejected_octets: shown.rejected_octets.clone(),
        ..*shown
    });
    (spacecraft.sent, status, shown)
}

#[test]
fn a_clean_channel_brings_everything() {
    let (sent, status, shown) = through(0.0);
    assert!(shown.packets == sent);
    assert_eq!((status.corrected_symbols, status.uncorrectable, status.rejections.len()), (0, 0, 0));
}

#[test]
fn errors_within_the_code_are_corrected() {
    let (sent, status, shown) = through(1e-4);
    assert!(shown.packets == sent);
    assert!(status.corrected_symbols > 100, "{status:?}");
    assert_eq!((status.uncorrectable, status.gaps), (0, 0), "{status:?}");
}

#[test]
fn errors_beyond_the_code_are_counted_and_nothing_wrong_is_shown() {
    let (sent, status, shown) = through(8e-3);
    assert!(status.uncorrectable > 10, "{status:?}");
    assert!(status.gaps > 0 && status.corrected_symbols > 1000, "{status:?}");
    assert!(shown.rejections.contains(&"uncorrectable"));
    assert!(shown.packets.len() > sent.len() / 10, "{} of {}", shown.packets.len(), sent.len());
    let mut rest = sent.iter();
    for packet in &shown.packets {
        assert!(rest.any(|sent| sent == packet), "a packet was shown that was not sent, or out of order");
    }
}
