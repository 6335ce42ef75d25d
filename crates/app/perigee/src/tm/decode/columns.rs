//! Decoded packets as Apache Parquet: a file for each container, two columns (raw and engineering value)
//! for each parameter in it.
//!
//! The packets themselves decide on the columns. Where a later packet of the same container has a parameter
//! more, or a value of another kind, the file is closed and the next one begins: `NAME-2.parquet`.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use perigee_xtce::{ContainerId, Database, ParameterId, Value};

use super::{Decoded, Output};

/// Values of one row group, and octets of text and binary among them: what is held in memory of a container.
const GROUP_CELLS: usize = 1 << 20;
const GROUP_OCTETS: usize = 64 << 20;

/// A directory that gets a file for each container.
pub(super) struct ParquetDirectory<'d> {
    directory: PathBuf,
    database: &'d Database,
    tables: HashMap<ContainerId, Table>,
}

impl<'d> ParquetDirectory<'d> {
    pub(super) fn create(directory: &Path, database: &'d Database) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
        Ok(Self { directory: directory.to_owned(), database, tables: HashMap::new() })
    }
}

impl Output for ParquetDirectory<'_> {
    fn packet(&mut self, packet: &Decoded<'_>) -> anyhow::Result<bool> {
        let (directory, database) = (&self.directory, self.database);
        let table = self.tables.entry(packet.container).or_insert_with(|| {
            let name = database.container(packet.container).map_or("", |container| &container.name);
            // A qualified name is no file name: /Sys/Power becomes Sys.Power.
            let name =
                name.trim_matches('/').replace(|c: char| !c.is_alphanumeric() && c != '_' && c != '-', ".");
            Table::new(directory.join(name))
        });
        table.push(packet, database)?;
        Ok(true)
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.tables.into_values().try_for_each(Table::close)
    }
}

/// Kinds of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Double,
    Boolean,
    Text,
    Octets,
    Time,
}

impl Kind {
    /// The kind of column for a value; none for a value that is not there.
    fn of(value: Value) -> Option<Self> {
        Some(match value {
            Value::Absent => return None,
            Value::Unsigned(_) => Self::Unsigned,
            Value::Signed(_) => Self::Signed,
            Value::Float(_) => Self::Double,
            Value::Boolean(_) => Self::Boolean,
            Value::Label(_) | Value::Text(_) | Value::Structured(_) => Self::Text,
            Value::Binary(_) => Self::Octets,
            Value::Time(_) => Self::Time,
        })
    }

    fn schema(self, name: &str) -> parquet::errors::Result<Type> {
        let (physical, logical) = match self {
            Self::Unsigned => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Self::Signed => (Physical::INT64, Some(LogicalType::integer(64, true))),
            Self::Double => (Physical::DOUBLE, None),
            Self::Boolean => (Physical::BOOLEAN, None),
            Self::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Self::Octets => (Physical::BYTE_ARRAY, None),
            Self::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS))),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
    }
}

/// Values that are there.
#[derive(Debug)]
enum Cells {
    /// Kinds of 64 bits that are no floats.
    Words(Vec<i64>),
    Doubles(Vec<f64>),
    Booleans(Vec<bool>),
    Octets(Vec<ByteArray>),
}

/// A column of the open row group.
#[derive(Debug)]
struct Column {
    name: String,
    /// None until the first value that is there.
    kind: Option<Kind>,
    cells: Cells,
    /// For each row 1 where there is a value.
    present: Vec<i16>,
}

impl Column {
    fn new(name: String) -> Self {
        Self { name, kind: None, cells: Cells::Words(Vec::new()), present: Vec::new() }
    }

    /// Whether the column can hold the value once its kind is fixed.
    fn fits(&self, value: Value) -> bool {
        Kind::of(value).is_none_or(|kind| self.kind == Some(kind))
    }

    fn push(&mut self, row: usize, value: Value, labels: &[String], arena: &[u8]) {
        let Some(kind) = Kind::of(value) else { return };
        if self.kind.is_none() {
            self.kind = Some(kind);
            self.cells = match kind {
                Kind::Unsigned | Kind::Signed | Kind::Time => Cells::Words(Vec::new()),
                Kind::Double => Cells::Doubles(Vec::new()),
                Kind::Boolean => Cells::Booleans(Vec::new()),
                Kind::Text | Kind::Octets => Cells::Octets(Vec::new()),
            };
        }
        match (&mut self.cells, value) {
            (Cells::Words(cells), Value::Unsigned(number)) => cells.push(number as i64),
            (Cells::Words(cells), Value::Signed(number) | Value::Time(number)) => cells.push(number),
            (Cells::Doubles(cells), Value::Float(number)) => cells.push(number),
            (Cells::Booleans(cells), Value::Boolean(truth)) => cells.push(truth),
            (Cells::Octets(cells), Value::Label(label)) => {
                cells.push(labels.get(label as usize).map_or("", String::as_str).into());
            }
            (Cells::Octets(cells), value) => {
                cells.push(value.span().map_or(&[][..], |span| span.of(arena)).to_vec().into());
            }
            _ => return,
        }
        self.present.resize(row, 0);
        self.present.push(1);
    }

    fn write(&mut self, rows: usize, writer: &mut SerializedColumnWriter<'_>) -> parquet::errors::Result<()> {
        self.present.resize(rows, 0);
        let present = Some(&self.present[..]);
        match &mut self.cells {
            Cells::Words(cells) => {
                writer.typed::<Int64Type>().write_batch(cells, present, None)?;
                cells.clear();
            }
            Cells::Doubles(cells) => {
                writer.typed::<DoubleType>().write_batch(cells, present, None)?;
                cells.clear();
            }
            Cells::Booleans(cells) => {
                writer.typed::<BoolType>().write_batch(cells, present, None)?;
                cells.clear();
            }
            Cells::Octets(cells) => {
                writer.typed::<ByteArrayType>().write_batch(cells, present, None)?;
                cells.clear();
            }
        }
        self.present.clear();
        Ok(())
    }
}

/// The packets of one container.
struct Table {
    path: PathBuf,
    part: usize,
    file: Option<SerializedFileWriter<File>>,
    time: Column,
    columns: Vec<Column>,
    /// First of the two columns of a parameter, and of its second value in one packet, and so on.
    places: HashMap<(ParameterId, u32), usize>,
    /// How often each parameter was in the packet at hand.
    seen: HashMap<ParameterId, u32>,
    rows: usize,
    /// Octets of the packets' values among these rows.
    octets: usize,
}

impl Table {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            part: 1,
            file: None,
            time: Column::new("time".into()),
            columns: Vec::new(),
            places: HashMap::new(),
            seen: HashMap::new(),
            rows: 0,
            octets: 0,
        }
    }

    fn push(&mut self, packet: &Decoded<'_>, database: &Database) -> anyhow::Result<()> {
        if !self.takes(packet) {
            self.next_part()?;
        }
        self.time.push(self.rows, packet.time.map_or(Value::Absent, Value::Time), &[], &[]);
        self.seen.clear();
        for entry in &packet.values.entries {
            let Some(parameter) = database.parameter(entry.parameter) else { continue };
            let seen = self.seen.entry(entry.parameter).or_default();
            *seen += 1;
            let columns = &mut self.columns;
            let place = *self.places.entry((entry.parameter, *seen)).or_insert_with(|| {
                let again = if *seen > 1 { format!("#{seen}") } else { String::new() };
                columns.push(Column::new(format!("{}{again}", parameter.name)));
                columns.push(Column::new(format!("{}{again}.raw", parameter.name)));
                columns.len() - 2
            });
            self.columns[place].push(self.rows, entry.eng, &parameter.labels, &packet.values.arena);
            self.columns[place + 1].push(self.rows, entry.raw, &parameter.labels, &packet.values.arena);
        }
        self.rows += 1;
        self.octets += packet.values.arena.len();
        if self.rows * self.columns.len() >= GROUP_CELLS || self.octets >= GROUP_OCTETS {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether the columns, once they are fixed, have a place for each value of the packet.
    fn takes(&mut self, packet: &Decoded<'_>) -> bool {
        self.seen.clear();
        packet.values.entries.iter().all(|entry| {
            let seen = self.seen.entry(entry.parameter).or_default();
            *seen += 1;
            match self.places.get(&(entry.parameter, *seen)) {
                None => self.file.is_none(),
                Some(&place) => {
                    let open = |column: &Column| self.file.is_none() && column.kind.is_none();
                    let (eng, raw) = (&self.columns[place], &self.columns[place + 1]);
                    (open(eng) || eng.fits(entry.eng)) && (open(raw) || raw.fits(entry.raw))
                }
            }
        })
    }

    /// Begins the next file, with columns of its own.
    fn next_part(&mut self) -> anyhow::Result<()> {
        let next = Self { part: self.part + 1, ..Self::new(self.path.clone()) };
        std::mem::replace(self, next).close()
    }

    /// Writes the rows that are held as one row group; the first one fixes the columns of the file.
    fn flush(&mut self) -> anyhow::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let part = if self.part > 1 { format!("-{}", self.part) } else { String::new() };
        let path = PathBuf::from(format!("{}{part}.parquet", self.path.display()));
        self.write_group(&path).with_context(|| format!("cannot write {}", path.display()))?;
        (self.rows, self.octets) = (0, 0);
        Ok(())
    }

    fn write_group(&mut self, path: &Path) -> anyhow::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let columns = std::iter::once(&self.time).chain(&self.columns);
                // A column of which nothing is known yet holds only what is not there.
                let fields = columns
                    .map(|column| column.kind.unwrap_or(Kind::Signed).schema(&column.name).map(Arc::new))
                    .collect::<Result<_, _>>()?;
                let schema = Type::group_type_builder("packet").with_fields(fields).build()?;
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                let sink = File::create(path)?;
                self.file.insert(SerializedFileWriter::new(sink, Arc::new(schema), Arc::new(properties))?)
            }
        };
        let mut group = file.next_row_group()?;
        for column in std::iter::once(&mut self.time).chain(&mut self.columns) {
            if let Some(mut writer) = group.next_column()? {
                column.write(self.rows, &mut writer)?;
                writer.close()?;
            }
        }
        group.close()?;
        Ok(())
    }

    fn close(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if let Some(file) = self.file {
            file.close().with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        Ok(())
    }
}
