//! Standard input, output and error: from where, and where to.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use perigee_process::terminal;

use super::reader::Reader;
use super::{Attach, ExecError};

/// Data of `StandardInputData=` and `StandardInputText=` is no longer than this.
const LONGEST_DATA: usize = 1 << 20;

/// Where standard input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Nothing comes.
    #[default]
    Null,
    /// The terminal, which becomes the controlling one; taken from another session where told.
    Terminal {
        /// `tty-force`.
        steal: bool,
    },
    /// What the caller attaches: the connection of a socket unit.
    Socket,
    /// A file.
    File(String),
    /// This.
    Data(Vec<u8>),
    /// The descriptor of this name that is passed.
    Named(String),
}

/// Where standard output or error goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Where the one before goes: output where input comes from, error where output goes.
    Inherit,
    /// Nowhere.
    Null,
    /// The log; on the console too, where told.
    Log {
        /// `journal+console` and its kin.
        console: bool,
    },
    /// The terminal.
    Terminal,
    /// What the caller attaches: the connection of a socket unit.
    Socket,
    /// A file.
    File {
        /// Where.
        path: String,
        /// It is appended to.
        append: bool,
        /// It is emptied first.
        truncate: bool,
    },
    /// The descriptor of this name that is passed.
    Named(String),
}

/// What a unit says of its streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// `StandardInput=`.
    pub input: Input,
    /// `StandardOutput=`.
    pub output: Output,
    /// `StandardError=`.
    pub error: Output,
    /// `TTYPath=`.
    pub terminal: String,
    /// What is done to it before each process.
    pub ready: Ready,
}

/// What is done to a terminal before a process has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// `TTYReset=`: its modes are set anew.
    pub reset: bool,
    /// `TTYVHangup=`: nobody else has it any more.
    pub hang_up: bool,
    /// `TTYVTDisallocate=`: nothing is left on its screen.
    pub clear: bool,
    /// `TTYRows=` and `TTYColumns=`.
    pub size: (Option<u16>, Option<u16>),
}

impl Default for Streams {
    fn default() -> Streams {
        let (output, error) = (Output::Log { console: false }, Output::Inherit);
        Streams {
            input: Input::Null,
            output,
            error,
            terminal: "/dev/console".to_owned(),
            ready: Ready::default(),
        }
    }
}

/// A stream that is open, or the caller's.
enum Open<'a> {
    Own(OwnedFd),
    Attached(BorrowedFd<'a>),
}

/// The three, open.
pub(super) struct Opened<'a>([Open<'a>; 3]);

impl Opened<'_> {
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(|open| match open {
            Open::Own(fd) => fd.as_fd(),
            Open::Attached(fd) => *fd,
        })
    }
}

impl Streams {
    pub(super) fn read(reader: &mut Reader<'_>) -> Streams {
        let mut streams = Streams::default();
        if let Some(path) = reader.text("TTYPath") {
            streams.terminal = path.to_owned();
        }
        let size = |directive| reader.number(directive).and_then(|number| u16::try_from(number).ok());
        streams.ready = Ready {
            reset: reader.is("TTYReset"),
            hang_up: reader.is("TTYVHangup"),
            clear: reader.is("TTYVTDisallocate"),
            size: (size("TTYRows"), size("TTYColumns")),
        };
        let data = data(reader);
        streams.input = match reader.text("StandardInput") {
            None if data.is_some() => Input::Data(data.unwrap_or_default()),
            None | Some("null") => Input::Null,
            Some("tty" | "tty-fail") => Input::Terminal { steal: false },
            Some("tty-force") => Input::Terminal { steal: true },
            Some("socket") => Input::Socket,
            Some("data") => Input::Data(data.unwrap_or_default()),
            Some("fd") => Input::Named("stdin".to_owned()),
            Some(text) => match text.split_once(':') {
                Some(("file", path)) if path.starts_with('/') => Input::File(path.to_owned()),
                Some(("fd", name)) if !name.is_empty() => Input::Named(name.to_owned()),
                _ => {
                    reader.problem("StandardInput", text, "there is no such input");
                    Input::Null
                }
            },
        };
        // What talks to somebody answers there.
        let talks = !matches!(streams.input, Input::Null | Input::Data(_) | Input::File(_));
        let default = if talks { Output::Inherit } else { Output::Log { console: false } };
        streams.output = output(reader, "StandardOutput", "stdout").unwrap_or(default);
        streams.error = output(reader, "StandardError", "stderr").unwrap_or(Output::Inherit);
        streams
    }

    /// Whether the terminal becomes the controlling one, and is taken from others for that.
    pub(super) fn controls(&self) -> Option<bool> {
        match self.input {
            Input::Terminal { steal } => Some(steal),
            _ => None,
        }
    }

    /// Makes the terminal ready; gives what could not be done, in words. A service that is not on a terminal may say
    /// it of one as well.
    pub(super) fn make_ready(&self) -> Vec<String> {
        let Ready { reset, hang_up, clear, size } = self.ready;
        let path = Path::new(&self.terminal);
        let opened = |work: &dyn Fn(BorrowedFd<'_>) -> Result<(), nix::errno::Errno>| {
            terminal::open(path).and_then(|terminal| work(terminal.as_fd()).map_err(io::Error::from))
        };
        let mut notes = Vec::new();
        let mut tell = |directive: &str, wanted: bool, work: &dyn Fn() -> io::Result<()>| {
            if let Some(Err(error)) = wanted.then(work) {
                notes.push(format!("{directive}: {}: {error}", self.terminal));
            }
        };
        tell("TTYVHangup", hang_up, &|| opened(&terminal::hang_up));
        tell("TTYReset", reset, &|| opened(&terminal::reset));
        tell("TTYVTDisallocate", clear, &|| terminal::clear(path));
        let resize = |fd: BorrowedFd<'_>| terminal::resize(fd, size.0, size.1);
        tell("TTYRows", size != (None, None), &|| opened(&resize));
        notes
    }

    /// What programs on a terminal want to know of it.
    pub(super) fn variables(&self) -> Option<(String, String)> {
        let on_terminal = matches!(self.input, Input::Terminal { .. })
            || [&self.output, &self.error].contains(&&Output::Terminal);
        // The virtual consoles are /dev/tty1 and so on.
        let console = self.terminal.strip_prefix("/dev/tty").is_some_and(|rest| rest.parse::<u8>().is_ok());
        on_terminal.then(|| ("TERM".to_owned(), if console { "linux" } else { "vt220" }.to_owned()))
    }

    /// Opens what is to be opened; the rest is attached.
    pub(super) fn open<'a>(&self, attach: &Attach<'a>) -> Result<Opened<'a>, ExecError> {
        let named = |name: &str| attach.listen.iter().find(|(_, known)| *known == name).map(|(fd, _)| *fd);
        let wrong = |directive, path: &str| {
            let path = path.to_owned();
            move |source| ExecError::Stream { path, directive, source }
        };
        let null = |directive| file("/dev/null", true, true).map_err(wrong(directive, "/dev/null"));
        let from = "StandardInput";
        let input = match &self.input {
            Input::Null => Open::Own(null(from)?),
            Input::Socket => Open::Attached(attach.stdin),
            Input::Terminal { .. } => {
                Open::Own(file(&self.terminal, true, true).map_err(wrong(from, &self.terminal))?)
            }
            Input::File(path) => Open::Own(file(path, true, false).map_err(wrong(from, path))?),
            Input::Data(data) => Open::Own(memory(data).map_err(wrong(from, "a file in memory"))?),
            Input::Named(name) => match named(name) {
                Some(fd) => Open::Attached(fd),
                None => Open::Own(null(from)?),
            },
        };
        let copied = |open: &Open<'a>, directive| match open {
            Open::Own(fd) => fd.try_clone().map(Open::Own).map_err(wrong(directive, "the same again")),
            Open::Attached(fd) => Ok(Open::Attached(*fd)),
        };
        let open = |output: &Output, before: &Open<'a>, directive, log: BorrowedFd<'a>| match output {
            Output::Inherit if directive == "StandardError" => match self.output {
                // The log knows the two apart.
                Output::Log { .. } => Ok(Open::Attached(log)),
                _ => copied(before, directive),
            },
            Output::Inherit => copied(before, directive),
            Output::Null => null(directive).map(Open::Own),
            Output::Log { .. } => Ok(Open::Attached(log)),
            Output::Terminal => match self.input {
                Input::Terminal { .. } => copied(&input, directive),
                _ => {
                    file(&self.terminal, false, true).map(Open::Own).map_err(wrong(directive, &self.terminal))
                }
            },
            Output::Socket => Ok(Open::Attached(attach.stdin)),
            Output::File { path, append, truncate } => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).append(*append).truncate(*truncate).mode(0o644);
                open_patiently(&mut options, path).map(Open::Own).map_err(wrong(directive, path))
            }
            Output::Named(name) => match named(name) {
                Some(fd) => Ok(Open::Attached(fd)),
                None => null(directive).map(Open::Own),
            },
        };
        let output = open(&self.output, &input, "StandardOutput", attach.stdout)?;
        let error = match (&self.error, &self.output) {
            // The same file twice is one file with one place to write at.
            (Output::File { path, .. }, Output::File { path: same, .. }) if path == same => {
                copied(&output, "StandardError")?
            }
            _ => open(&self.error, &output, "StandardError", attach.stderr)?,
        };
        Ok(Opened([input, output, error]))
    }
}

fn output(reader: &mut Reader<'_>, directive: &'static str, stream: &str) -> Option<Output> {
    let text = reader.text(directive)?;
    Some(match text {
        "inherit" => Output::Inherit,
        "null" => Output::Null,
        "tty" => Output::Terminal,
        "socket" => Output::Socket,
        "journal" | "kmsg" | "syslog" => Output::Log { console: false },
        "journal+console" | "kmsg+console" | "syslog+console" => Output::Log { console: true },
        "fd" => Output::Named(stream.to_owned()),
        text => {
            let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
            let file = |append, truncate| Output::File { path: rest.to_owned(), append, truncate };
            match kind {
                "file" if rest.starts_with('/') => file(false, false),
                "append" if rest.starts_with('/') => file(true, false),
                "truncate" if rest.starts_with('/') => file(false, true),
                "fd" if !rest.is_empty() => Output::Named(rest.to_owned()),
                _ => {
                    reader.problem(directive, text, "there is no such output");
                    return None;
                }
            }
        }
    })
}

/// The lines of text, each with its end, and the octets in base 64, in this order.
fn data(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let mut any = false;
    for text in reader.texts("StandardInputText") {
        any = true;
        data.extend(text.as_bytes());
        data.push(b'\n');
    }
    for text in reader.texts("StandardInputData") {
        any = true;
        match base64(text) {
            Some(octets) => data.extend(octets),
            None => reader.problem("StandardInputData", text, "it is not base 64"),
        }
    }
    if data.len() > LONGEST_DATA {
        reader.problem("StandardInputData", "…", "it is too long");
        data.clear();
    }
    any.then_some(data)
}

/// RFC 4648, 4; blanks between the letters are passed over.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut octets, mut bits, mut count) = (Vec::new(), 0u32, 0);
    let letters = text.trim_end().trim_end_matches('=');
    for letter in letters.bytes().filter(|letter| !letter.is_ascii_whitespace()) {
        let value = LETTERS.iter().position(|known| *known == letter)? as u32;
        bits = (bits << 6 | value) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
        }
    }
    (count < 6).then_some(octets)
}

/// Opens without waiting, for a modem or for somebody at the other end of a FIFO; reading and writing wait then.
fn file(path: &str, read: bool, write: bool) -> io::Result<OwnedFd> {
    open_patiently(OpenOptions::new().read(read).write(write), path)
}

fn open_patiently(options: &mut OpenOptions, path: &str) -> io::Result<OwnedFd> {
    // A terminal must not become the supervisor's own either.
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let file = options.custom_flags(flags.bits()).open(path)?;
    let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags & !OFlag::O_NONBLOCK))?;
    Ok(file.into())
}

/// A file with this in it, which has no name.
fn memory(data: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"standard input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(data)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64() {
        for (text, octets) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v YmFy", "foobar")] {
            assert_eq!(base64(text).as_deref(), Some(octets.as_bytes()), "{text}");
        }
        for text in ["Z", "Zm9vY", "Zm!v"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
