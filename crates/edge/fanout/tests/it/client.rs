//! A client on a WebSocket, by a library that nobody here wrote.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::rig::PATIENCE;

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    packed: bool,
}

impl Client {
    pub(crate) async fn json(address: SocketAddr) -> Self {
        Self::open(address, &[("sec-websocket-protocol", "perigee.v1.json")], None).await.unwrap()
    }

    pub(crate) async fn msgpack(address: SocketAddr) -> Self {
        Self::open(address, &[("sec-websocket-protocol", "perigee.v1.msgpack")], None).await.unwrap()
    }

    /// `window` is the size of the socket's receive buffer.
    pub(crate) async fn open(
        address: SocketAddr,
        headers: &[(&'static str, &str)],
        window: Option<u32>,
    ) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(window) = window {
            socket.set_recv_buffer_size(window).unwrap();
        }
        let stream = socket.connect(address).await.unwrap();
        let mut request = format!("ws://{address}/api/stream").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
        let protocol = answer.headers().get("sec-websocket-protocol").map(|p| p.to_str().unwrap().to_owned());
        Ok(Self { socket, packed: protocol.as_deref() == Some("perigee.v1.msgpack") })
    }

    pub(crate) async fn say(&mut self, message: Value) {
        let frame = if self.packed {
            Message::Binary(rmp_serde::to_vec_named(&message).unwrap().into())
        } else {
            Message::text(message.to_string())
        };
        self.socket.send(frame).await.unwrap();
    }

    /// The next message, or the close code when there is none any more.
    pub(crate) async fn hear(&mut self) -> Result<Value, u16> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(octets))) => return Ok(rmp_serde::from_slice(&octets).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The next message of one kind; others are passed over.
    pub(crate) async fn expect(&mut self, op: &str) -> Value {
        loop {
            let message = self.hear().await.unwrap_or_else(|code| panic!("closed with {code} before {op}"));
            if message["op"] == op {
                return message;
            }
        }
    }

    /// Whatever was said before this has been dealt with once it returns; gives the messages on the way.
    pub(crate) async fn settle(&mut self) -> Vec<Value> {
        self.say(json!({"op": "ping", "n": 4711})).await;
        let mut heard = Vec::new();
        loop {
            let message = self.hear().await.unwrap();
            if message["op"] == "pong" && message["n"] == 4711 {
                return heard;
            }
            heard.push(message);
        }
    }

    /// The samples of the next messages, until there are so many.
    pub(crate) async fn samples(&mut self, count: usize) -> Vec<Value> {
        let mut samples = Vec::new();
        while samples.len() < count {
            samples.extend(self.expect("values").await["samples"].as_array().unwrap().iter().cloned());
        }
        samples
    }
}
