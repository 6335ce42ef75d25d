//! The part: one thread that lets the satellite live and sends what it says over a real socket.
//!
//! A satellite does not wait for its station: without a client the time passes and the frames are gone. A client
//! that does not read is dropped; the next one is taken.

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use perigee_part::metrics::{Counter, Gauge};
use perigee_part::{Context, Part, PartError, Running, Services, Timestamp};
use tokio::sync::oneshot;

use crate::config::{Config, Output};
use crate::simulation::{Simulation, Spacecraft};

/// Name of the part: configuration table, metric prefix, log target.
pub const NAME: &str = "simulator";

/// No wait is longer than this.
const TICK: Duration = Duration::from_millis(50);

/// A client that takes nothing for this long is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Frames that are later than this are not made up for: the machine slept.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// Where the socket sets the pace, so many octets are handed to it at once.
const BURST: usize = 256 << 10;

/// Checks the configuration and binds the socket.
///
/// # Errors
/// A wrong value, or an address that the system refuses.
pub fn build(config: Config, services: &Services) -> Result<(Box<dyn Part>, Handle), PartError> {
    config.check().map_err(PartError::Configuration)?;
    let refused = |source| PartError::Io { what: format!("simulator at {}", config.address), source };
    let (outlet, listens) = match config.output {
        Output::Tcp => {
            let listener = TcpListener::bind(&config.address).map_err(refused)?;
            listener.set_nonblocking(true).map_err(refused)?;
            let address = listener.local_addr().map_err(refused)?;
            (Outlet::Tcp(Server { listener, client: None }), Some(address))
        }
        Output::UdpFrames | Output::UdpPackets => {
            let address = resolve(&config.address).map_err(refused)?;
            let local: SocketAddr =
                if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
            let socket = UdpSocket::bind(local).map_err(refused)?;
            socket.connect(address).map_err(refused)?;
            (Outlet::Udp(socket), None)
        }
    };
    let metrics = Metrics {
        frames: services.metrics.counter("frames", "Frames or bare packets sent or let go unheard"),
        packets_lost: services.metrics.counter(
            "packets_lost",
            "Packets that found no room in the transmitter: the bit rate is too low",
        ),
        connected: services.metrics.gauge("connected", "A client listens"),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let part = Simulator { config, outlet, metrics, stop: StopOnDrop(stop) };
    Ok((Box::new(part), Handle { listens }))
}

fn resolve(address: &str) -> std::io::Result<SocketAddr> {
    address.to_socket_addrs()?.next().ok_or_else(|| std::io::Error::other("the name has no address"))
}

/// What others know of the simulator.
#[derive(Clone, Debug)]
pub struct Handle {
    listens: Option<SocketAddr>,
}

impl Handle {
    /// Where the satellite is heard over TCP; `None` where it sends datagrams.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listens
    }
}

struct Metrics {
    frames: Counter,
    packets_lost: Counter,
    connected: Gauge,
}

/// Tells the thread to stop, also when the part's future is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Simulator {
    config: Config,
    outlet: Outlet,
    metrics: Metrics,
    stop: StopOnDrop,
}

impl Part for Simulator {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(self: Box<Self>, context: Context) -> Running {
        Box::pin(async move {
            let Self { config, outlet, metrics, stop } = *self;
            let (ended, mut ending) = oneshot::channel();
            let stopped = Arc::clone(&stop.0);
            thread::Builder::new()
                .name(NAME.to_owned())
                .spawn(move || {
                    // Dropped without a word when the thread panics.
                    let _ = ended.send(fly(&config, outlet, &metrics, &stopped));
                })
                .map_err(|source| PartError::Io { what: "starting the simulator".to_owned(), source })?;
            context.ready();
            let result = tokio::select! {
                result = &mut ending => result,
                () = context.drain.cancelled() => {
                    stop.0.store(true, Ordering::Relaxed);
                    ending.await
                }
            };
            result.unwrap_or_else(|_| Err(PartError::Failed("the simulator's thread panicked".to_owned())))
        })
    }
}

/// Where the telemetry goes.
enum Outlet {
    Tcp(Server),
    Udp(UdpSocket),
}

impl Outlet {
    /// Sends what there is, if someone listens. Datagrams that nobody takes are lost as on the air.
    fn send(&mut self, octets: &[u8]) {
        match self {
            Self::Tcp(server) => server.send(octets),
            Self::Udp(socket) => {
                let _ = socket.send(octets);
            }
        }
    }

    fn connected(&mut self) -> bool {
        match self {
            Self::Tcp(server) => server.accept(),
            Self::Udp(_) => true,
        }
    }
}

struct Server {
    listener: TcpListener,
    client: Option<TcpStream>,
}

impl Server {
    /// Takes a client if there is none; says whether there is one.
    fn accept(&mut self) -> bool {
        if self.client.is_none()
            && let Ok((client, peer)) = self.listener.accept()
            && client.set_nonblocking(false).is_ok()
            && client.set_write_timeout(Some(WRITE_TIMEOUT)).is_ok()
            && client.set_nodelay(true).is_ok()
        {
            tracing::info!(target: "simulator", %peer, "client connected");
            self.client = Some(client);
        }
        self.client.is_some()
    }

    fn send(&mut self, octets: &[u8]) {
        let Some(client) = &mut self.client else { return };
        if let Err(error) = client.write_all(octets) {
            let slow = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            let reason = if slow { "does not read".to_owned() } else { error.to_string() };
            tracing::info!(target: "simulator", reason, "client lost");
            self.client = None;
        }
    }
}

/// The time on board: that of the machine at the start, and from then on what really passed. The machine's
/// own clock may be set back, and the satellite would fall silent.
#[derive(Clone, Copy)]
struct Clock {
    start: i64,
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { start: Timestamp::now().0, started: Instant::now() }
    }

    /// Nanoseconds of the Unix epoch.
    fn now(self) -> i64 {
        self.start.saturating_add(i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }
}

fn fly(config: &Config, outlet: Outlet, metrics: &Metrics, stop: &AtomicBool) -> Result<(), PartError> {
    let clock = Clock::start();
    match config.output {
        Output::UdpPackets => send_packets(config, clock, outlet, metrics, stop),
        Output::Tcp | Output::UdpFrames => {
            let simulation =
                Simulation::new(config, clock.start).map_err(|error| PartError::Failed(error.to_string()))?;
            send_frames(config, simulation, clock, outlet, metrics, stop);
        }
    }
    Ok(())
}

fn send_packets(config: &Config, clock: Clock, mut outlet: Outlet, metrics: &Metrics, stop: &AtomicBool) {
    let mut spacecraft = Spacecraft::new(config, clock.start);
    // Packets that fall due within a millisecond leave together.
    let wait = Duration::from_secs_f64(0.1 / config.packet_rate).clamp(Duration::from_millis(1), TICK);
    while !stop.load(Ordering::Relaxed) {
        spacecraft.packets(clock.now(), |_, packet| {
            outlet.send(packet);
            metrics.frames.inc();
        });
        thread::sleep(wait);
    }
}

fn send_frames(
    config: &Config,
    mut simulation: Simulation,
    clock: Clock,
    mut outlet: Outlet,
    metrics: &Metrics,
    stop: &AtomicBool,
) {
    let unlimited = config.bit_rate == 0;
    let interval = if unlimited { TICK } else { config.frame_interval() };
    let datagrams = matches!(outlet, Outlet::Udp(_));
    let mut octets = Vec::with_capacity(BURST * 2);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let heard = outlet.connected();
        metrics.connected.set(heard.into());
        let now = Instant::now();
        // The socket sets the pace only while there is someone to set it.
        let unpaced = unlimited && heard;
        if now < next && !unpaced {
            thread::sleep((next - now).min(TICK));
            continue;
        }
        octets.clear();
        let mut frames = 0;
        while octets.len() < BURST && (unpaced || next <= now) {
            let begin = octets.len();
            simulation.frame(clock.now(), &mut octets);
            frames += 1;
            next += interval;
            if datagrams {
                outlet.send(&octets[begin..]);
            }
        }
        metrics.frames.inc_by(frames);
        metrics.packets_lost.inc_by(simulation.lost() - metrics.packets_lost.get());
        if !datagrams {
            outlet.send(&octets);
        }
        if unpaced || now.saturating_duration_since(next) > BEHIND_MAX {
            next = Instant::now();
        }
    }
}
