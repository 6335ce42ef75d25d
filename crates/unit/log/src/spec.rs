//! What a unit says of its lines: `SyslogIdentifier=` and its kin.

use perigee_journal::{Priority, Rate, Source};
use perigee_units::unit::{Unit, Value};

use crate::StreamSpec;

/// Facilities by name, with their numbers (RFC 5424 §6.2.1).
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl StreamSpec {
    /// Those of standard output and of standard error.
    pub fn both(unit: &Unit) -> [StreamSpec; 2] {
        [Source::Stdout, Source::Stderr].map(|source| StreamSpec::of_unit(unit, source))
    }

    /// As the file of a unit has it; what it does not say is as systemd has it. One who says nothing of a name is called
    /// by the program that it starts.
    pub fn of_unit(unit: &Unit, source: Source) -> StreamSpec {
        let mut spec = StreamSpec::new(unit.name.as_str(), source);
        let Some(section) = unit.name.kind().section() else { return spec };
        let last = |directive| unit.last(section, directive);
        let text = |directive| match last(directive) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        };
        let level = |directive| text(directive).and_then(|text| text.parse::<Priority>().ok());
        spec.identifier =
            text("SyslogIdentifier").or_else(|| program(unit, section)).unwrap_or_default().to_owned();
        spec.facility = text("SyslogFacility").and_then(facility);
        spec.priority = level("SyslogLevel").unwrap_or(spec.priority);
        spec.max_level = level("LogLevelMax").unwrap_or(spec.max_level);
        if let Some(Value::Bool(prefix)) = last("SyslogLevelPrefix") {
            spec.level_prefix = *prefix;
        }
        if let Some(Value::Span(interval)) = last("LogRateLimitIntervalSec") {
            // Counted for ever is as good as not at all after the first burst; a limit needs an end.
            spec.rate.interval = interval.finite().unwrap_or(Rate::default().interval);
        }
        if let Some(Value::Number(burst)) = last("LogRateLimitBurst") {
            spec.rate.burst = u32::try_from(*burst).unwrap_or(u32::MAX);
        }
        let error = text("StandardError").filter(|to| source == Source::Stderr && *to != "inherit");
        let to = error.or_else(|| text("StandardOutput")).unwrap_or_default();
        spec.console = to.ends_with("+console");
        for value in unit.all(section, "LogExtraFields") {
            let Value::Words(words) = value else { continue };
            let pairs = words.iter().filter_map(|word| word.split_once('='));
            spec.fields.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        spec
    }
}

fn facility(text: &str) -> Option<u8> {
    let known = FACILITIES.iter().find(|(name, _)| *name == text).map(|(_, number)| *number);
    known.or_else(|| text.parse().ok().filter(|number| *number < 24))
}

/// The name of the first program that a unit starts.
fn program<'a>(unit: &'a Unit, section: &'a str) -> Option<&'a str> {
    let Some(Value::Commands(commands)) = unit.all(section, "ExecStart").next() else { return None };
    let program = commands.first()?.program.as_str();
    Some(program.rsplit('/').next().unwrap_or(program))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use perigee_units::unit::{Host, Source as File, UnitName};

    use super::*;

    fn spec(text: &str) -> StreamSpec {
        let name = UnitName::parse("beacon@ka.service").expect("a name");
        let file = File { path: "beacon@.service".into(), text: text.as_bytes().to_vec() };
        StreamSpec::of_unit(&Unit::read(name, &[file], &Host::default()), Source::Stdout)
    }

    #[test]
    fn what_a_unit_does_not_say() {
        let expected = StreamSpec {
            identifier: "beacon".to_owned(),
            ..StreamSpec::new("beacon@ka.service", Source::Stdout)
        };
        assert_eq!(spec("[Service]\nExecStart=/usr/bin/beacon --band %i\n"), expected);
    }

    #[test]
    fn the_console_shows_a_stream_that_says_so() {
        let consoles = |text: &str| {
            let name = UnitName::parse("a.service").expect("a name");
            let file = File { path: "a.service".into(), text: format!("[Service]\n{text}\n").into_bytes() };
            StreamSpec::both(&Unit::read(name, &[file], &Host::default())).map(|spec| spec.console)
        };
        assert_eq!(consoles("StandardOutput=journal"), [false, false]);
        assert_eq!(consoles("StandardOutput=journal+console"), [true, true]);
        assert_eq!(consoles("StandardOutput=journal+console\nStandardError=journal"), [true, false]);
        assert_eq!(consoles("StandardError=journal+console"), [false, true]);
    }

    #[test]
    fn what_a_unit_says() {
        let spec = spec(
            "[Service]\nExecStart=/usr/bin/beacon\nSyslogIdentifier=band-%i\nSyslogFacility=local3\nSyslogLevel=notice\n\
             SyslogLevelPrefix=no\nLogLevelMax=4\nLogRateLimitIntervalSec=2min\nLogRateLimitBurst=7\n\
             LogExtraFields=SITE=Kiruna \"NOTE=a b\"\nLogExtraFields=BAND=%i\n",
        );
        assert_eq!(spec.identifier, "band-ka");
        assert!(!spec.console);
        assert_eq!((spec.facility, spec.level_prefix), (Some(19), false));
        assert_eq!((spec.priority, spec.max_level), (Priority::NOTICE, Priority::WARNING));
        assert_eq!(spec.rate, Rate { interval: Duration::from_secs(120), burst: 7 });
        let fields = [("SITE", "Kiruna"), ("NOTE", "a b"), ("BAND", "ka")];
        assert_eq!(spec.fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
