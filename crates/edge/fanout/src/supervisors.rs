//! Whom to ask about units: the supervisor of the station's parts, and that of the machine where Perigee is one. Both
//! answer at control sockets, in the words of `perigee ctl`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perigee_init::control::{LONGEST_LINE, Reply, Request, reachable};
use perigee_part::http::Refusal;
use perigee_part::http::axum::http::StatusCode;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long a supervisor may take to answer; it answers at once, unless the machine is in trouble.
const PATIENCE: Duration = Duration::from_secs(5);

/// The supervisors, by their folders of run-time files.
#[derive(Clone, Debug, Default)]
pub struct Supervisors {
    /// That of the station's parts; none if they are units of the machine's.
    pub station: Option<PathBuf>,
    /// That of the machine.
    pub machine: Option<PathBuf>,
    /// The units of the station's parts: whoever has them, they are the station's.
    pub parts: Vec<String>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Which {
    Station,
    Machine,
}

impl Which {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Which::Station => "station",
            Which::Machine => "machine",
        }
    }
}

impl Supervisors {
    /// All that there are.
    pub(crate) fn all(&self) -> Vec<(Which, &Path)> {
        let station = self.station.as_deref().map(|path| (Which::Station, path));
        let machine = self.machine.as_deref().map(|path| (Which::Machine, path));
        station.into_iter().chain(machine).collect()
    }

    /// The one that has the station's parts.
    pub(crate) fn of_parts(&self) -> Option<Which> {
        let machine = self.machine.as_ref().map(|_| Which::Machine);
        self.station.as_ref().map(|_| Which::Station).or(machine)
    }

    /// Whose a unit is that this supervisor has.
    pub(crate) fn whose(&self, unit: &str, at: Which) -> Which {
        let own = self.station.is_none() && self.parts.iter().any(|part| part == unit);
        if own { Which::Station } else { at }
    }

    /// Whose a unit is, and the supervisor that has it: tasks and their target are the station's, where that has a
    /// supervisor of its own.
    pub(crate) fn of(&self, unit: &str) -> Option<(Which, &Path)> {
        let own = self.station.is_some() && (unit.ends_with(".task") || unit == "station.target");
        let at = if own { Which::Station } else { Which::Machine };
        let (_, runtime) = self.all().into_iter().find(|(one, _)| *one == at)?;
        Some((self.whose(unit, at), runtime))
    }

    /// Where it is kept what a unit prints: that of a machine beside the others' logs, or at its run-time files.
    pub(crate) fn logs_of(&self, unit: &str) -> Option<Vec<PathBuf>> {
        let (_, runtime) = self.of(unit)?;
        let own = runtime.join("log");
        let of_machine = self.machine.as_deref() == Some(runtime);
        Some(if of_machine { vec![PathBuf::from("/var/log/perigee"), own] } else { vec![own] })
    }
}

/// Why a supervisor has not done what it was asked.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It does not answer.
    Silent(String),
    /// It refuses, in its own words.
    Refused(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Silent(error.to_string())
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        match trouble {
            Trouble::Silent(why) => {
                let message = format!("the supervisor does not answer: {why}");
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unreachable", message)
            }
            Trouble::Refused(why) => Refusal::new(StatusCode::CONFLICT, "refused", why),
        }
    }
}

/// A connection to a supervisor.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    /// What has come of a line; kept where waiting for the rest is given up.
    line: Vec<u8>,
}

impl Connection {
    /// Connects to the supervisor with this folder.
    pub(crate) async fn open(runtime: &Path) -> Result<Connection, Trouble> {
        let (_folder, path) = reachable(runtime)?;
        let connected = timeout(PATIENCE, UnixStream::connect(path)).await;
        let stream = connected.map_err(|_| Trouble::Silent("it is too busy".to_owned()))??;
        Ok(Connection { stream: BufReader::new(stream), line: Vec::new() })
    }

    /// Asks only.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<(), Trouble> {
        let mut line = serde_json::to_vec(request).map_err(|error| Trouble::Silent(error.to_string()))?;
        line.push(b'\n');
        Ok(self.stream.write_all(&line).await?)
    }

    /// The next line of an answer. Nothing is lost if this is dropped before it is done.
    pub(crate) async fn next(&mut self) -> Result<Reply, Trouble> {
        let most = (LONGEST_LINE - self.line.len().min(LONGEST_LINE)) as u64;
        (&mut self.stream).take(most).read_until(b'\n', &mut self.line).await?;
        let line = std::mem::take(&mut self.line);
        if line.last() != Some(&b'\n') {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        serde_json::from_slice(&line)
            .map_err(|_| Trouble::Silent("it speaks another language; is it of another version?".to_owned()))
    }
}

/// Asks a supervisor, and gives every line of the answer but the last.
pub(crate) async fn ask(runtime: &Path, request: &Request) -> Result<Vec<Reply>, Trouble> {
    let answer = async {
        let mut connection = Connection::open(runtime).await?;
        connection.send(request).await?;
        let mut replies = Vec::new();
        loop {
            match connection.next().await? {
                Reply::Done => return Ok(replies),
                Reply::Refused { why } => return Err(Trouble::Refused(why)),
                reply => replies.push(reply),
            }
        }
    };
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(Trouble::Silent("it takes too long".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_stations_whoever_has_them() {
        let (own, machine) = (Path::new("/state/run"), Path::new("/run/perigee"));
        let parts = vec!["link.task".to_owned()];
        let two = Supervisors { station: Some(own.into()), machine: Some(machine.into()), parts };
        let one = Supervisors { station: None, ..two.clone() };
        assert_eq!(two.of("link.task"), Some((Which::Station, own)));
        assert_eq!(two.of("station.target"), Some((Which::Station, own)));
        assert_eq!(two.of("nginx.service"), Some((Which::Machine, machine)));
        assert_eq!(one.of("link.task"), Some((Which::Station, machine)));
        // A part of another program is the machine's.
        assert_eq!(one.of("other.task"), Some((Which::Machine, machine)));
        assert_eq!((two.all().len(), one.all().len()), (2, 1));
        assert_eq!((two.of_parts(), one.of_parts()), (Some(Which::Station), Some(Which::Machine)));
        assert_eq!(two.whose("link.task", Which::Machine), Which::Machine);
        let logs = |of: &Supervisors, unit: &str| of.logs_of(unit).expect("somebody has it");
        assert_eq!(logs(&two, "link.task"), [own.join("log")]);
        assert_eq!(logs(&one, "link.task"), [Path::new("/var/log/perigee"), &machine.join("log")]);
    }
}
