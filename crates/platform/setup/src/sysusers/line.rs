//! One line: `TYPE NAME ID GECOS HOME SHELL`.

use perigee_units::unit::Host;
use perigee_units::value::{ValueError, parse_path};

use crate::conf::{Unclosed, Words};
use crate::host::expand;

/// What a line says of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Id {
    /// The number of the user, or of a group.
    pub number: Option<u32>,
    /// The owner of this file has the number.
    pub of_file: Option<String>,
    /// The user's group by number.
    pub group: Option<u32>,
    /// The user's group by name.
    pub group_name: Option<String>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// `u`: a user, with a group of the same name.
    User {
        /// The name.
        name: String,
        /// The numbers.
        id: Id,
        /// What the user is called in full.
        gecos: Option<String>,
        /// The home.
        home: Option<String>,
        /// The shell.
        shell: Option<String>,
    },
    /// `g`: a group.
    Group {
        /// The name.
        name: String,
        /// The number.
        id: Id,
    },
    /// `m`: a user is in a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// `r`: numbers to be had, from the first to the last.
    Range(u32, u32),
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Less than a type and a name.
    #[error("the line has no name")]
    Short,
    /// More than there are columns, or a value in one that this type does not have.
    #[error("lines of this type do not take so many values")]
    Long,
    /// No such type.
    #[error("`{0}` is no type of line")]
    Kind(String),
    /// What no table of accounts takes.
    #[error("`{0}` is no name of a user or a group")]
    Name(String),
    /// What no table of accounts takes.
    #[error("`{0}` cannot stand in a table of accounts")]
    Text(String),
    /// Neither number nor path.
    #[error("`{0}` is no number of a user or a group")]
    Id(String),
    /// No words.
    #[error(transparent)]
    Words(#[from] Unclosed),
    /// A value that is none.
    #[error(transparent)]
    Value(#[from] ValueError),
}

impl Line {
    /// Every text that goes into a table.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match self {
            Line::User { name, gecos, home, shell, id } => {
                let rest = [gecos, home, shell, &id.group_name];
                std::iter::once(name.as_str()).chain(rest.into_iter().flatten().map(String::as_str)).collect()
            }
            Line::Group { name, .. } => vec![name],
            Line::Member { user, group } => vec![user, group],
            Line::Range(..) => Vec::new(),
        }
    }
}

/// Reads a line that is neither empty nor a comment.
///
/// # Errors
/// What is wrong with it; systemd passes over such a line too.
pub fn parse(line: &str, host: &Host) -> Result<Line, LineError> {
    let mut words = Words(line);
    let mut columns = Vec::new();
    while let Some(word) = words.next_word()? {
        columns.push(word);
        if columns.len() > 6 {
            return Err(LineError::Long);
        }
    }
    let kind = columns.first().cloned().ok_or(LineError::Short)?;
    let column = |at: usize| -> Result<Option<String>, LineError> {
        let word = columns.get(at).filter(|word| !word.is_empty() && *word != "-");
        Ok(word.map(|word| expand(host, word)).transpose()?)
    };
    let (name, id) = (column(1)?, column(2)?);
    // Only users have more than a number.
    let most = if kind == "u" { 6 } else { 3 };
    if (most..6).any(|at| column(at).is_ok_and(|word| word.is_some())) {
        return Err(LineError::Long);
    }
    let named = || name.clone().ok_or(LineError::Short).and_then(checked_name);
    match kind.as_str() {
        "u" => {
            let gecos = column(3)?.map(text).transpose()?;
            let home = column(4)?.map(|path| parse_path(&path)).transpose()?.map(text).transpose()?;
            let shell = column(5)?.map(|path| parse_path(&path)).transpose()?.map(text).transpose()?;
            Ok(Line::User { name: named()?, id: numbers(id.as_deref(), true)?, gecos, home, shell })
        }
        "g" => Ok(Line::Group { name: named()?, id: numbers(id.as_deref(), false)? }),
        "m" => Ok(Line::Member { user: named()?, group: checked_name(id.ok_or(LineError::Short)?)? }),
        "r" if name.is_none() => {
            let text = id.ok_or(LineError::Short)?;
            let wrong = || LineError::Id(text.clone());
            let (first, last) = text.split_once('-').unwrap_or((&text, &text));
            let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
            if first > last { Err(wrong()) } else { Ok(Line::Range(first, last)) }
        }
        _ => Err(LineError::Kind(kind)),
    }
}

/// `NUMBER`, `NUMBER:NUMBER`, `NUMBER:GROUP`, `-:GROUP`, `/PATH`.
fn numbers(text: Option<&str>, user: bool) -> Result<Id, LineError> {
    let mut id = Id::default();
    let Some(text) = text else { return Ok(id) };
    let wrong = || LineError::Id(text.to_owned());
    if text.starts_with('/') {
        id.of_file = Some(parse_path(text)?);
        return Ok(id);
    }
    let mut own = text;
    if let Some((before, group)) = text.split_once(':').filter(|_| user) {
        own = before;
        match number(group) {
            Some(number) => id.group = Some(number),
            None => id.group_name = Some(checked_name(group.to_owned())?),
        }
    }
    if own != "-" {
        id.number = Some(number(own).ok_or_else(wrong)?);
    }
    Ok(id)
}

fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX && *id != u32::from(u16::MAX))
}

/// Names as the tables take them, without what people mistake for numbers.
fn checked_name(name: String) -> Result<String, LineError> {
    let first = name.bytes().next().is_some_and(|octet| octet.is_ascii_alphabetic() || octet == b'_');
    let rest = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"_-".contains(&octet));
    if first && rest && name.len() <= 31 { Ok(name) } else { Err(LineError::Name(name)) }
}

fn text(text: String) -> Result<String, LineError> {
    if text.contains([':', '\n', '\0']) || text.chars().any(char::is_control) {
        return Err(LineError::Text(text));
    }
    Ok(text)
}
