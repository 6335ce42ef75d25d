//! Perigee as one of the two servers of the live chain.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::client::Arrivals;
use super::server::{Server, http_get};

const HTTP_PORT: u16 = 18280;
/// Where the packets go.
pub const UDP_PORT: u16 = 18016;
/// Where the frames go.
pub const FRAMES_PORT: u16 = 18017;

/// Starts Perigee with an empty archive in `folder`, listening for packets.
pub fn start(folder: &Path, xtce: &Path) -> anyhow::Result<Server> {
    let link = format!(
        "name = \"udp-in\"\nkind = \"udp\"\naddress = \"127.0.0.1:{UDP_PORT}\"\ncontent = \"packets\"\n"
    );
    start_with(folder, xtce, "", &link)
}

/// Starts Perigee without an archive, listening for frames as the link file says.
pub fn start_with_frames(folder: &Path, xtce: &Path, link_file: &str) -> anyhow::Result<Server> {
    let path = folder.join("link.toml");
    std::fs::write(&path, link_file)?;
    let link = format!(
        "name = \"frames\"\nkind = \"tcp-server\"\naddress = \"127.0.0.1:{FRAMES_PORT}\"\nparameters = \"{}\"\n",
        path.display()
    );
    start_with(folder, xtce, "archive.enabled = false\n", &link)
}

/// The address of a part of the API.
pub fn api(path: &str) -> String {
    format!("http://127.0.0.1:{HTTP_PORT}/api/{path}")
}

/// The program under test.
pub fn command() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::var("PERIGEE_BIN").context("PERIGEE_BIN is not set: use bench/run")?))
}

fn start_with(folder: &Path, xtce: &Path, telemetry: &str, link: &str) -> anyhow::Result<Server> {
    let configuration = folder.join("perigee.toml");
    std::fs::write(
        &configuration,
        format!(
            "[node]\nstate = \"{}\"\n[telemetry]\ndatabase = \"{}\"\ntime.kind = \"reception\"\n{telemetry}[[link]]\n{link}",
            folder.join("state").display(),
            xtce.display(),
        ),
    )?;
    let mut command = command()?;
    command.args(["up", "--listen", &format!("127.0.0.1:{HTTP_PORT}"), "--config"]).arg(&configuration);
    Server::start(command, folder, &format!("http://127.0.0.1:{HTTP_PORT}/ready"))
}

pub fn websocket() -> String {
    format!("ws://127.0.0.1:{HTTP_PORT}/api/stream")
}

pub const SUBPROTOCOL: &str = "perigee.v1.msgpack";

/// The subscription to every parameter of the database.
pub fn subscription() -> anyhow::Result<Message> {
    let subscription = serde_json::json!({ "op": "subscribe", "parameters": "*" });
    Ok(Message::binary(rmp_serde::to_vec_named(&subscription)?))
}

/// Reads a message; `number` is the name of the parameter that carries the packet's number.
pub struct Reader {
    number: u64,
}

impl Reader {
    pub fn new(number: &str) -> anyhow::Result<Self> {
        let url = format!("http://127.0.0.1:{HTTP_PORT}/api/parameters");
        let (_, body) = http_get(&url).context("Perigee does not list its parameters")?;
        let list: Value = serde_json::from_str(&body)?;
        let id = list["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|parameter| parameter["name"] == number)
            .and_then(|parameter| parameter["id"].as_u64())
            .with_context(|| format!("there is no parameter {number}"))?;
        Ok(Self { number: id })
    }

    pub fn read(&mut self, message: &Message) -> Arrivals {
        let mut arrivals = Arrivals::default();
        let Message::Binary(octets) = message else { return arrivals };
        let Ok(message) = rmp_serde::from_slice::<Values>(octets) else { return arrivals };
        if message.op != "values" {
            return arrivals;
        }
        arrivals.values = message.samples.len() as u64;
        arrivals.numbers = message
            .samples
            .iter()
            .filter(|sample| sample.id == self.number)
            .filter_map(|sample| sample.raw.map(|number| number as u32))
            .collect();
        arrivals
    }
}

#[derive(serde::Deserialize)]
struct Values<'a> {
    op: &'a str,
    #[serde(default)]
    samples: Vec<Sample>,
}

/// What the bench needs of a sample; the rest is passed over.
#[derive(serde::Deserialize)]
struct Sample {
    id: u64,
    raw: Option<f64>,
}
