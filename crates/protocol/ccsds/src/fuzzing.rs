//! What the fuzz targets run, and the tests that replay their corpora: every parser of octets from outside, with
//! what must hold whatever the octets are. Not part of the interface.

use crate::coding::convolutional::Rate;
use crate::coding::randomizer::Randomizer;
use crate::coding::reed_solomon::{Basis, Code};
use crate::frame::{
    AosFrame, AosLayout, FirstHeader, OperationalControl, ScidBits, TmFrame, UslpFrame, UslpLayout,
};
use crate::link::{
    AsmParameters, ChannelParameters, Fecf, FrameType, LinkParameters, ReedSolomonParameters, Service,
    Symbols,
};
use crate::packet::{Assembled, Assembler, EncapsulationPacket, SpacePacket};
use crate::receive::{Counters, ReceivedFrame, ReceivedPacket, Receiver, Rejected, Sink};
use crate::sync::Alignment;
use crate::time::{AsciiA, AsciiB, CcsFormat, CdsFormat, CucFormat, Time, TimeCode};

/// Takes choices off the front of the input.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn octet(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.octet()) % values.len()]
    }

    fn yes(&mut self) -> bool {
        self.octet() & 1 != 0
    }

    fn size(&mut self, max: usize) -> usize {
        (usize::from(self.octet()) << 8 | usize::from(self.octet())) % (max + 1)
    }
}

fn link(choices: &mut Choices<'_>) -> LinkParameters {
    let frame_type = match choices.octet() % 3 {
        0 => FrameType::Tm { secondary_header: 0 },
        1 => FrameType::Aos {
            scid_bits: choices.of(&[ScidBits::Eight, ScidBits::Ten]),
            header_error_control: choices.yes(),
        },
        _ => FrameType::Uslp { truncated_length: choices.of(&[None, Some(9)]), count_length: 0 },
    };
    let mut link = LinkParameters::plain(frame_type, choices.size(600));
    link.symbols = choices.of(&[Symbols::Octets, Symbols::Bits, Symbols::I8, Symbols::F32]);
    link.asm = choices.of(&[None, Some(1), Some(2), Some(4)]).map(|length| {
        let (max_errors, verify, flywheel) = (choices.octet(), choices.octet(), choices.octet());
        AsmParameters {
            asm: crate::sync::ASM[..length].to_vec(),
            max_errors: max_errors.into(),
            verify: verify.into(),
            flywheel: flywheel.into(),
            alignment: if flywheel & 0x80 == 0 { Alignment::Octet } else { Alignment::Bit },
        }
    });
    link.randomizer = choices.of(&[None, Some(Randomizer::Period255), Some(Randomizer::Period131071)]);
    if choices.yes() {
        link.reed_solomon = Some(ReedSolomonParameters {
            code: choices.of(&[Code::Rs255_223, Code::Rs255_239]),
            interleave: choices.of(&[1, 2, 3, 4, 5, 8, 6]),
            basis: choices.of(&[Basis::Dual, Basis::Conventional]),
        });
    }
    link.convolutional = choices.of(&[None, Some(Rate::R1_2), Some(Rate::R3_4), Some(Rate::R7_8)]);
    link.frame.scid = choices.of(&[None, Some(0), Some(7)]);
    link.frame.fecf = choices.of(&[Fecf::None, Fecf::Crc16, Fecf::Crc32]);
    link.frame.ocf = choices.yes();
    link.frame.insert_zone = choices.octet().into();
    link.packet.max_length = choices.size(2000);
    for vcid in 0..2 {
        let service = choices.of(&[Service::MPdu, Service::BPdu, Service::Vca]);
        link.channels.push(ChannelParameters { vcid, service });
    }
    link
}

/// Checks what a receiver shows against its parameters.
struct Watch {
    frame_max: usize,
    packet_max: usize,
    frames: u64,
    good: u64,
    packets: u64,
    rejected: u64,
}

impl Sink for Watch {
    fn frame(&mut self, frame: &ReceivedFrame<'_>) {
        assert!(frame.octets.len() <= self.frame_max);
        assert_eq!(frame.index, self.frames);
        self.frames += 1;
        self.good += u64::from(frame.status.is_ok());
    }

    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        assert!(!packet.octets.is_empty() && packet.octets.len() <= self.packet_max);
        assert!(packet.frame_index < self.frames);
        self.packets += 1;
    }

    fn rejected(&mut self, _: &Rejected<'_>) {
        self.rejected += 1;
    }
}

/// The receive chain with any parameters over any input.
pub fn receive_chain(data: &[u8]) {
    let mut choices = Choices(data);
    let link = link(&mut choices);
    let pieces = [usize::from(choices.octet()) + 1, 1 << 12];
    let Ok(mut receiver) = Receiver::new(&link) else { return };
    let mut seen: Option<(Counters, u64)> = None;
    // However the input is cut, the outcome is the same.
    for piece in pieces {
        let mut watch = Watch {
            frame_max: link.frame.length,
            packet_max: link.packet.max_length,
            frames: 0,
            good: 0,
            packets: 0,
            rejected: 0,
        };
        for piece in choices.0.chunks(piece) {
            receiver.receive(piece, &mut watch);
        }
        receiver.finish(&mut watch);
        let counters = receiver.counters().clone();
        assert_eq!(
            (counters.frames, counters.good_frames, counters.packets, counters.rejected.total()),
            (watch.frames, watch.good, watch.packets, watch.rejected)
        );
        match &seen {
            None => seen = Some((counters, watch.rejected)),
            Some((before, _)) => assert_eq!(*before, counters),
        }
        let Ok(anew) = Receiver::new(&link) else { return };
        receiver = anew;
    }
    let mut watch =
        Watch { packet_max: usize::MAX, frame_max: usize::MAX, frames: 0, good: 0, packets: 0, rejected: 0 };
    receiver.receive_unit(choices.0, &mut watch);
    receiver.finish(&mut watch);
}

/// The views of all frames: what a view reads, its header writes again.
pub fn frame_views(data: &[u8]) {
    let mut choices = Choices(data);
    let fecf = choices.of(&[0, 2, 4]);
    let insert_zone = usize::from(choices.octet() % 9);
    let layout = AosLayout {
        scid_bits: ScidBits::Ten,
        header_error_control: choices.yes(),
        insert_zone,
        ocf: choices.yes(),
        fecf,
    };
    let truncated_length = choices.yes().then_some(12);
    let octets = choices.0;
    if let Ok(frame) = TmFrame::new(octets, fecf) {
        assert_eq!(frame.header().to_octets().as_ref().map(|header| &header[..]), Ok(&octets[..6]));
        assert!(frame.data().len() <= octets.len());
        if let Some(ocf) = frame.ocf() {
            clcw(ocf);
        }
    }
    if let Ok(frame) = AosFrame::new(octets, &layout) {
        assert_eq!(
            frame.header().to_octets(ScidBits::Ten).as_ref().map(|header| &header[..]),
            Ok(&octets[..6])
        );
        assert_eq!(frame.insert_zone().len(), insert_zone);
        assert_eq!(layout.lead() + frame.data().len() + layout.trailer(), octets.len());
    }
    if let Ok(frame) = UslpFrame::new(octets, &UslpLayout { insert_zone, fecf, truncated_length }) {
        let mut header = Vec::new();
        assert!(frame.header().write(&mut header).is_ok());
        // Two bits of the flags are spare.
        if header.len() > 6 {
            header[6] |= octets[6] & 0x30;
        }
        assert_eq!(header, octets[..header.len()]);
        assert!(frame.zone().len() < octets.len());
    }
}

fn clcw(octets: [u8; 4]) {
    if let OperationalControl::Clcw(clcw) = OperationalControl::parse(octets) {
        assert_eq!(clcw.to_octets(), Ok(octets));
    }
}

/// Packet zones of any kind: no octet is shown twice, and none that was not given.
pub fn packet_assembly(data: &[u8]) {
    let mut choices = Choices(data);
    let packet_max = choices.size(3000);
    let mut assembler = Assembler::new(packet_max);
    let (mut given, mut shown) = (0, 0);
    let mut out = |event: Assembled<'_>| match event {
        Assembled::Packet(octets) => {
            assert!(octets.len() <= packet_max);
            let space = SpacePacket::new(octets).is_ok_and(|packet| packet.octets() == octets);
            let encapsulation = EncapsulationPacket::new(octets)
                .is_ok_and(|packet| packet.header().packet_length as usize == octets.len());
            assert!(space || encapsulation);
            shown += octets.len();
        }
        Assembled::Dropped(_, octets) => shown += octets.len(),
    };
    while !choices.0.is_empty() {
        let first = match choices.octet() {
            255 => FirstHeader::None,
            254 => FirstHeader::IdleOnly,
            253 => {
                assembler.abandon(crate::Reason::VcGap, &mut out);
                continue;
            }
            at => FirstHeader::At(at.into()),
        };
        let length = usize::from(choices.octet()).min(choices.0.len());
        let (zone, rest) = choices.0.split_at(length);
        choices.0 = rest;
        if first != FirstHeader::IdleOnly {
            given += zone.len();
        }
        assembler.zone(zone, first, &mut out);
    }
    assembler.abandon(crate::Reason::Unfinished, &mut out);
    assert_eq!(given, shown);
}

/// All time codes: what is read is written again.
pub fn time_codes(data: &[u8]) {
    let epoch = Time::from_tai(694_656_019, 0);
    let mut written = Vec::new();
    if let Ok((format, length)) = CucFormat::parse(data, epoch) {
        if format.write(&mut written).is_ok() && length == written.len() && length == 1 {
            assert_eq!(written, data[..1]);
        }
        let _ = TimeCode::Cuc(format).decode(&data[length..]).map(|utc| utc.to_string());
    }
    if let Ok(format) = CdsFormat::parse(data, epoch) {
        assert_eq!(format.p_field(), data[0] & 0x7F);
        let code = TimeCode::Cds(format);
        if let Ok(utc) = code.decode(&data[1..]) {
            written.clear();
            assert_eq!(code.encode(utc, &mut written), Ok(()));
            assert_eq!(written, data[1..1 + written.len()]);
        }
    }
    if let Ok(format) = CcsFormat::parse(data) {
        let code = TimeCode::Ccs(format);
        if let Ok(utc) = code.decode(&data[1..]) {
            written.clear();
            assert_eq!(code.encode(utc, &mut written), Ok(()));
            assert_eq!(written, data[1..1 + written.len()]);
        }
    }
    for utc in
        [AsciiA::parse(data).map(|code| code.0), AsciiB::parse(data).map(|code| code.0)].into_iter().flatten()
    {
        assert_eq!(crate::time::Utc::from(Time::from(utc)), utc);
        written.clear();
        assert_eq!(AsciiA(utc).write(12, &mut written), Ok(()));
        assert_eq!(AsciiA::parse(&written), Ok(AsciiA(utc)));
    }
    let _ = TimeCode::PField(epoch).decode(data).map(|utc| utc.to_string());
}

/// Link files: what is accepted makes a receiver.
pub fn link_file(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match LinkParameters::from_toml(text) {
        Ok(link) => assert!(Receiver::new(&link).is_ok()),
        Err(error) => {
            assert!(error.line.is_none_or(|line| line >= 1 && line <= text.lines().count() + 1));
            assert!(!error.to_string().is_empty());
        }
    }
}
