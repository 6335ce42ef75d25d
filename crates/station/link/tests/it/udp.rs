//! UDP: a datagram is a whole frame, or it is counted.

use std::net::UdpSocket;

use perigee_link::{Content, Kind};

use crate::harness::{CODED, Running, Spacecraft, link};

#[test]
fn each_datagram_is_one_coded_frame_with_its_marker_or_without() {
    let running = Running::start(link(Kind::Udp, Content::Frames));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut spacecraft = Spacecraft::new();
    for (index, frame) in spacecraft.frames(300).chunks_exact(CODED).enumerate() {
        let marker = if index % 2 == 0 { 0 } else { 4 };
        socket.send_to(&frame[marker..], running.address()).unwrap();
    }
    let status = running.until("received", |status| status.packets == 300);
    assert!(status.frame_lock && status.rejections.is_empty(), "{status:?}");
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_datagram_may_hold_several_frames_without_their_markers() {
    let running = Running::start(link(Kind::Udp, Content::Frames));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut spacecraft = Spacecraft::new();
    let frames = spacecraft.frames(100);
    for three in frames.chunks(3 * CODED) {
        let bare: Vec<u8> = three.chunks_exact(CODED).flat_map(|frame| frame[4..].to_vec()).collect();
        socket.send_to(&bare, running.address()).unwrap();
    }
    let status = running.until("received", |status| status.packets == 100);
    assert!(status.rejections.is_empty() && status.sync.is_none(), "{status:?}");
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_datagram_that_was_cut_is_counted_and_spoils_no_other() {
    let running = Running::start(link(Kind::Udp, Content::Frames));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let frames = Spacecraft::new().frames(300);
    let count = frames.len() / CODED;
    for (index, frame) in frames.chunks_exact(CODED).enumerate() {
        // As a receiver would cut it that sizes its buffer by the frame without parity.
        let frame = if index == 5 { &frame[..450] } else { frame };
        socket.send_to(frame, running.address()).unwrap();
    }
    socket.send_to(&[], running.address()).unwrap();
    let status = running.until("received", |status| status.frames as usize == count - 1);
    let status = running.until("counted", |now| now.gaps == 1 && now.frames == status.frames);
    assert_eq!(status.rejections.get("wrong-unit-length"), Some(&1), "{status:?}");
    assert_eq!(status.rejections.get("vc-gap"), Some(&1), "{status:?}");
}

#[test]
fn packets_of_every_size_come_whole_up_to_the_largest_datagram() {
    let running = Running::start(link(Kind::Udp, Content::Packets));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = Vec::new();
    for length in [1usize, 2000, 65_507 - 6] {
        let mut packet = vec![0x08, 1, 0xC0, 0];
        packet.extend(u16::try_from(length - 1).unwrap().to_be_bytes());
        packet.resize(6 + length, 7);
        socket.send_to(&packet, running.address()).unwrap();
        sent.push(packet);
    }
    // Two in one datagram, and one whose length field lies.
    socket.send_to(&[&sent[0][..], &sent[1][..]].concat(), running.address()).unwrap();
    sent.extend([sent[0].clone(), sent[1].clone()]);
    socket.send_to(&sent[1][..100], running.address()).unwrap();
    let status = running.until("received", |status| status.packets == 5 && !status.rejections.is_empty());
    assert_eq!(status.rejections.get("unfinished"), Some(&1), "{status:?}");
    running.stop().with(|shown| assert!(shown.packets == sent));
}

#[test]
fn datagrams_that_the_kernel_dropped_are_counted() {
    let mut small = link(Kind::Udp, Content::Packets);
    small.receive_buffer = 4096;
    let running = Running::start(small);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut packet = vec![0x08, 1, 0xC0, 0, 0x03, 0xE7];
    packet.resize(1006, 0);
    let address = running.address();
    let (mut sent, deadline) = (0, std::time::Instant::now() + std::time::Duration::from_secs(20));
    // A burst is more than the buffer holds; the loss is told with a later datagram.
    while !running.status().rejections.contains_key("socket-overflow") {
        assert!(std::time::Instant::now() < deadline, "nothing was dropped of {sent} datagrams");
        (0..2000).for_each(|_| drop(socket.send_to(&packet, &address)));
        sent += 2000;
        std::thread::sleep(std::time::Duration::from_millis(250));
    }
    socket.send_to(&packet, running.address()).unwrap();
    sent += 1;
    running.until("every datagram accounted for", |status| {
        status.packets + status.rejections["socket-overflow"] == sent
    });
    running.stop().with(|shown| assert!(shown.rejections.contains(&"socket-overflow")));
}
