//! The part on a real socket.

use std::io::Read;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use perigee_ccsds::receive::{ReceivedPacket, Receiver, Sink};
use perigee_part::http::{Limits, Listeners};
use perigee_part::metrics::Registry;
use perigee_part::{Context, PartError, Services};
use perigee_simulator::config::{Config, Output, link_parameters};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: Option<SocketAddr>,
    drain: CancellationToken,
    task: JoinHandle<Result<(), PartError>>,
}

impl Running {
    fn start(config: Config) -> Self {
        let services = Services {
            http: Listeners::new(Limits::default()),
            metrics: Registry::new(),
            state: "/tmp".into(),
        };
        let (part, handle) = perigee_simulator::build(config, &services).expect("builds");
        let drain = CancellationToken::new();
        let context = Context::new(drain.clone(), CancellationToken::new());
        Self { address: handle.address(), drain, task: tokio::spawn(part.run(context)) }
    }

    async fn stop(self) {
        self.drain.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.task)
            .await
            .expect("drains")
            .expect("no panic")
            .expect("ok");
    }
}

#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn packet(&mut self, _: &ReceivedPacket<'_>) {
        self.0 += 1;
    }
}

/// Reads so many octets from a new connection and decodes them.
fn listen(address: SocketAddr, octets: usize) -> (Receiver, u64) {
    let mut client = TcpStream::connect(address).expect("connects");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    let mut received = vec![0; octets];
    client.read_exact(&mut received).expect("octets come");
    let mut receiver = Receiver::new(&link_parameters()).expect("link");
    let mut count = Count::default();
    receiver.receive(&received, &mut count);
    (receiver, count.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_after_the_other_hears_the_satellite() {
    let simulator = Running::start(Config { bit_rate: 2_000_000, ..Config::default() });
    for _ in 0..2 {
        let address = simulator.address.expect("it listens");
        let (receiver, packets) =
            tokio::task::spawn_blocking(move || listen(address, 60_000)).await.expect("reads");
        assert!(receiver.counters().good_frames > 40, "{:?}", receiver.counters());
        assert_eq!(receiver.counters().rejected.total(), 0, "{:?}", receiver.counters());
        assert!(packets > 0);
    }
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_fast_sets_the_pace_under_load() {
    let simulator =
        Running::start(Config { bit_rate: 0, fill: true, bit_error_rate: 0.0, ..Config::default() });
    let address = simulator.address.expect("it listens");
    let (receiver, packets) =
        tokio::task::spawn_blocking(move || listen(address, 4_000_000)).await.expect("reads");
    let counters = receiver.counters();
    assert_eq!((counters.rejected.total(), counters.idle_frames), (0, 0), "{counters:?}");
    assert!(packets > 30_000, "{packets} packets in 4 MB");
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_leave_one_to_a_datagram() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
    let config = Config {
        output: Output::UdpPackets,
        address: socket.local_addr().expect("address").to_string(),
        packet_rate: 200.0,
        ..Config::default()
    };
    let simulator = Running::start(config);
    let read = move || {
        let mut buffer = [0; 2048];
        for _ in 0..500 {
            let length = socket.recv(&mut buffer).expect("datagrams come");
            assert_eq!(length, 7 + usize::from(u16::from_be_bytes([buffer[4], buffer[5]])));
        }
    };
    tokio::task::spawn_blocking(read).await.expect("reads");
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_refused_by_name() {
    let services =
        Services { http: Listeners::new(Limits::default()), metrics: Registry::new(), state: "/tmp".into() };
    for (config, key) in [
        (Config { packet_rate: 0.0, ..Config::default() }, "packet_rate"),
        (Config { bit_error_rate: f64::NAN, ..Config::default() }, "bit_error_rate"),
        (Config { bit_rate: 9, ..Config::default() }, "bit_rate"),
    ] {
        let Err(error) = perigee_simulator::build(config, &services) else { panic!("{key} was taken") };
        assert!(error.to_string().contains(key), "{error}");
    }
}
