//! Yamcs as the peer of the live chain (org.yamcs artifacts of Maven Central, see `peers/yamcs`).

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::client::Arrivals;
use super::server::{Server, http_get};

const HTTP_PORT: u16 = 18290;
/// Where the packets go.
pub const UDP_PORT: u16 = 18015;
const INSTANCE: &str = "bench";

/// Starts Yamcs with an empty archive in `folder`.
pub fn start(folder: &Path, xtce: &Path) -> anyhow::Result<Server> {
    let class_path = std::env::var("YAMCS_CLASSPATH").context("YAMCS_CLASSPATH is not set: use bench/run")?;
    let etc = folder.join("etc");
    let data = folder.join("data");
    std::fs::create_dir_all(&etc)?;
    std::fs::create_dir_all(&data)?;
    let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/yamcs/etc");
    for template in std::fs::read_dir(templates)? {
        let template = template?;
        let text = std::fs::read_to_string(template.path())?
            .replace("@HTTP_PORT@", &HTTP_PORT.to_string())
            .replace("@UDP_PORT@", &UDP_PORT.to_string())
            .replace("@DATA@", &data.display().to_string())
            .replace("@XTCE@", &xtce.display().to_string());
        std::fs::write(etc.join(template.file_name()), text)?;
    }
    let mut command = Command::new("java");
    command.args(["-cp", &class_path, "org.yamcs.YamcsServer"]);
    command.arg("--etc-dir").arg(&etc).arg("--data-dir").arg(&data);
    Server::start(
        command,
        folder,
        &format!("http://127.0.0.1:{HTTP_PORT}/api/processors/{INSTANCE}/realtime"),
    )
}

pub fn websocket() -> String {
    format!("ws://127.0.0.1:{HTTP_PORT}/api/websocket")
}

/// The subscription to every parameter of the database.
pub fn subscription() -> anyhow::Result<Message> {
    let url = format!("http://127.0.0.1:{HTTP_PORT}/api/mdb/{INSTANCE}/parameters?limit=1000");
    let (_, body) = http_get(&url).context("Yamcs does not list its parameters")?;
    let list: Value = serde_json::from_str(&body)?;
    let ids: Vec<Value> = list["parameters"]
        .as_array()
        .context("no parameters")?
        .iter()
        .map(|parameter| serde_json::json!({ "name": parameter["qualifiedName"] }))
        .collect();
    let subscription = serde_json::json!({
        "type": "parameters", "id": 1,
        "options": {
            "instance": INSTANCE, "processor": "realtime", "id": ids,
            "sendFromCache": false, "updateOnExpiration": false, "abortOnInvalid": false, "action": "REPLACE",
        },
    });
    Ok(Message::text(subscription.to_string()))
}

/// Reads a message; `number` is the qualified name of the parameter that carries the packet's number.
pub struct Reader {
    number: String,
    numeric_id: Option<u64>,
}

impl Reader {
    pub fn new(number: &str) -> Self {
        Self { number: number.to_owned(), numeric_id: None }
    }

    pub fn read(&mut self, message: &Message) -> Arrivals {
        let Ok(text) = message.to_text() else { return Arrivals::default() };
        let Ok(message) = serde_json::from_str::<Value>(text) else { return Arrivals::default() };
        let data = &message["data"];
        if let Some(mapping) = data["mapping"].as_object() {
            for (numeric_id, parameter) in mapping {
                if parameter["name"] == self.number.as_str() {
                    self.numeric_id = numeric_id.parse().ok();
                }
            }
        }
        let mut arrivals = Arrivals::default();
        for value in data["values"].as_array().into_iter().flatten() {
            arrivals.values += 1;
            if value["numericId"].as_u64() == self.numeric_id
                && let Some(number) = value["rawValue"]["uint32Value"].as_u64()
            {
                arrivals.numbers.push(number as u32);
            }
        }
        arrivals
    }
}
