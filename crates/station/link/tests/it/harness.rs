//! A link that runs, what it shows, and a spacecraft that sends numbered packets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perigee_ccsds::link::LinkParameters;
use perigee_ccsds::send::Sender;
use perigee_link::{Config, Content, Handle, Kind, LinkConfig, LinkStatus, Parameters};
use perigee_part::{Context, Downlink, FrameReport, PacketReport, Part, PartError, Rejection};
use perigee_testkit::contract::services;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Small coded frames: 4 octets of marker, 446 of frame and 64 of parity.
pub(crate) const LINK_FILE: &str = r#"
[sync]
asm = "1ACFFC1D"
max_errors = 1
[coding]
randomizer = "255"
reed_solomon = { code = "255,223", interleave = 2 }
[frame]
type = "tm"
length = 446
scid = 42
fecf = true
ocf = true
"#;

/// Octets of one coded frame.
pub(crate) const CODED: usize = 4 + 446 + 64;

/// Everything that a link has shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) frames: usize,
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) rejections: Vec<&'static str>,
    pub(crate) rejected_octets: Vec<u64>,
    pub(crate) flushes: usize,
}

/// Keeps what it is shown.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Shown>>);

impl Recorder {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Shown) -> T) -> T {
        look(&self.0.lock().expect("no panic while locked"))
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.0.lock().expect("no panic while locked"));
    }
}

impl Downlink for Recorder {
    fn frame(&mut self, _: FrameReport<'_>) {
        self.change(|shown| shown.frames += 1);
    }

    fn packet(&mut self, packet: PacketReport<'_>) {
        self.change(|shown| shown.packets.push(packet.octets.to_vec()));
    }

    fn rejected(&mut self, rejection: Rejection<'_>) {
        self.change(|shown| {
            shown.rejections.push(rejection.reason);
            shown.rejected_octets.push(rejection.length);
        });
    }

    fn flush(&mut self) {
        self.change(|shown| shown.flushes += 1);
    }
}

/// A link of frames with the parameters above, or of bare packets.
pub(crate) fn link(kind: Kind, content: Content) -> LinkConfig {
    let mut link = LinkConfig::new("test", kind);
    link.content = content;
    if content == Content::Frames {
        link.parameters = Some(Parameters::Inline(LINK_FILE.parse().expect("TOML")));
    }
    if kind != Kind::File {
        link.address = Some("127.0.0.1:0".to_owned());
    }
    link
}

/// Links that run.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) recorder: Recorder,
    drain: CancellationToken,
    task: JoinHandle<Result<(), PartError>>,
    runtime: Runtime,
}

impl Running {
    pub(crate) fn start(link: LinkConfig) -> Self {
        let (services, _state) = services();
        let recorder = Recorder::default();
        let mut downlink = |_: &str| Box::new(recorder.clone()) as Box<dyn Downlink>;
        let (part, handle) =
            perigee_link::build(Config(vec![link]), &mut downlink, &services).expect("the link is built");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let drain = CancellationToken::new();
        let task = runtime.spawn(Part::run(part, Context::new(drain.clone(), CancellationToken::new())));
        Self { handle, recorder, drain, task, runtime }
    }

    pub(crate) fn status(&self) -> LinkStatus {
        self.handle.statuses().remove(0)
    }

    /// The address that the link is bound to.
    pub(crate) fn address(&self) -> String {
        self.status().address
    }

    /// Waits until the status is as wanted.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&LinkStatus) -> bool) -> LinkStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never {what}: {status:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Drains the link; what it has shown is complete then.
    pub(crate) fn stop(self) -> Recorder {
        self.drain.cancel();
        self.runtime.block_on(self.task).expect("no panic").expect("drained");
        self.recorder
    }
}

/// Packets of growing numbers and changing lengths, and the coded frames that carry them.
pub(crate) struct Spacecraft {
    sender: Sender,
    number: u32,
    pub(crate) sent: Vec<Vec<u8>>,
}

impl Spacecraft {
    pub(crate) fn new() -> Self {
        let parameters = LinkParameters::from_toml(LINK_FILE).expect("link file");
        Self { sender: Sender::new(&parameters).expect("link"), number: 0, sent: Vec::new() }
    }

    /// The next packet: its number fills it.
    pub(crate) fn packet(&mut self) -> Vec<u8> {
        let length = 4 * (3 + self.number as usize * 7 % 90);
        let mut packet = vec![0x08, 0x10, 0xC0 | (self.number >> 8) as u8 & 0x3F, self.number as u8];
        packet.extend(u16::try_from(length - 1).expect("short").to_be_bytes());
        (0..length / 4).for_each(|_| packet.extend(self.number.to_be_bytes()));
        self.number += 1;
        self.sent.push(packet.clone());
        packet
    }

    /// The coded frames of so many packets; the last one is filled up.
    pub(crate) fn frames(&mut self, packets: usize) -> Vec<u8> {
        let mut symbols = Vec::new();
        for _ in 0..packets {
            let packet = self.packet();
            self.sender.push_packet(0, &packet).expect("queued");
            while self.sender.frame_ready() {
                self.sender.poll_transmit(&mut symbols);
            }
        }
        self.sender.flush(&mut symbols);
        symbols
    }
}
