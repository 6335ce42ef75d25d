//! Tasks: units that are parts of a program. A service whose unit says `Tasks=yes` in its section `X-Perigee` has a
//! socket to its supervisor, and the two tell each other on it which parts there are, what is to become of them, and
//! what has.
//!
//! The socket keeps packets whole ([unix(7)], `SOCK_SEQPACKET`). A packet is a few lines of `NAME=VALUE`, of which the
//! first says what the packet is; lines that mean nothing are passed over. The program speaks first:
//!
//! | packet | from | meaning |
//! | --- | --- | --- |
//! | `TASKS=1`, then for each `TASK=`, `NEEDS=`, `DESCRIPTION=` | program | these parts there are; each needs only such as stand before it |
//! | `REFUSED=` | supervisor | they are not taken, and why; nothing follows |
//! | `START=`, `DRAIN=`, `KILL=` | supervisor | run this part; let it finish and end; end it where it stands |
//! | `READY=` | program | the part does its work |
//! | `ENDED=`, `RESULT=`, `WHY=` | program | its run has ended: `well`, `failed`, `panicked` or `killed` |
//! | `PATIENCE=`, `USEC=` | program | what it does now may take this long from now on |
//! | `STATUS=`, `TEXT=` | program | how it is, in words |
//! | `END=1` | program | all of its parts are to be stopped, in their order |
//!
//! Beside the first `START=` of a part comes a descriptor: its lines go there, each with its priority before it as
//! sd-daemon(3) has it, and become records of its unit.
//!
//! [unix(7)]: https://man7.org/linux/man-pages/man7/unix.7.html

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::machine::{Outcome, Relation, Restart, RestartPolicy, Spec};

/// The variable with the number of the socket.
pub const VARIABLE: &str = "PERIGEE_TASKS";
/// The variable with the process that it is for: what that one starts has the variables too, but not the socket.
pub const PID_VARIABLE: &str = "PERIGEE_TASKS_PID";
/// The variable with the instance that the program is, if its service is one of a template: its tasks are too.
pub const INSTANCE_VARIABLE: &str = "PERIGEE_TASKS_INSTANCE";

/// What the names of tasks end with.
pub const ENDING: &str = ".task";

/// Octets of the longest packet.
pub const LONGEST_PACKET: usize = 16 << 10;
/// Parts of one program.
pub const MOST_TASKS: usize = 64;
/// Characters of the name of a part, which are letters, digits, `-` and `_` of ASCII.
pub const LONGEST_NAME: usize = 64;
/// Octets of a text for people.
pub const LONGEST_TEXT: usize = 512;
/// The longest patience that may be asked for at once.
pub const LONGEST_PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How long a part may drain while the others go on; then it is ended, and has as long again to let go.
const DRAIN: Duration = Duration::from_secs(5);

/// A part of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, without [`ENDING`].
    pub name: String,
    /// The parts that it cannot be without, all named before it.
    pub needs: Vec<String>,
    /// What it is.
    pub description: String,
    /// The instance that its service is of a template, or nothing. The supervisor knows it; no packet has it.
    #[serde(default)]
    pub instance: String,
}

/// How a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing was wrong.
    Well,
    /// With an error, or it could not begin.
    Failed,
    /// It has panicked.
    Panicked,
    /// It did not drain, and was ended.
    Killed,
}

/// What a program says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These are its parts.
    Tasks(Vec<Task>),
    /// A part does its work.
    Ready(String),
    /// The run of a part has ended.
    Ended(String, End, String),
    /// A part needs longer.
    Patience(String, Duration),
    /// How a part is.
    Status(String, String),
    /// All parts are to be stopped.
    End,
}

/// What a supervisor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The parts are not taken, for this reason.
    Refused(String),
    /// Run this part.
    Start(String),
    /// Let it finish.
    Drain(String),
    /// End it.
    Kill(String),
}

/// Why a packet says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// More than [`LONGEST_PACKET`].
    #[error("it has more than {LONGEST_PACKET} octets")]
    Long,
    /// Not UTF-8.
    #[error("it is no text")]
    Text,
    /// The first line is none that is known.
    #[error("nobody knows what it is")]
    Unknown,
    /// Another version of this protocol.
    #[error("it is of another version")]
    Version,
    /// A name that is none.
    #[error("a part has a name that is none")]
    Name,
    /// More than [`MOST_TASKS`].
    #[error("there are more than {MOST_TASKS} parts")]
    Many,
    /// Two parts have one name.
    #[error("two parts have the name {0}")]
    Twice(String),
    /// A part needs one that does not stand before it.
    #[error("{0} needs a part that does not stand before it")]
    Order(String),
    /// A line that must be there is missing, or its value means nothing.
    #[error("{0}= is missing, or wrong")]
    Line(&'static str),
}

impl Task {
    /// A part; its description is made fit to be sent.
    pub fn new(name: &str, needs: &[String], description: &str) -> Task {
        Task {
            name: name.to_owned(),
            needs: needs.to_vec(),
            description: fit(description),
            instance: String::new(),
        }
    }

    /// The same part of a service that is this instance of a template: parts of several stations have one name, and are
    /// several units.
    #[must_use]
    pub fn of_instance(self, instance: &str) -> Task {
        Task { instance: instance.to_owned(), ..self }
    }

    /// The name of its unit.
    pub fn unit(&self) -> String {
        unit_of(&self.name, &self.instance)
    }

    /// What the machine must know of it. It is started again at once, then after waits that double up to half a
    /// minute; a part that ran for a minute has recovered.
    pub fn spec(&self) -> Spec {
        let spec = Spec {
            start_timeout: None,
            stop_timeout: Some(DRAIN),
            restart: Restart {
                policy: RestartPolicy::Always,
                delay: Duration::from_millis(100),
                steps: 8,
                longest: Duration::from_secs(30),
                stable: Duration::from_secs(60),
                ..Restart::default()
            },
            start_limit_interval: Duration::ZERO,
            comes_back: true,
            ..Spec::new(&self.unit())
        };
        self.needs
            .iter()
            .map(|needed| unit_of(needed, &self.instance))
            .fold(spec, |spec, needed| spec.with(Relation::BindsTo, &needed).with(Relation::After, &needed))
    }
}

/// The unit of a part, in a service that is this instance of a template, or none.
pub fn unit_of(part: &str, instance: &str) -> String {
    if instance.is_empty() { format!("{part}{ENDING}") } else { format!("{part}@{instance}{ENDING}") }
}

impl End {
    /// What the machine makes of it.
    pub fn outcome(self) -> Outcome {
        match self {
            End::Well => Outcome::Success,
            End::Failed => Outcome::ExitCode(1),
            // As a program of Rust ends that has panicked.
            End::Panicked => Outcome::ExitCode(101),
            End::Killed => Outcome::Timeout,
        }
    }

    fn word(self) -> &'static str {
        match self {
            End::Well => "well",
            End::Failed => "failed",
            End::Panicked => "panicked",
            End::Killed => "killed",
        }
    }

    fn of(word: &str) -> Option<End> {
        [End::Well, End::Failed, End::Panicked, End::Killed].into_iter().find(|end| end.word() == word)
    }
}

impl Said {
    /// Reads a packet.
    ///
    /// # Errors
    /// It says nothing.
    pub fn parse(packet: &[u8]) -> Result<Said, Fault> {
        let (first, value, lines) = split(packet)?;
        let line = |wanted: &'static str| {
            let value = lines.clone().find_map(|(name, value)| (name == wanted).then_some(value));
            value.ok_or(Fault::Line(wanted))
        };
        Ok(match first {
            "TASKS" if value != "1" => return Err(Fault::Version),
            "TASKS" => Said::Tasks(tasks(lines)?),
            "READY" => Said::Ready(name(value)?),
            "ENDED" => {
                let end = End::of(line("RESULT")?).ok_or(Fault::Line("RESULT"))?;
                Said::Ended(name(value)?, end, fit(line("WHY").unwrap_or_default()))
            }
            "PATIENCE" => {
                let length = line("USEC")?.parse().map_err(|_| Fault::Line("USEC"))?;
                Said::Patience(name(value)?, Duration::from_micros(length).min(LONGEST_PATIENCE))
            }
            "STATUS" => Said::Status(name(value)?, fit(line("TEXT")?)),
            "END" => Said::End,
            _ => return Err(Fault::Unknown),
        })
    }

    /// The packet that says it.
    ///
    /// # Errors
    /// It would be longer than [`LONGEST_PACKET`].
    pub fn packet(&self) -> Result<Vec<u8>, Fault> {
        let packet = match self {
            Said::Tasks(tasks) => tasks.iter().fold("TASKS=1".to_owned(), |mut text, task| {
                text += &format!("\nTASK={}", task.name);
                for needed in &task.needs {
                    text += &format!("\nNEEDS={needed}");
                }
                text + &format!("\nDESCRIPTION={}", fit(&task.description))
            }),
            Said::Ready(task) => format!("READY={task}"),
            Said::Ended(task, end, why) => format!("ENDED={task}\nRESULT={}\nWHY={}", end.word(), fit(why)),
            Said::Patience(task, length) => format!("PATIENCE={task}\nUSEC={}", length.as_micros()),
            Said::Status(task, text) => format!("STATUS={task}\nTEXT={}", fit(text)),
            Said::End => "END=1".to_owned(),
        };
        if packet.len() > LONGEST_PACKET { Err(Fault::Long) } else { Ok(packet.into_bytes()) }
    }
}

impl Order {
    /// Reads a packet.
    ///
    /// # Errors
    /// It says nothing.
    pub fn parse(packet: &[u8]) -> Result<Order, Fault> {
        let (first, value, _) = split(packet)?;
        Ok(match first {
            "REFUSED" => Order::Refused(fit(value)),
            "START" => Order::Start(name(value)?),
            "DRAIN" => Order::Drain(name(value)?),
            "KILL" => Order::Kill(name(value)?),
            _ => return Err(Fault::Unknown),
        })
    }

    /// The packet that says it.
    pub fn packet(&self) -> Vec<u8> {
        let packet = match self {
            Order::Refused(why) => format!("REFUSED={}", fit(why)),
            Order::Start(task) => format!("START={task}"),
            Order::Drain(task) => format!("DRAIN={task}"),
            Order::Kill(task) => format!("KILL={task}"),
        };
        packet.into_bytes()
    }
}

/// The first line, and the others.
fn split(packet: &[u8]) -> Result<(&str, &str, impl Iterator<Item = (&str, &str)> + Clone), Fault> {
    if packet.len() > LONGEST_PACKET {
        return Err(Fault::Long);
    }
    let text = std::str::from_utf8(packet).map_err(|_| Fault::Text)?;
    let mut lines = text.split('\n');
    let (first, value) = lines.next().and_then(|line| line.split_once('=')).ok_or(Fault::Unknown)?;
    Ok((first, value, lines.filter_map(|line| line.split_once('='))))
}

fn tasks<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Vec<Task>, Fault> {
    let mut tasks: Vec<Task> = Vec::new();
    for (line, value) in lines {
        if line == "TASK" {
            if tasks.iter().any(|task| task.name == value) {
                return Err(Fault::Twice(fit(value)));
            }
            if tasks.len() == MOST_TASKS {
                return Err(Fault::Many);
            }
            tasks.push(Task { name: name(value)?, ..Task::default() });
        } else if line == "NEEDS" {
            let (task, before) = tasks.split_last_mut().ok_or(Fault::Line("TASK"))?;
            if !before.iter().any(|other| other.name == value) {
                return Err(Fault::Order(task.name.clone()));
            }
            if !task.needs.iter().any(|needed| needed == value) {
                task.needs.push(value.to_owned());
            }
        } else if line == "DESCRIPTION" {
            tasks.last_mut().ok_or(Fault::Line("TASK"))?.description = fit(value);
        }
    }
    Ok(tasks)
}

fn name(value: &str) -> Result<String, Fault> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let right = (1..=LONGEST_NAME).contains(&value.len()) && value.bytes().all(plain);
    if right { Ok(value.to_owned()) } else { Err(Fault::Name) }
}

/// A text that fits in a line, and is no longer than [`LONGEST_TEXT`].
fn fit(text: &str) -> String {
    let end = (0..=text.len().min(LONGEST_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, needs: &[&str]) -> Task {
        let needs: Vec<_> = needs.iter().map(|needed| (*needed).to_owned()).collect();
        Task::new(name, &needs, &format!("the {name} = {name}"))
    }

    #[test]
    fn what_was_said_is_heard() {
        let tasks = vec![
            task("telemetry", &[]),
            task("link-2_a", &["telemetry"]),
            task("z", &["telemetry", "link-2_a"]),
        ];
        let name = || "link".to_owned();
        for said in [
            Said::Tasks(tasks),
            Said::Tasks(Vec::new()),
            Said::Ready(name()),
            Said::Ended(name(), End::Panicked, "panicked: no = luck".to_owned()),
            Said::Ended(name(), End::Well, String::new()),
            Said::Patience(name(), Duration::from_micros(1_500_001)),
            Said::Status(name(), "äöü".to_owned()),
            Said::End,
        ] {
            let packet = said.packet().expect("short");
            assert_eq!(Said::parse(&packet), Ok(said), "{}", String::from_utf8_lossy(&packet));
        }
        for order in [
            Order::Refused("another has it".to_owned()),
            Order::Start(name()),
            Order::Drain(name()),
            Order::Kill(name()),
        ] {
            assert_eq!(Order::parse(&order.packet()), Ok(order));
        }
    }

    #[test]
    fn what_is_wrong_is_refused_and_what_is_new_is_passed_over() {
        let long = [b"READY=".as_slice(), &vec![b'a'; LONGEST_PACKET]].concat();
        let many: String = (0..=MOST_TASKS).map(|number| format!("\nTASK=t{number}")).collect();
        for (packet, fault) in [
            (b"".as_slice(), Fault::Unknown),
            (b"READY", Fault::Unknown),
            (b"DANCE=link", Fault::Unknown),
            (b"READY=\xff", Fault::Text),
            (&long, Fault::Long),
            (b"READY=", Fault::Name),
            (b"READY=../x", Fault::Name),
            (b"READY=link.task", Fault::Name),
            (b"READY=a@b", Fault::Name),
            (b"TASKS=2\nTASK=a", Fault::Version),
            (b"TASKS=1\nTASK=a\nTASK=a", Fault::Twice("a".to_owned())),
            (b"TASKS=1\nTASK=a\nNEEDS=b\nTASK=b", Fault::Order("a".to_owned())),
            (b"TASKS=1\nTASK=a\nNEEDS=a", Fault::Order("a".to_owned())),
            (b"TASKS=1\nNEEDS=a", Fault::Line("TASK")),
            (format!("TASKS=1{many}").as_bytes(), Fault::Many),
            (b"ENDED=link", Fault::Line("RESULT")),
            (b"ENDED=link\nRESULT=splendid", Fault::Line("RESULT")),
            (b"PATIENCE=link\nUSEC=-1", Fault::Line("USEC")),
            (b"STATUS=link", Fault::Line("TEXT")),
        ] {
            assert_eq!(Said::parse(packet), Err(fault), "{}", String::from_utf8_lossy(packet));
        }
        assert_eq!(Said::parse(b"READY=link\nSINCE=now\nnothing"), Ok(Said::Ready("link".to_owned())));
        assert_eq!(Order::parse(b"READY=link"), Err(Fault::Unknown));
    }

    #[test]
    fn texts_are_made_fit() {
        let text = format!("one\ntwo\u{7}{}", "ä".repeat(LONGEST_TEXT));
        let packet = Said::Status("a".to_owned(), text).packet().expect("short");
        let Ok(Said::Status(_, text)) = Said::parse(&packet) else { panic!("no status") };
        assert!(text.starts_with("one two ä") && text.len() <= LONGEST_TEXT, "{text}");
        let forever = Said::Patience("a".to_owned(), Duration::from_secs(1 << 40)).packet().expect("short");
        assert_eq!(Said::parse(&forever), Ok(Said::Patience("a".to_owned(), LONGEST_PATIENCE)));
        let all: Vec<String> = (0..MOST_TASKS).map(|number| format!("{number:064}")).collect();
        let tasks = all.iter().map(|name| Task::new(name, &all[..0], &"d".repeat(LONGEST_TEXT))).collect();
        assert_eq!(Said::Tasks(tasks).packet(), Err(Fault::Long), "never cut in the middle");
    }
}
