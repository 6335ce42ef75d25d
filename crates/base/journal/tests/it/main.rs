//! The corpora of the fuzz targets, replayed as they are and with seeded damage.

use perigee_journal::fuzzing;
use perigee_testkit::corpus::{damage, replay};

#[test]
fn corpora() {
    replay("journal_line", fuzzing::line);
    replay("journal_native", fuzzing::native);
    replay("journal_syslog", fuzzing::syslog);
}

#[test]
fn damaged_lines() {
    damage("journal_line", fuzzing::line);
}

#[test]
fn damaged_native_datagrams() {
    damage("journal_native", fuzzing::native);
}

#[test]
fn damaged_syslog_datagrams() {
    damage("journal_syslog", fuzzing::syslog);
}
