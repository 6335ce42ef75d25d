//! The contract that every part keeps.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perigee_access::Access;
use perigee_fanout::{Config, Supervisors};
use perigee_part::{Part, PartError, Services};
use perigee_testkit::{Contract, refuses_unknown_keys};
use serde_json::json;

use crate::client::Client;
use crate::source::{Packet, Source};

#[derive(Clone, Default)]
struct Neighbours(Arc<Mutex<Option<(SocketAddr, Source)>>>);

impl Neighbours {
    fn build(&self, services: &Services) -> Result<Box<dyn Part>, PartError> {
        let (source, _, telemetry) = Source::new(perigee_telemetry::Config::default(), services);
        let links = perigee_link::Config::default();
        let (_, links) =
            perigee_link::build(links, &mut |_| unreachable!("no link"), &services.scoped("link"))?;
        let access = Access::open(&services.state, &perigee_access::Config::default()).unwrap();
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        let scoped = services.scoped("fanout");
        let (part, handle) = perigee_fanout::build(
            config,
            telemetry,
            links,
            access,
            Vec::new(),
            Supervisors::default(),
            &scoped,
        )?;
        *self.0.lock().unwrap() = Some((handle.address(), source));
        Ok(part)
    }

    /// A client that follows everything while packets come in.
    async fn load(self) {
        let address = self.0.lock().unwrap().as_ref().map(|(address, _)| *address).unwrap();
        let mut client = Client::msgpack(address).await;
        client.say(json!({"op": "subscribe", "parameters": "*", "topics": ["alarms", "links"]})).await;
        for n in (0..1000).cycle() {
            if let Some((_, source)) = &mut *self.0.lock().unwrap() {
                source.packets(&[Packet::new(n)]);
            }
            if let Ok(Err(_closed)) = tokio::time::timeout(Duration::from_millis(2), client.hear()).await {
                return;
            }
        }
    }
}

#[test]
fn it_keeps_the_contract() {
    refuses_unknown_keys::<Config>("listen = '127.0.0.1:0'\nanonymous = 'none'");
    let neighbours = Neighbours::default();
    let (built, loaded, lost) = (neighbours.clone(), neighbours.clone(), neighbours);
    // The source of all values goes.
    let loss = move || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let lost = lost.clone();
        Box::pin(async move { drop(lost.0.lock().unwrap().take()) })
    };
    Contract::new(move |services| built.build(services), loss)
        .load(move || Box::pin(loaded.clone().load()))
        .check();
}
