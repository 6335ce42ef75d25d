//! Sources, precedence, mistakes and the shown result.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Settings;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Archive {
    path: PathBuf,
    keep_days: u32,
    api_token: String,
    limits: Limits,
    levels: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    count: u8,
}

impl Default for Archive {
    fn default() -> Self {
        let (limits, levels) = (Limits { count: 2 }, BTreeMap::new());
        Self { path: "archive.db".into(), keep_days: 30, api_token: String::new(), limits, levels }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    name: String,
    #[serde(default)]
    port: u16,
}

fn settings(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Settings {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("perigee.toml");
    std::fs::write(&path, text).unwrap();
    let mut settings = Settings::new();
    settings.file(&path);
    settings.environment(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    for (key, value) in flags {
        settings.flag(key, value, &format!("--set {key}"));
    }
    settings
}

/// Every problem of a text, file names cut to the last part.
fn problems(text: &str, environment: &[(&str, &str)]) -> String {
    let mut settings = settings(text, environment, &[]);
    settings.table::<Archive>("archive");
    settings.list::<Link>("link");
    let message = settings.check().map_or_else(|problems| problems.to_string(), |()| "none".to_owned());
    let lines = message.lines().map(|line| line.find("perigee.toml").map_or(line, |at| &line[at..]));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn flags_beat_the_environment_and_that_beats_the_file() {
    let file = "[archive]\npath = 'a'\nkeep_days = 1\nlimits.count = 7\n[[link]]\nname = 'x'\n";
    let environment = [
        ("PERIGEE_ARCHIVE__PATH", "b"),
        ("PERIGEE_ARCHIVE__KEEP_DAYS", "2"),
        ("PERIGEE_LINK__0__PORT", "99"),
        ("PERIGEE_LINK__1__NAME", "second"),
        ("PERIGEE_SHARED_DATA", "is not ours"),
    ];
    let mut settings = settings(file, &environment, &[("archive.keep_days", "3")]);
    let archive: Archive = settings.table("archive");
    assert_eq!((archive.path, archive.keep_days, archive.limits.count), ("b".into(), 3, 7));
    let links: Vec<Link> = settings.list("link");
    let expected = [("x", 99), ("second", 0)].map(|(name, port)| Link { name: name.into(), port });
    assert_eq!(links, expected);
    settings.check().unwrap();
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let file = "[archive]\npath = 'a'\nkep_days = 1\n\n[[link]]\nname = 'a'\nport = 70000\n\n[archives]\n";
    assert_eq!(
        problems(file, &[]),
        "perigee.toml:3: `archive.kep_days`: there is no such key (did you mean `keep_days`?)\n\
         perigee.toml:7: `link.0.port`: invalid value: integer `70000`, expected u16\n\
         perigee.toml:9: there is no table [archives] (did you mean `archive`?)"
    );
    assert_eq!(
        problems("[archive.limits]\nxyzzy = 1", &[]),
        "perigee.toml:2: `archive.limits.xyzzy`: there is no such key (there are: count)"
    );
    assert_eq!(
        problems("[archive]\nlimits = { count = 'many' }", &[]),
        "perigee.toml:2: `archive.limits.count`: invalid type: string \"many\", expected u8"
    );
    assert_eq!(problems("[[link]]\nport = 1", &[]), "perigee.toml:1: `link.0`: missing field `name`");
    assert_eq!(
        problems("[link]\nname = 'a'", &[]),
        "perigee.toml:1: `link` is a list of tables (write [[link]] with two brackets)"
    );
    assert!(problems("[archive]\npath = = 1", &[]).starts_with("perigee.toml:2: "));
    assert_eq!(
        problems("", &[("PERIGEE_ARCHIVE__KEEP_DAYS", "soon")]),
        "environment PERIGEE_ARCHIVE__KEEP_DAYS: `archive.keep_days`: \
         invalid type: string \"soon\", expected u32"
    );
    assert!(problems("", &[("PERIGEE_LINK__3__NAME", "x")]).contains("the list has 0 entries"));
    assert!(problems("[archive]\npath = 'a'", &[("PERIGEE_ARCHIVE__PATH__X", "x")]).contains("not a table"));
}

#[test]
fn a_list_may_be_long() {
    let names: Vec<_> =
        (0..12).map(|place| (format!("PERIGEE_LINK__{place}__NAME"), format!("link {place}"))).collect();
    let mut settings = Settings::new();
    settings.environment(names);
    let links: Vec<Link> = settings.list("link");
    settings.check().unwrap();
    assert_eq!(links.last().map(|link| link.name.as_str()), Some("link 11"));
}

#[test]
fn a_wrong_secret_is_not_quoted() {
    assert_eq!(
        problems("[archive]\napi_token = 12345", &[]),
        "perigee.toml:2: `archive.api_token`: the value is of the wrong kind"
    );
}

#[test]
fn a_missing_file_is_a_problem() {
    let mut settings = Settings::new();
    settings.file("/nonexistent/perigee.toml".as_ref());
    assert!(settings.check().unwrap_err().to_string().contains("/nonexistent/perigee.toml"));
}

#[test]
fn the_result_is_shown_with_origins_and_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("p.toml"), "[archive]\nkeep_days = 9\n[[link]]\nname = 'sim'")
        .unwrap();
    let mut settings = Settings::new();
    settings.file(&directory.path().join("p.toml"));
    settings.environment([("PERIGEE_ARCHIVE__API_TOKEN".into(), "hunter2".into())]);
    settings.flag("archive.limits", "{ count = 4 }", "--set archive.limits={ count = 4 }");
    settings.flag("archive.levels.a b", "debug", "--set");
    settings.table::<Archive>("archive");
    settings.list::<Link>("link");
    let expected = "\
[archive]
api_token = \"[secret]\"  # environment PERIGEE_ARCHIVE__API_TOKEN
keep_days = 9           # p.toml:2
levels.\"a b\" = \"debug\"  # flag --set
limits.count = 4        # flag --set archive.limits={ count = 4 }
path = \"archive.db\"     # default

[[link]]
name = \"sim\"            # p.toml:4
port = 0                # default
";
    let shown = settings.show().replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(shown, expected);
}
