//! `perigee ctl logs`: what units have printed, read from the files of the log.

use std::io::{BufWriter, IsTerminal, StdoutLock, Write, stdout};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use perigee_journal::text::{self, Style};
use perigee_journal::{Id, Now, Priority, Query, Reader, Record, Time};
use perigee_trigger::timer::zone;
use perigee_units::calendar::{TimeZone, parse_timestamp};

/// Where the log is, and where it is while that cannot be written.
const FOLDERS: [&str; 2] = ["/var/log/perigee", "/run/perigee/log"];

/// Lines that are shown before those that are waited for, as tail(1).
const FOLLOWED: usize = 10;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Of this unit; a name without an ending is a service, and `*`, `?` and `[…]` are patterns; may be given again
    #[arg(long, short, value_name = "UNIT")]
    unit: Vec<String>,
    /// The last so many records only
    #[arg(long, short = 'n', value_name = "NUMBER")]
    lines: Option<usize>,
    /// Wait for more, after the last 10 (or as many as -n says)
    #[arg(long, short)]
    follow: bool,
    /// From this time on: `2026-11-25 15:51`, `today`, `-5min`, `2h ago`, `@1764000000`
    #[arg(long, short = 'S', value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Until this time
    #[arg(long, short = 'U', value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// At least so urgent: emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7
    #[arg(long, short, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// Of this boot: 0 is the present one, -1 the one before it, 1 the first one on record, or an identity
    #[arg(long, short, value_name = "BOOT", num_args = 0..=1, default_missing_value = "0", allow_negative_numbers = true)]
    boot: Option<String>,
    /// Only with this value, by the names of `-o json`: `pid=1`, `from=stderr`, `id=sshd`, or a further field; several of
    /// one name are alternatives
    #[arg(long, value_name = "NAME=VALUE")]
    field: Vec<String>,
    /// Only where the text has a match of this regular expression; without capitals in it, case does not count
    #[arg(long, short, value_name = "PATTERN")]
    grep: Option<String>,
    /// How records are written
    #[arg(long, short, value_enum, default_value_t = Form::Short, value_name = "FORM")]
    output: Form,
    /// The same as -o json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// The last records first
    #[arg(long, short, conflicts_with = "follow")]
    reverse: bool,
    /// Times in UTC
    #[arg(long)]
    utc: bool,
    /// List the boots of which there are records
    #[arg(long)]
    list_boots: bool,
    /// Read the log in this folder instead of /var/log/perigee and /run/perigee/log; may be given again
    #[arg(long, value_name = "FOLDER")]
    folder: Vec<PathBuf>,
}

/// How records are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Time, unit and process, and the text; on a terminal in colours
    Short,
    /// A JSON object a line, as it is on disk
    Json,
    /// The text alone
    Cat,
}

/// Exit status: 0 something was found, or nothing was asked for; 1 nothing was.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folders: Vec<&Path> = match &arguments.folder[..] {
        [] => FOLDERS.iter().map(Path::new).collect(),
        folders => folders.iter().map(PathBuf::as_path).collect(),
    };
    let reader = Reader::new(folders);
    let local = if arguments.utc { TimeZone::utc() } else { zone(Path::new("/")) };
    let local = LOCAL.get_or_init(|| local);
    let mut out = Out::new(if arguments.json { Form::Json } else { arguments.output });
    if arguments.list_boots {
        return list_boots(&reader, local, &mut out.to).or_else(closed_pipe);
    }
    let query = query(arguments, &reader, local)?;
    match show(arguments, &reader, &query, &mut out) {
        Ok(()) => Ok(if out.count > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Err(error) => closed_pipe(error),
    }
}

/// The zone of this machine, for a function that has no room for it.
static LOCAL: OnceLock<TimeZone> = OnceLock::new();

/// Whoever reads has enough: that is no failure.
fn closed_pipe(error: anyhow::Error) -> anyhow::Result<ExitCode> {
    let broken =
        error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe);
    if broken { Ok(ExitCode::SUCCESS) } else { Err(error) }
}

fn query(arguments: &Arguments, reader: &Reader, zone: &TimeZone) -> anyhow::Result<Query> {
    let now = Now::read().wall.0;
    let time = |text: &Option<String>| -> anyhow::Result<Option<Time>> {
        Ok(text.as_ref().map(|text| parse_timestamp(text, now, zone)).transpose()?.map(Time))
    };
    let mut query = Query::default();
    query.since = time(&arguments.since)?;
    query.until = time(&arguments.until)?;
    query.priority = arguments.priority;
    query.boot = arguments.boot.as_ref().map(|boot| which_boot(boot, reader)).transpose()?;
    for unit in &arguments.unit {
        query = query.unit(&super::full_name(unit));
    }
    for field in &arguments.field {
        query = query.field(field)?;
    }
    if let Some(pattern) = &arguments.grep {
        query = query.grep(pattern)?;
    }
    Ok(query)
}

fn which_boot(text: &str, reader: &Reader) -> anyhow::Result<Id> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let number: i64 =
        text.parse().with_context(|| format!("`{text}` is neither the number nor the identity of a boot"))?;
    let mut boots: Vec<Id> = reader.boots()?.into_iter().map(|boot| boot.id).collect();
    if number > 0 {
        let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
        return boots
            .get(index)
            .copied()
            .with_context(|| format!("there are records of {} boots only", boots.len()));
    }
    let present = Id::of_this_boot();
    boots.retain(|boot| *boot != present);
    boots.push(present);
    let back = usize::try_from(-number).unwrap_or(usize::MAX);
    match boots.iter().rev().nth(back) {
        Some(boot) => Ok(*boot),
        None => bail!("there are records of {} boots only", boots.len()),
    }
}

fn list_boots(reader: &Reader, zone: &TimeZone, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let boots = reader.boots()?;
    for (index, boot) in boots.iter().enumerate() {
        let back = index as i64 + 1 - boots.len() as i64;
        writeln!(out, "{back:>4}  {}  {}", boot.id, zone.clock(boot.first.0))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &Arguments, reader: &Reader, query: &Query, out: &mut Out) -> anyhow::Result<()> {
    let most = match (arguments.lines, arguments.follow) {
        (None, true) => Some(FOLLOWED),
        (None, false) if arguments.reverse => Some(usize::MAX),
        (lines, _) => lines,
    };
    let behind = match most {
        Some(most) => {
            let (mut records, behind) = reader.last(most, query)?;
            if arguments.reverse {
                records.reverse();
            }
            for record in &records {
                out.put(record)?;
            }
            behind
        }
        None => {
            let mut broken = Ok(());
            let behind = reader.forward(query, |record| stop(&mut broken, out.put(record)))?;
            broken?;
            behind
        }
    };
    out.to.flush()?;
    if arguments.follow {
        let mut follower = reader.follow(behind);
        loop {
            let mut broken = Ok(());
            let _ = follower.read(query, &mut |record| stop(&mut broken, out.put(record)))?;
            broken?;
            out.to.flush()?;
            follower.wait(Duration::from_secs(1))?;
        }
    }
    Ok(())
}

/// Keeps the first error, and stops there.
fn stop(kept: &mut std::io::Result<()>, outcome: std::io::Result<()>) -> ControlFlow<()> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *kept = Err(error);
            ControlFlow::Break(())
        }
    }
}

/// Where records go.
struct Out {
    to: BufWriter<StdoutLock<'static>>,
    form: Form,
    style: Style,
    line: Vec<u8>,
    count: u64,
}

impl Out {
    fn new(form: Form) -> Out {
        let clock = |time: Time| LOCAL.get().map_or_else(|| time.to_string(), |zone| zone.clock(time.0));
        let style = Style {
            colours: stdout().is_terminal() && form == Form::Short && std::env::var_os("NO_COLOR").is_none(),
            message_only: form == Form::Cat,
            time: Some(clock),
        };
        Out { to: BufWriter::new(stdout().lock()), form, style, line: Vec::new(), count: 0 }
    }

    fn put(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        self.count += 1;
        self.line.clear();
        match self.form {
            Form::Json => record.encode(&mut self.line),
            Form::Short => text::show(record, &self.style, &mut self.line),
            // As it was printed, to the octet.
            Form::Cat if !stdout().is_terminal() => {
                self.line.extend_from_slice(&record.message);
                if !record.cut {
                    self.line.push(b'\n');
                }
            }
            Form::Cat => text::show(record, &self.style, &mut self.line),
        }
        self.to.write_all(&self.line)
    }
}
