//! Properties that stand in the files of a unit, with the values that count where nothing is said: `Type`, `User`,
//! `ExecStart` and so on, under the names that systemctl has for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use perigee_files::host;
use perigee_init::control::UnitStatus;
use perigee_units::unit::{Command, Source, Unit, UnitKind, UnitName, Value};

/// What holds of services where their files do not say something else.
const SERVICE: [(&str, &str); 22] = [
    ("Type", "simple"),
    ("Restart", "no"),
    ("KillMode", "control-group"),
    ("KillSignal", "15"),
    ("RemainAfterExit", "no"),
    ("NotifyAccess", "none"),
    ("User", ""),
    ("Group", ""),
    ("PIDFile", ""),
    ("BusName", ""),
    ("Environment", ""),
    ("WorkingDirectory", ""),
    ("RootDirectory", ""),
    ("Slice", "system.slice"),
    ("DynamicUser", "no"),
    ("PrivateTmp", "no"),
    ("ProtectSystem", "no"),
    ("ProtectHome", "no"),
    ("NoNewPrivileges", "no"),
    ("RestartUSec", "100ms"),
    ("TimeoutStartUSec", "1min 30s"),
    ("TimeoutStopUSec", "1min 30s"),
];

/// What the files say, and what holds else.
pub(super) fn properties(status: &UnitStatus) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let Some(unit) = read(status) else { return properties };
    let kind = unit.name.kind();
    let mut put = |name: &str, value: String| {
        properties
            .entry(name.to_owned())
            .and_modify(|before: &mut String| {
                before.push(' ');
                before.push_str(&value);
            })
            .or_insert(value);
    };
    let mut last: BTreeMap<&str, String> = BTreeMap::new();
    for setting in unit.settings.iter().filter(|setting| setting.section != "Install") {
        match &setting.value {
            Value::Words(words) => put(setting.directive, words.join(" ")),
            Value::Commands(commands) => {
                commands.iter().for_each(|command| put(setting.directive, shown(command)));
            }
            Value::Environment(variables) => {
                variables.iter().for_each(|(name, value)| put(setting.directive, format!("{name}={value}")));
            }
            Value::Text(text) => drop(last.insert(setting.directive, text.clone())),
            Value::Number(number) => drop(last.insert(setting.directive, number.to_string())),
            Value::Bool(flag) => {
                last.insert(setting.directive, if *flag { "yes" } else { "no" }.to_owned());
            }
            Value::Mode(mode) => drop(last.insert(setting.directive, format!("{mode:04o}"))),
            Value::Signal(signal) => drop(last.insert(setting.directive, signal.number().to_string())),
            Value::Span(span) => drop(last.insert(setting.directive, span.to_string())),
            _ => {}
        }
    }
    for (directive, value) in last {
        // Spans have names of their own.
        match directive.strip_suffix("Sec") {
            Some("Timeout") => {}
            Some(span) => drop(properties.insert(format!("{span}USec"), value)),
            None => drop(properties.insert(directive.to_owned(), value)),
        }
    }
    if kind == UnitKind::Service {
        // A service without a program to stay is one that ends.
        if !properties.contains_key("Type") {
            let class = match (properties.contains_key("BusName"), properties.contains_key("ExecStart")) {
                (true, _) => "dbus",
                (_, true) => "simple",
                _ => "oneshot",
            };
            properties.insert("Type".to_owned(), class.to_owned());
        }
        for (name, value) in SERVICE {
            properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    if matches!(kind, UnitKind::Timer | UnitKind::Path | UnitKind::Socket) {
        properties.insert("Triggers".to_owned(), triggers(&unit));
    }
    properties
}

/// The unit as its files have it now.
fn read(status: &UnitStatus) -> Option<Unit> {
    let name = UnitName::parse(&status.listed.unit).ok()?;
    let source = |path: &PathBuf| Some(Source { path: path.clone(), text: fs::read(path).ok()? });
    let sources: Vec<_> = status.files.iter().filter_map(source).collect();
    Some(Unit::read(name, &sources, &host()))
}

/// What a socket listens at.
pub(super) fn addresses(status: &UnitStatus) -> Vec<String> {
    let unit = read(status);
    let settings = unit.iter().flat_map(|unit| &unit.settings);
    let listens =
        settings.filter(|setting| setting.section == "Socket" && setting.directive.starts_with("Listen"));
    let texts = listens.flat_map(|setting| match &setting.value {
        Value::Text(text) => vec![text.clone()],
        Value::Words(words) => words.clone(),
        _ => Vec::new(),
    });
    texts.collect()
}

/// The unit that a timer, a path or a socket starts.
fn triggers(unit: &Unit) -> String {
    let directive = if unit.name.kind() == UnitKind::Socket { "Service" } else { "Unit" };
    let named =
        ["Timer", "Path", "Socket"].iter().find_map(|section| match unit.last(section, directive)? {
            Value::Units(units) => units.first().map(ToString::to_string),
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
    let stem = unit.name.as_str().rsplit_once('.').map_or("", |(stem, _)| stem);
    named.unwrap_or_else(|| format!("{stem}.service"))
}

fn shown(command: &Command) -> String {
    let ignored = if command.ignore_failure { "yes" } else { "no" };
    let words = command.arguments.join(" ");
    format!("{{ path={} ; argv[]={words} ; ignore_errors={ignored} }}", command.program)
}
