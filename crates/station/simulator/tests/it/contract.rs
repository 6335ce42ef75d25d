//! The contract of parts, with a listener that comes, goes and comes back.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use perigee_simulator::{Config, build};
use perigee_testkit::{Contract, refuses_unknown_keys};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Listens to the satellite for a while, is gone, and comes back.
async fn come_and_go(address: SocketAddr) {
    loop {
        if let Ok(stream) = TcpStream::connect(address).await {
            let _ = tokio::io::copy(&mut stream.take(200_000), &mut tokio::io::sink()).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn it_keeps_the_contract() {
    refuses_unknown_keys::<Config>("seed = 2");
    let address = Mutex::new(None);
    let heard_at = || address.lock().unwrap().expect("it was built");
    let build = |services: &_| {
        let config = Config { bit_rate: 0, fill: true, ..Config::default() };
        let (part, handle) = build(config, services)?;
        *address.lock().unwrap() = handle.address();
        Ok(part)
    };
    // A listener that stops to listen without a word, and another one after it.
    let loss = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let address = heard_at();
        Box::pin(async move {
            let deaf = TcpStream::connect(address).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(deaf);
            drop(TcpStream::connect(address).await);
        })
    };
    Contract::new(build, loss).load(|| Box::pin(come_and_go(heard_at()))).check();
}
