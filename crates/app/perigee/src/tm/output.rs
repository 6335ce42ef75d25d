//! What the offline verbs write: rows as CSV or JSON lines, or raw octets, to standard output.
//!
//! Whoever reads may close the pipe at any time (`| head`): that ends the work quietly.

use std::io::{self, BufWriter, StdoutLock, Write};

use clap::ValueEnum;

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated values with a header line
    #[default]
    Csv,
    /// One JSON object to a line
    Jsonl,
    /// The octets themselves, one behind the other
    Raw,
}

/// One value of a row. Texts are of our own making and need no quoting.
#[derive(Clone, Copy)]
pub(crate) enum Cell<'a> {
    Empty,
    Number(i64),
    Text(&'a str),
}

impl<T: Into<i64>> From<Option<T>> for Cell<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, |value| Self::Number(value.into()))
    }
}

/// Rows on their way to standard output.
pub(crate) struct Table {
    out: BufWriter<StdoutLock<'static>>,
    pub(crate) format: Format,
    columns: &'static [&'static str],
    failed: Option<io::Error>,
}

impl Table {
    /// A table of these columns.
    pub(crate) fn new(format: Format, columns: &'static [&'static str]) -> Self {
        let out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let mut table = Self { out, format, columns, failed: None };
        if format == Format::Csv {
            table.write(|out| writeln!(out, "{}", columns.join(",")));
        }
        table
    }

    /// Writes a row, one cell to a column.
    pub(crate) fn row(&mut self, cells: &[Cell<'_>]) {
        debug_assert_eq!(cells.len(), self.columns.len());
        let (format, columns) = (self.format, self.columns);
        self.write(|out| match format {
            Format::Csv => csv(out, cells),
            Format::Jsonl => json(out, columns, cells),
            Format::Raw => Ok(()),
        });
    }

    /// Writes octets as they are.
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        self.write(|out| out.write_all(octets));
    }

    /// Whether writing makes no more sense.
    pub(crate) fn is_closed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes what is left. A closed pipe is no error.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.write(Write::flush);
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("cannot write to standard output"))
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>) {
        if self.failed.is_none() {
            self.failed = write(&mut self.out).err();
        }
    }
}

fn csv(out: &mut impl Write, cells: &[Cell<'_>]) -> io::Result<()> {
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Empty => {}
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Text(text) => out.write_all(text.as_bytes())?,
        }
    }
    out.write_all(b"\n")
}

fn json(out: &mut impl Write, columns: &[&str], cells: &[Cell<'_>]) -> io::Result<()> {
    for (i, (column, cell)) in columns.iter().zip(cells).enumerate() {
        write!(out, "{}\"{column}\":", if i == 0 { '{' } else { ',' })?;
        match cell {
            Cell::Empty => out.write_all(b"null")?,
            Cell::Number(number) => write!(out, "{number}")?,
            Cell::Text(text) => write!(out, "\"{text}\"")?,
        }
    }
    out.write_all(b"}\n")
}

/// Octets in hexadecimal, lower case.
pub(crate) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}
