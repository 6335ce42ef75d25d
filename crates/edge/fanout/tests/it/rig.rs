//! A station on port 0: the real part, real accounts, a small mission database.

use std::net::SocketAddr;
use std::time::Duration;

use perigee_access::{Access, Role, Secret};
use perigee_fanout::{Asset, Config, Supervisors};
use perigee_part::http::{Limits, Listeners};
use perigee_part::metrics::Registry;
use perigee_part::{Context, Services};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::source::Source;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const INDEX: Asset = Asset {
    path: "/index.html",
    content_type: "text/html; charset=utf-8",
    octets: b"<!doctype html><title>Perigee</title>",
    gzip: None,
    etag: "\"1\"",
    immutable: false,
};

pub(crate) struct Rig {
    pub(crate) source: Source,
    pub(crate) access: Access,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Registry,
    state: tempfile::TempDir,
    pub(crate) drain: CancellationToken,
    pub(crate) running: JoinHandle<()>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::build(config, perigee_telemetry::Config::default(), Limits::default()).await
    }

    pub(crate) async fn build(config: Config, telemetry: perigee_telemetry::Config, limits: Limits) -> Self {
        let people = perigee_access::Config::default();
        Self::within(tempfile::tempdir().unwrap(), people, config, telemetry, limits).await
    }

    /// A station whose sessions last as long as `people` says.
    pub(crate) async fn among(people: perigee_access::Config, config: Config) -> Self {
        let telemetry = perigee_telemetry::Config::default();
        Self::within(tempfile::tempdir().unwrap(), people, config, telemetry, Limits::default()).await
    }

    /// A station in a state directory that is there already.
    pub(crate) async fn within(
        state: tempfile::TempDir,
        people: perigee_access::Config,
        config: Config,
        telemetry: perigee_telemetry::Config,
        limits: Limits,
    ) -> Self {
        let services = Services {
            http: Listeners::new(limits),
            metrics: Registry::new(),
            state: state.path().to_owned(),
        };
        let (source, processor, telemetry) = Source::new(telemetry, &services);
        let (_, links) = perigee_link::build(
            perigee_link::Config::default(),
            &mut |_| unreachable!("no link"),
            &services.scoped("link"),
        )
        .unwrap();
        let access = Access::open(state.path(), &people).unwrap();
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..config };
        let scoped = services.scoped("fanout");
        let supervisors =
            Supervisors { station: Some(state.path().join("run")), machine: None, parts: Vec::new() };
        let (part, handle) = perigee_fanout::build(
            config,
            telemetry,
            links,
            access.clone(),
            vec![INDEX],
            supervisors,
            &scoped,
        )
        .unwrap();
        let drain = CancellationToken::new();
        let ready = CancellationToken::new();
        let context = Context::new(drain.clone(), ready.clone());
        // The processor is asked to stop once the fan-out has.
        let last = CancellationToken::new();
        let processing = processor.run(Context::new(last.clone(), CancellationToken::new()));
        let listeners = services.http.clone();
        let running = tokio::spawn({
            let drain = drain.clone();
            async move {
                let serving = async {
                    let (ended, ()) = tokio::join!(part.run(context), listeners.serve(drain));
                    last.cancel();
                    ended
                };
                let (ended, processed) = tokio::join!(serving, processing);
                ended.and(processed).unwrap();
            }
        });
        tokio::time::timeout(PATIENCE, ready.cancelled()).await.expect("ready in time");
        Self { source, access, address: handle.address(), metrics: services.metrics, state, drain, running }
    }

    /// Makes an account and gives an API token of it.
    pub(crate) fn token(&self, name: &str, role: Role) -> String {
        self.access.add("test", name, role).unwrap();
        self.person(name, "a good long secret");
        let token = self.access.create_token("test", name, "test", role, None).unwrap();
        token.expose().to_owned()
    }

    /// Gives an account that has a one-time password another one.
    pub(crate) fn person(&self, name: &str, password: &str) {
        let once = self.access.reset_password("test", name).unwrap();
        let peer = self.address.ip();
        self.access.change_password(name, &once, &Secret::new(password), peer, None).unwrap();
    }

    /// Id of a parameter by its qualified name.
    pub(crate) async fn id(&self, name: &str) -> u32 {
        let all = self.get("/api/parameters").await.json();
        let found = all["parameters"].as_array().unwrap().iter().find(|p| p["name"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {all}"))["id"].as_u64().unwrap() as u32
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.ask("POST", path, headers, Some(body)).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            request += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += &body;
        let answered = tokio::time::timeout(PATIENCE, async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut octets = Vec::new();
            stream.read_to_end(&mut octets).await.unwrap();
            Answer::parse(&octets)
        });
        answered.await.expect("an answer in time")
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode(perigee_part::metrics::Format::OpenMetrics);
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// The state directory.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.state.path()
    }

    /// The audit record, a line for each change.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.state.path().join("audit.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Drains the station and waits for its end.
    pub(crate) async fn stop(self) {
        self.drain.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.expect("drained in time").unwrap();
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(octets: &[u8]) -> Self {
        let end = octets.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers =
            lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
        Self { status, headers: headers.collect(), body: octets[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {} {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// Status and code of an error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}
