//! The receive chain allocates nothing once its buffers have grown to the link.

use allocation_counter::measure;
use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::packet::{PacketType, SequenceFlags, SpaceHeader};
use perigee_ccsds::receive::{Counters, ReceivedFrame, ReceivedPacket, Receiver, Rejected, Sink};
use perigee_ccsds::send::Sender;

use crate::collect::link;

/// A sink that counts.
#[derive(Default)]
struct Count {
    frames: usize,
    packets: usize,
    rejected: usize,
}

impl Sink for Count {
    fn frame(&mut self, _: &ReceivedFrame<'_>) {
        self.frames += 1;
    }

    fn packet(&mut self, _: &ReceivedPacket<'_>) {
        self.packets += 1;
    }

    fn rejected(&mut self, _: &Rejected<'_>) {
        self.rejected += 1;
    }
}

/// Frames full of packets of many lengths, on two channels; packets span frames.
fn channel(link: &LinkParameters, packets: usize) -> Vec<u8> {
    let mut sender = Sender::new(link).expect("link");
    let mut channel = Vec::new();
    for at in 0..packets {
        let data = vec![at as u8; 1 + at * 37 % 900];
        let header = SpaceHeader {
            packet_type: PacketType::Telemetry,
            secondary_header: false,
            apid: 7,
            sequence_flags: SequenceFlags::Unsegmented,
            sequence_count: at as u16,
            data_length: data.len(),
        };
        let packet = [&header.to_octets().expect("in range")[..], &data].concat();
        sender.push_packet((at % 2) as u8, &packet).expect("room");
        while sender.frame_ready() {
            sender.poll_transmit(&mut channel);
        }
    }
    while sender.pending() {
        sender.poll_transmit(&mut channel);
    }
    sender.flush(&mut channel);
    channel
}

#[test]
fn clean_frames_allocate_nothing() {
    // Uncoded, Reed-Solomon with the randomiser, a convolutional code on octets, AOS, TM and USLP.
    let names = [
        "perigeesat.toml",
        "snpp.toml",
        "jpss.toml",
        "hera-cadu.toml",
        "dariol83-aos.toml",
        "dariol83-tm.toml",
    ];
    for name in names {
        let link = link(name);
        let input = channel(&link, 400);
        let mut receiver = Receiver::new(&link).expect("link");
        let mut count = Count::default();
        // Pieces of many sizes: frames are cut everywhere.
        let receive = |receiver: &mut Receiver, count: &mut Count| {
            let (mut rest, mut size) = (&input[..], 1000);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(size));
                receiver.receive(piece, count);
                rest = after;
                size = size * 7 % 9973 + 100;
            }
        };
        receive(&mut receiver, &mut count);
        let warm = Counters::clone(receiver.counters());
        let seen = measure(|| (0..3).for_each(|_| receive(&mut receiver, &mut count)));
        assert_eq!(seen.count_total, 0, "{name}: {seen:?}");
        let frames = receiver.counters().good_frames - warm.good_frames;
        assert!(frames > 50 && count.packets > 1500, "{name}: {frames} frames, {} packets", count.packets);
    }
}
