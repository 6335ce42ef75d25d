//! One line: `TYPE PATH MODE USER GROUP AGE ARGUMENT`.

use perigee_units::unit::Host;
use perigee_units::value::{ValueError, parse_mode, parse_path};

use super::Age;
use crate::conf::{Unclosed, Words};
use crate::host::expand;

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `f`, `F`, `f+`: a file; made anew with a plus.
    File,
    /// `w`: written into a file that is there; appended with a plus.
    Write,
    /// `d`: a folder, cleaned by age.
    Folder,
    /// `D`: a folder that is emptied with `--remove`.
    EmptiedFolder,
    /// `e`: a folder that is there, cleaned by age.
    ExistingFolder,
    /// `v`, `q`, `Q`: a subvolume, where file systems have them; here a folder.
    Subvolume,
    /// `p`: a named pipe.
    Pipe,
    /// `L`: a link.
    Link,
    /// `c`: a character device.
    CharacterDevice,
    /// `b`: a block device.
    BlockDevice,
    /// `C`: copied with all below it.
    Copy,
    /// `x`: not cleaned, with all below it.
    Ignore,
    /// `X`: not cleaned itself.
    IgnoreFolder,
    /// `r`: removed, if it is empty.
    Remove,
    /// `R`: removed with all below it.
    RemoveAll,
    /// `z`, `m`: given mode and owner.
    Adjust,
    /// `Z`: given mode and owner, with all below it.
    AdjustAll,
    /// `t`: given extended attributes.
    Attribute,
    /// `T`: the same with all below it.
    AttributeAll,
    /// `h`: given flags of the file system.
    Flags,
    /// `H`: the same with all below it.
    FlagsAll,
    /// `a`: given access control lists.
    Acl,
    /// `A`: the same with all below it.
    AclAll,
}

/// A mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// The bits.
    pub bits: u32,
    /// `~`: only as far as what is there has the right already.
    pub masked: bool,
    /// `:`: only for what is made new.
    pub new_only: bool,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name, or the number.
    pub name: String,
    /// `:`: only for what is made new.
    pub new_only: bool,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it asks for.
    pub kind: Kind,
    /// Where; a pattern for most kinds that change what is there.
    pub path: String,
    /// `!`: at boot only.
    pub boot: bool,
    /// `-`: it may fail.
    pub optional: bool,
    /// `=`: what is of another kind goes first.
    pub replace: bool,
    /// `+`.
    pub plus: bool,
    /// `^`: the argument names a credential with what is written.
    pub credential: bool,
    /// `~`: the argument is base64.
    pub base64: bool,
    /// The mode.
    pub mode: Option<Mode>,
    /// The user.
    pub user: Option<Owner>,
    /// The group.
    pub group: Option<Owner>,
    /// How old what lies in it may become.
    pub age: Option<Age>,
    /// The rest of the line.
    pub argument: Option<String>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Less than a type and a path.
    #[error("the line has no path")]
    Short,
    /// No such type, or a sign behind it that it does not take.
    #[error("`{0}` is no type of line")]
    Kind(String),
    /// An argument that must be there is not.
    #[error("lines of this type need an argument")]
    NoArgument,
    /// No words.
    #[error(transparent)]
    Words(#[from] Unclosed),
    /// A value that is none.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An age that is none.
    #[error("`{0}` is no age")]
    Age(String),
    /// An argument that makes no sense.
    #[error("`{0}` is no argument for this type")]
    Argument(String),
}

impl Kind {
    fn by_letter(letter: char) -> Option<Kind> {
        Some(match letter {
            'f' | 'F' => Kind::File,
            'w' => Kind::Write,
            'd' => Kind::Folder,
            'D' => Kind::EmptiedFolder,
            'e' => Kind::ExistingFolder,
            'v' | 'q' | 'Q' => Kind::Subvolume,
            'p' => Kind::Pipe,
            'L' => Kind::Link,
            'c' => Kind::CharacterDevice,
            'b' => Kind::BlockDevice,
            'C' => Kind::Copy,
            'x' => Kind::Ignore,
            'X' => Kind::IgnoreFolder,
            'r' => Kind::Remove,
            'R' => Kind::RemoveAll,
            'z' | 'm' => Kind::Adjust,
            'Z' => Kind::AdjustAll,
            't' => Kind::Attribute,
            'T' => Kind::AttributeAll,
            'h' => Kind::Flags,
            'H' => Kind::FlagsAll,
            'a' => Kind::Acl,
            'A' => Kind::AclAll,
            _ => return None,
        })
    }

    /// Whether its path is a pattern.
    pub fn takes_pattern(self) -> bool {
        !self.makes()
    }

    /// Whether it makes what it names.
    fn makes(self) -> bool {
        use Kind::{BlockDevice, CharacterDevice, Copy, EmptiedFolder, File, Folder, Link, Pipe, Subvolume};
        matches!(
            self,
            File | Folder | EmptiedFolder | Subvolume | Pipe | Link | CharacterDevice | BlockDevice | Copy
        )
    }

    /// Whether it says what the path is as a whole: of these a path has one.
    pub fn owns(self) -> bool {
        use Kind::{ExistingFolder, Ignore, IgnoreFolder, Remove, RemoveAll, Write};
        self.makes() || matches!(self, ExistingFolder | Ignore | IgnoreFolder | Remove | RemoveAll | Write)
    }

    /// Whether what is below is changed too.
    pub fn is_deep(self) -> bool {
        matches!(self, Kind::AdjustAll | Kind::AttributeAll | Kind::FlagsAll | Kind::AclAll)
    }

    /// Whether the argument may have escape sequences and specifiers.
    fn argument_is_text(self) -> bool {
        matches!(self, Kind::File | Kind::Write | Kind::Link | Kind::Copy)
    }
}

/// Reads a line that is neither empty nor a comment.
///
/// # Errors
/// What is wrong with it; systemd passes over such a line too.
pub fn parse(line: &str, host: &Host) -> Result<Item, LineError> {
    let mut words = Words(line);
    let kind = words.next_word()?.ok_or(LineError::Short)?;
    let path = words.next_word()?.ok_or(LineError::Short)?;
    let mut next = || -> Result<Option<String>, LineError> {
        Ok(words.next_word()?.filter(|word| !word.is_empty() && word != "-"))
    };
    let (mode, user, group, age) = (next()?, next()?, next()?, next()?);
    let argument = Some(words.0.trim()).filter(|rest| !rest.is_empty() && *rest != "-");

    let wrong = || LineError::Kind(kind.clone());
    let mut signs = kind.chars();
    let letter = signs.next().ok_or_else(wrong)?;
    let mut item = Item {
        kind: Kind::by_letter(letter).ok_or_else(wrong)?,
        path: parse_path(&expand(host, &path)?)?,
        boot: false,
        optional: false,
        replace: false,
        plus: letter == 'F',
        credential: false,
        base64: false,
        mode: mode.map(|text| parse_line_mode(&text)).transpose()?,
        user: user.map(|text| owner(&text, host)).transpose()?,
        group: group.map(|text| owner(&text, host)).transpose()?,
        age: age.map(|text| Age::parse(&text)).transpose()?,
        argument: None,
    };
    for sign in signs {
        let flag = match sign {
            '!' => &mut item.boot,
            '-' => &mut item.optional,
            '=' if item.kind.makes() => &mut item.replace,
            '+' => &mut item.plus,
            '^' => &mut item.credential,
            '~' => &mut item.base64,
            _ => return Err(wrong()),
        };
        if std::mem::replace(flag, true) {
            return Err(wrong());
        }
    }
    let text = argument.map(|text| match item.kind.argument_is_text() {
        true => expand(host, &unescape(text)?).map_err(LineError::from),
        false => Ok(text.to_owned()),
    });
    item.argument = text.transpose()?;
    check(&item)?;
    Ok(item)
}

fn check(item: &Item) -> Result<(), LineError> {
    let needs = matches!(
        item.kind,
        Kind::Write
            | Kind::CharacterDevice
            | Kind::BlockDevice
            | Kind::Attribute
            | Kind::AttributeAll
            | Kind::Flags
            | Kind::FlagsAll
            | Kind::Acl
            | Kind::AclAll
    );
    if needs && item.argument.is_none() {
        return Err(LineError::NoArgument);
    }
    let device = matches!(item.kind, Kind::CharacterDevice | Kind::BlockDevice);
    if let Some(argument) = item.argument.as_ref().filter(|_| device) {
        device_number(argument).ok_or_else(|| LineError::Argument(argument.clone()))?;
    }
    if let Some(argument) = item.argument.as_ref().filter(|_| item.kind == Kind::Copy) {
        parse_path(argument)?;
    }
    Ok(())
}

/// `MAJOR:MINOR`.
pub(super) fn device_number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 1 << 12 && minor < 1 << 20).then_some((major, minor))
}

fn parse_line_mode(text: &str) -> Result<Mode, ValueError> {
    let bits = text.trim_start_matches(['~', ':']);
    let signs = &text[..text.len() - bits.len()];
    Ok(Mode { bits: parse_mode(bits)?, masked: signs.contains('~'), new_only: signs.contains(':') })
}

fn owner(text: &str, host: &Host) -> Result<Owner, ValueError> {
    let (new_only, name) = text.strip_prefix(':').map_or((false, text), |name| (true, name));
    Ok(Owner { name: expand(host, name)?, new_only })
}

/// Resolves the escape sequences of C; an unknown one is wrong.
fn unescape(text: &str) -> Result<String, ValueError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        let wrong = || ValueError::Escape(rest[at + 1..].chars().take(3).collect());
        let after = &rest[at + 1..];
        let number = |digits: &str, base| u32::from_str_radix(digits, base).map_err(|_| wrong());
        let part = |from: usize, to: usize| after.get(from..to).ok_or_else(wrong);
        let mut character = |value: u32| -> Result<(), ValueError> {
            let c = char::from_u32(value).filter(|c| *c != '\0').ok_or_else(wrong)?;
            octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(())
        };
        let used = match after.chars().next().ok_or_else(wrong)? {
            'a' => (character(7)?, 1).1,
            'b' => (character(8)?, 1).1,
            'f' => (character(12)?, 1).1,
            'n' => (character(10)?, 1).1,
            'r' => (character(13)?, 1).1,
            't' => (character(9)?, 1).1,
            'v' => (character(11)?, 1).1,
            's' => (character(32)?, 1).1,
            c @ ('\\' | '"' | '\'') => (character(u32::from(c))?, 1).1,
            'x' => {
                octets.push(u8::try_from(number(part(1, 3)?, 16)?).map_err(|_| wrong())?);
                3
            }
            'u' => (character(number(part(1, 5)?, 16)?)?, 5).1,
            'U' => (character(number(part(1, 9)?, 16)?)?, 9).1,
            '0'..='7' => {
                octets.push(u8::try_from(number(part(0, 3)?, 8)?).map_err(|_| wrong())?);
                3
            }
            _ => return Err(wrong()),
        };
        rest = &after[used..];
    }
    octets.extend_from_slice(rest.as_bytes());
    String::from_utf8(octets).map_err(|_| ValueError::NotText)
}
