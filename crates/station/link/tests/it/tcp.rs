//! TCP: lost servers, new clients, drops that leave something open.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use perigee_link::{Content, Kind, Parameters};

use crate::harness::{CODED, Running, Spacecraft, link};

#[test]
fn a_client_comes_back_to_a_server_that_was_lost() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let mut client = link(Kind::TcpClient, Content::Frames);
    client.address = Some(address.to_string());
    client.reconnect_max = Duration::from_millis(400);
    client.idle_timeout = Duration::from_millis(600);
    let running = Running::start(client);
    let mut spacecraft = Spacecraft::new();

    let (mut stream, _) = server.accept().unwrap();
    stream.write_all(&spacecraft.frames(200)).unwrap();
    let status = running.until("in lock", |status| status.frame_lock && status.packets == 200);
    assert!(status.connected && status.bit_lock);
    assert_eq!(status.gaps, 0);
    assert!(status.octet_rate > 0.0 && status.frame_rate > 0.0);
    assert_eq!(status.clcw.map(|clcw| clcw.vcid), Some(0));
    // Silence: first the lock goes, then the connection.
    running.until("without lock", |status| status.connected && !status.bit_lock && !status.frame_lock);
    drop((stream, server));
    running.until("disconnected", |status| !status.connected && status.error.is_some());

    // A server restarts on its port; the state that Linux keeps of the old connection must not stop it.
    let server = TcpListener::bind(address).unwrap();
    let (mut stream, _) = server.accept().unwrap();
    stream.write_all(&spacecraft.frames(200)).unwrap();
    let status = running.until("back", |status| status.packets == 400);
    assert_eq!((status.connections, status.rejections.len()), (2, 0), "{status:?}");
    let recorder = running.stop();
    recorder.with(|shown| assert!(shown.packets == spacecraft.sent));
}

#[test]
fn a_server_takes_one_client_after_the_other() {
    let running = Running::start(link(Kind::TcpServer, Content::Frames));
    let mut spacecraft = Spacecraft::new();
    for turn in 1..=3 {
        let mut client = TcpStream::connect(running.address()).unwrap();
        client.write_all(&spacecraft.frames(50)).unwrap();
        running.until("received", |status| status.packets == turn * 50 && status.connections == turn);
    }
    let recorder = running.stop();
    recorder.with(|shown| assert!(shown.packets == spacecraft.sent && shown.flushes > 0));
}

#[test]
fn a_new_client_takes_the_place_of_one_that_is_silent() {
    let running = Running::start(link(Kind::TcpServer, Content::Frames));
    let mut silent = TcpStream::connect(running.address()).unwrap();
    // It leaves half a frame behind.
    silent.write_all(&Spacecraft::new().frames(1)[..200]).unwrap();
    running.until("connected", |status| status.connections == 1 && status.octets == 200);
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&Spacecraft::new().frames(10)).unwrap();
    let status = running.until("heard", |status| status.packets == 10);
    assert_eq!(status.rejections.values().sum::<u64>(), 1, "{status:?}");
    drop(silent);
}

#[test]
fn what_was_open_when_the_peer_left_is_told_and_the_next_stream_is_whole() {
    let running = Running::start(link(Kind::TcpServer, Content::Packets));
    let mut spacecraft = Spacecraft::new();
    let first = [spacecraft.packet(), spacecraft.packet()].concat();
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&first[..first.len() - 3]).unwrap();
    running.until("received", |status| status.packets == 1);
    drop(client);
    running.until("told", |status| status.rejections.get("unfinished") == Some(&1));
    let mut client = TcpStream::connect(running.address()).unwrap();
    let next = spacecraft.packet();
    client.write_all(&next).unwrap();
    running.until("received", |status| status.packets == 2 && status.frame_lock);
    running.stop().with(|shown| assert_eq!(shown.packets.last(), Some(&next)));
}

#[test]
fn a_search_without_end_is_seen_while_it_lasts() {
    let running = Running::start(link(Kind::TcpServer, Content::Frames));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&[0x55; 20_000]).unwrap();
    let status = running.until("searching", |status| {
        status.sync.is_some_and(|sync| sync.state == "search" && sync.skipped_bits > 8 * 19_900)
    });
    assert!(status.bit_lock && !status.frame_lock, "{status:?}");
    client.write_all(&Spacecraft::new().frames(100)).unwrap();
    running.until("in lock", |status| status.sync.is_some_and(|sync| sync.state == "lock"));
    let lengths = running.stop().with(|shown| shown.rejected_octets.clone());
    assert_eq!(lengths.first(), Some(&20_000));
}

#[test]
fn noise_is_no_bit_lock_behind_a_convolutional_code() {
    let mut noisy = link(Kind::TcpServer, Content::Frames);
    let Some(Parameters::Inline(table)) = &mut noisy.parameters else { unreachable!() };
    let coding = table.get_mut("coding").and_then(|coding| coding.as_table_mut()).unwrap();
    coding.insert("convolutional".to_owned(), "rate = '1/2'".parse::<toml::Table>().unwrap().into());
    let running = Running::start(noisy);
    let mut client = TcpStream::connect(running.address()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    client.write_all(&(0..100_000).map(|_| random.u8(..)).collect::<Vec<_>>()).unwrap();
    let status = running.until("heard", |status| status.octets == 100_000 && status.octet_rate > 0.0);
    assert!(status.connected && !status.bit_lock, "{status:?}");
}

#[test]
fn garbage_between_frames_is_passed_over_and_counted() {
    let running = Running::start(link(Kind::TcpServer, Content::Frames));
    let mut spacecraft = Spacecraft::new();
    let mut stream = vec![0x55; 777];
    stream.extend(spacecraft.frames(100));
    let whole = stream.len();
    stream.extend([0x33; CODED / 3]);
    stream.extend(spacecraft.frames(100));
    let mut client = TcpStream::connect(running.address()).unwrap();
    client.write_all(&stream[..whole]).unwrap();
    client.write_all(&stream[whole..]).unwrap();
    drop(client);
    let status = running
        .until("received", |status| !status.connected && status.connections == 1 && status.packets == 200);
    assert!(status.rejections.get("not-synchronised").is_some_and(|count| *count >= 2), "{status:?}");
    running.stop().with(|shown| assert!(shown.packets == spacecraft.sent));
}
