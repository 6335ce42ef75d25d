//! The client of both servers: a WebSocket that subscribes to every parameter and notes when each
//! numbered packet arrived.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// What one message held.
#[derive(Default)]
pub struct Arrivals {
    /// Numbers of the packets whose values are in the message.
    pub numbers: Vec<u32>,
    /// How many values it carries.
    pub values: u64,
}

/// What the client saw: when each number came first, and how many values.
pub struct Seen {
    pub arrived: Vec<Option<Instant>>,
    pub values: u64,
}

/// Follows the server until every number came or nothing has come for `patience`.
///
/// `subscribed` is called half a second after the subscription was sent, when the flow may begin.
pub fn follow(
    url: &str,
    subprotocol: &str,
    subscription: Message,
    expected: usize,
    patience: Duration,
    mut read: impl FnMut(&Message) -> Arrivals,
    subscribed: impl FnOnce(),
) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol.parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        socket.send(subscription).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        subscribed();
        let mut seen = Seen { arrived: vec![None; expected], values: 0 };
        let mut missing = expected;
        while missing > 0 {
            let Ok(next) = tokio::time::timeout(patience, socket.next()).await else { break };
            let Some(message) = next.transpose()? else { break };
            let now = Instant::now();
            let arrivals = read(&message);
            seen.values += arrivals.values;
            for number in arrivals.numbers {
                if let Some(place @ None) = seen.arrived.get_mut(number as usize) {
                    *place = Some(now);
                    missing -= 1;
                }
            }
        }
        Ok(seen)
    })
}
