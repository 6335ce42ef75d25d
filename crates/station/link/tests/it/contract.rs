//! The contract of parts, and what is refused when a link is built.

use std::net::{TcpListener, UdpSocket};
use std::sync::Mutex;
use std::time::Duration;

use perigee_link::{Config, Content, Kind, LinkConfig};
use perigee_part::Downlink;
use perigee_testkit::contract::{Contract, refuses_unknown_keys, services};

use crate::harness::{Recorder, Spacecraft, link};

#[test]
fn it_keeps_the_contract() {
    refuses_unknown_keys::<LinkConfig>(
        "name = 'a'\nkind = 'udp'\naddress = '127.0.0.1:0'\ncontent = 'packets'",
    );
    // A port that was free a moment ago, so that the load knows where to send.
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let peer = Mutex::new(Some(TcpListener::bind("127.0.0.1:0").unwrap()));
    let peer_address = peer.lock().unwrap().as_ref().unwrap().local_addr().unwrap();
    let build = |services: &_| {
        let mut udp = link(Kind::Udp, Content::Packets);
        udp.address = Some(address.to_string());
        let mut lost = link(Kind::TcpClient, Content::Frames);
        "lost".clone_into(&mut lost.name);
        lost.address = Some(peer_address.to_string());
        let mut downlink = |_: &str| Box::new(Recorder::default()) as Box<dyn Downlink>;
        perigee_link::build(Config(vec![udp, lost]), &mut downlink, services).map(|(part, _)| part)
    };
    let load = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut spacecraft = Spacecraft::new();
            loop {
                let _ = socket.send_to(&spacecraft.packet(), address);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    // The peer of the other link hangs up, is gone for a while, and comes back.
    let loss = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let gone = peer.lock().unwrap().take();
        drop(gone.map(|listener| listener.accept()));
        *peer.lock().unwrap() = Some(TcpListener::bind(peer_address).unwrap());
        Box::pin(async {})
    };
    Contract::new(build, loss).load(load).check();
}

#[test]
fn a_wrong_link_is_refused_by_name() {
    let frames = || link(Kind::TcpServer, Content::Frames);
    let (services, _state) = services();
    let check = |links: Vec<LinkConfig>, words: &[&str]| {
        let mut downlink = |_: &str| Box::new(Recorder::default()) as Box<dyn Downlink>;
        let Err(error) = perigee_link::build(Config(links), &mut downlink, &services) else {
            panic!("taken, though {words:?}")
        };
        let error = error.to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    check(vec![frames(), frames()], &["\"test\"", "name"]);
    check(vec![LinkConfig { address: None, ..frames() }], &["`address`"]);
    check(vec![LinkConfig { parameters: None, ..frames() }], &["`parameters`"]);
    check(vec![LinkConfig { follow: true, ..frames() }], &["`follow`"]);
    check(vec![LinkConfig { receive_buffer: 1, ..frames() }], &["`receive_buffer`"]);
    check(vec![LinkConfig { speed: 2.0, ..frames() }], &["`speed`"]);
    check(vec![LinkConfig { reconnect_max: Duration::from_secs(1), ..frames() }], &["`reconnect_max`"]);
    let client = LinkConfig { kind: Kind::TcpClient, reconnect_max: Duration::ZERO, ..frames() };
    check(vec![client], &["`reconnect_max`", "10 ms"]);
    let buffered = LinkConfig { receive_buffer: 9999, ..link(Kind::File, Content::Packets) };
    check(vec![buffered], &["`receive_buffer`", "nothing"]);
    check(vec![LinkConfig { address: Some("203.0.113.1:1".to_owned()), ..frames() }], &["203.0.113.1:1"]);
    check(vec![link(Kind::File, Content::Packets)], &["`path`"]);
    let wrong = "[frame]\ntype = 'tm'\nlength = 9999999".parse().unwrap();
    check(
        vec![LinkConfig { parameters: Some(perigee_link::Parameters::Inline(wrong)), ..frames() }],
        &["length"],
    );
    let absent = perigee_link::Parameters::Path("/nowhere/link.toml".into());
    check(vec![LinkConfig { parameters: Some(absent), ..frames() }], &["/nowhere/link.toml"]);
}
