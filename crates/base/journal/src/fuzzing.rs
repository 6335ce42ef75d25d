//! What the fuzz targets run, and the tests that replay their corpora. Not part of the interface.

use crate::record::{Priority, Record, Source};
use crate::splitter::{MOST_LINE, Splitter};
use crate::{native, syslog};

/// A datagram to /dev/log: its text is a piece of it, and what it says becomes a record that reads back.
pub fn syslog(data: &[u8]) {
    let message = syslog::parse(data);
    assert!(message.message.len() <= data.len() && message.facility < 24);
    let inside =
        message.message.is_empty() || data.windows(message.message.len()).any(|w| w == message.message);
    assert!(data.len() > 4096 || inside);
    let mut record = Record::new("a.service", Source::Syslog, Priority::INFO, b"");
    message.clone().fill(&mut record);
    let mut line = Vec::new();
    record.encode(&mut line);
    let read = Record::decode(&line).expect("a record reads back");
    assert_eq!(read.message, message.message);
    assert_eq!(read.identifier, message.identifier);
}

/// A line of a log file; the first octet says how the rest is cut into pieces for the splitter. What is a record is the
/// same record when it is written and read again.
pub fn line(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let mut splitter = Splitter::default();
    let mut count = 0;
    let mut each = |line: crate::Line<'_>| {
        assert!(line.octets.len() <= MOST_LINE);
        count += line.octets.len() + usize::from(!line.cut);
        let Ok(record) = Record::decode(line.octets) else { return };
        let mut again = Vec::new();
        record.encode(&mut again);
        let mut twice = Vec::new();
        Record::decode(&again).expect("a record reads back").encode(&mut twice);
        assert_eq!(again, twice);
    };
    for piece in rest.chunks(usize::from(*first) + 1) {
        splitter.feed(piece, &mut each);
    }
    splitter.finish(&mut each);
    let open = rest.last().is_some_and(|last| *last != b'\n');
    assert_eq!(count, rest.len() + usize::from(open));
}

/// A datagram in journald's protocol: every record that is in it is written and read back as it was said.
pub fn native(data: &[u8]) {
    let mut records = 0;
    native::parse(data, |message| {
        records += 1;
        let mut record = Record::new("", Source::Journal, Priority::INFO, b"");
        message.clone().fill(&mut record);
        let mut line = Vec::new();
        record.encode(&mut line);
        let read = Record::decode(&line).expect("a record reads back");
        assert_eq!(read.message, message.message);
        assert_eq!(read.priority, message.priority);
    });
    assert!(records <= data.len());
}
