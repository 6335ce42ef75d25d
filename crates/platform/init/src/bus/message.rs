//! The few messages of D-Bus that it takes to learn who owns a name (D-Bus specification 0.41, "Message Protocol").

/// The longest message that is read; what the bus itself says is far shorter.
pub const LONGEST_MESSAGE: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const BUS: &str = "org.freedesktop.DBus";

/// Fields of a header, by their codes.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;

/// A message from the bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Method return 2, error 3, signal 4.
    pub kind: u8,
    /// The call that it answers.
    pub reply_to: Option<u32>,
    /// What a signal is called.
    pub member: String,
    /// Who sends it.
    pub sender: String,
    /// The strings and numbers at the beginning of its body.
    pub strings: Vec<String>,
    /// A boolean, if the body is one.
    pub flag: Option<bool>,
}

/// Why octets are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No message of version 1.
    #[error("this is no D-Bus message")]
    Header,
    /// Longer than [`LONGEST_MESSAGE`].
    #[error("the message is too long")]
    TooLong,
    /// A length that leads out of the message.
    #[error("the message is cut off")]
    Short,
    /// A text that is none.
    #[error("a string is no UTF-8")]
    Text,
}

/// A call of the bus itself, with strings for arguments.
pub fn call(serial: u32, member: &str, arguments: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    arguments.iter().for_each(|argument| put_string(&mut body, argument));
    let mut fields = Vec::new();
    let texts = [
        (PATH, 'o', "/org/freedesktop/DBus"),
        (DESTINATION, 's', BUS),
        (INTERFACE, 's', BUS),
        (MEMBER, 's', member),
    ];
    for (code, kind, text) in texts {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind as u8, 0]);
        put_string(&mut fields, text);
    }
    if !arguments.is_empty() {
        pad(&mut fields, 8);
        fields.extend([SIGNATURE, 1, b'g', 0, arguments.len() as u8]);
        fields.extend(std::iter::repeat_n(b's', arguments.len()));
        fields.push(0);
    }
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    message.extend((body.len() as u32).to_le_bytes());
    message.extend(serial.to_le_bytes());
    message.extend((fields.len() as u32).to_le_bytes());
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn pad(octets: &mut Vec<u8>, to: usize) {
    octets.resize(octets.len().next_multiple_of(to), 0);
}

fn put_string(octets: &mut Vec<u8>, text: &str) {
    pad(octets, 4);
    octets.extend((text.len() as u32).to_le_bytes());
    octets.extend(text.as_bytes());
    octets.push(0);
}

/// How long the message at the beginning of these octets is; none if that cannot be known yet.
///
/// # Errors
/// It is none, or too long.
pub fn length(octets: &[u8]) -> Result<Option<usize>, MessageError> {
    let Some(header) = octets.get(..16) else { return Ok(None) };
    if !matches!(header[0], b'l' | b'B') || header[3] != 1 {
        return Err(MessageError::Header);
    }
    let read = Reader { octets, at: 0, big: header[0] == b'B' };
    let (body, fields) = (read.number_at(4) as usize, read.number_at(12) as usize);
    let length = fields
        .checked_add(16)
        .map(|length| length.next_multiple_of(8))
        .and_then(|length| length.checked_add(body));
    match length {
        Some(length) if length <= LONGEST_MESSAGE => Ok(Some(length)),
        _ => Err(MessageError::TooLong),
    }
}

/// Reads a message; `octets` are as many as [`length`] says.
///
/// # Errors
/// What is in it leads out of it.
pub fn parse(octets: &[u8]) -> Result<Message, MessageError> {
    let Some(header) = octets.get(..16) else { return Err(MessageError::Short) };
    let mut reader = Reader { octets, at: 16, big: header[0] == b'B' };
    let end = 16 + reader.number_at(12) as usize;
    if end > octets.len() {
        return Err(MessageError::Short);
    }
    let mut message = Message { kind: header[1], ..Message::default() };
    let mut signature = String::new();
    while reader.at < end {
        reader.align(8);
        let code = reader.octet()?;
        match (code, reader.signature()?.as_str()) {
            (MEMBER, "s") => message.member = reader.string()?,
            (SENDER, "s") => message.sender = reader.string()?,
            (REPLY_SERIAL, "u") => message.reply_to = Some(reader.number()?),
            (SIGNATURE, "g") => signature = reader.signature()?,
            (PATH | INTERFACE | ERROR_NAME | DESTINATION, "s" | "o") => drop(reader.string()?),
            (_, "u") => drop(reader.number()?),
            (_, "s" | "o") => drop(reader.string()?),
            (_, "g") => drop(reader.signature()?),
            // Nothing that the bus says has another field.
            _ => return Err(MessageError::Header),
        }
    }
    reader.at = end;
    reader.align(8);
    for kind in signature.chars() {
        match kind {
            's' => message.strings.push(reader.string()?),
            'b' => message.flag = Some(reader.number()? != 0),
            // What follows is of no concern here.
            _ => break,
        }
    }
    Ok(message)
}

struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
    big: bool,
}

impl Reader<'_> {
    /// The number at a place that is known to be there.
    fn number_at(&self, at: usize) -> u32 {
        let mut number = [0; 4];
        number.copy_from_slice(&self.octets[at..at + 4]);
        if self.big { u32::from_be_bytes(number) } else { u32::from_le_bytes(number) }
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Result<&[u8], MessageError> {
        let end = self.at.checked_add(count).ok_or(MessageError::Short)?;
        let taken = self.octets.get(self.at..end).ok_or(MessageError::Short)?;
        self.at = end;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, MessageError> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u32, MessageError> {
        self.align(4);
        self.take(4)?;
        Ok(self.number_at(self.at - 4))
    }

    fn string(&mut self) -> Result<String, MessageError> {
        let length = self.number()? as usize;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| MessageError::Text)?.to_owned();
        self.take(1)?;
        Ok(text)
    }

    fn signature(&mut self) -> Result<String, MessageError> {
        let length = usize::from(self.octet()?);
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| MessageError::Text)?.to_owned();
        self.take(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_back() {
        let octets = call(7, "NameHasOwner", &["org.example.Dish", "more"]);
        assert_eq!(length(&octets), Ok(Some(octets.len())));
        let message = parse(&octets).expect("a message");
        assert_eq!((message.kind, &*message.member), (METHOD_CALL, "NameHasOwner"));
        assert_eq!(message.strings, ["org.example.Dish", "more"]);
    }

    /// The octets of an answer as dbus-daemon 1.14 has sent them.
    #[test]
    fn an_answer_of_the_bus() {
        let mut octets = vec![b'l', 2, 1, 1, 4, 0, 0, 0, 9, 0, 0, 0, 61, 0, 0, 0];
        octets.extend(b"\x06\x01s\0\x04\0\0\0:1.5\0\0\0\0\x05\x01u\0\x02\0\0\0\x08\x01g\0\x01b\0\0");
        octets.extend(b"\x07\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0");
        octets.extend([1, 0, 0, 0]);
        assert_eq!(length(&octets), Ok(Some(octets.len())));
        let message = parse(&octets).expect("a message");
        assert_eq!((message.reply_to, message.flag, &*message.sender), (Some(2), Some(true), BUS));
    }

    #[test]
    fn damage_is_an_error_and_no_more() {
        let octets = call(7, "NameHasOwner", &["org.example.Dish"]);
        for at in 0..octets.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = octets.clone();
                damaged[at] = value;
                let _ = length(&damaged).map(|_| parse(&damaged));
            }
            let _ = parse(&octets[..at]);
        }
    }
}
