//! The rules of the house that no compiler knows, as tests: floors, owners of heavy dependencies, file
//! headers, forgotten markers, `unsafe`, lengths, and nothing of any one machine.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use perigee_testkit::workspace_root;
use toml::{Table, Value};

/// From the lowest: a room imports only rooms of lower floors.
const FLOORS: [&str; 8] = ["base", "protocol", "kernel", "unit", "platform", "station", "edge", "app"];

/// Lines of the longest file.
const LONGEST_FILE: usize = 900;

/// Where else than in kernel/ `unsafe` may stand: SIMD, beside a safe twin and a test that both agree.
const SIMD_MODULES: [&str; 3] = ["x86.rs", "avx2.rs", "simd.rs"];

/// Folders that are not ours, or are made by building.
const NOT_OURS: [&str; 6] = [".git", "target", "node_modules", "dist", ".cache", "corpus"];

/// Fails with every complaint at once.
fn check(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<_> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn files() -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !NOT_OURS.contains(&entry.file_name().to_str().unwrap_or_default()) {
                walk(&entry.path(), found);
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    let mut found = Vec::new();
    walk(&workspace_root().canonicalize().unwrap(), &mut found);
    found.sort();
    found
}

/// Every Rust file with its name from the root and its text.
fn sources() -> Vec<(String, String)> {
    let root = workspace_root().canonicalize().unwrap();
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, fs::read_to_string(&path).unwrap())
    })
    .collect()
}

struct Room {
    name: String,
    floor: usize,
    manifest: Table,
}

fn rooms() -> BTreeMap<String, Room> {
    let mut rooms = BTreeMap::new();
    for (floor, floor_name) in FLOORS.iter().enumerate() {
        let Ok(entries) = fs::read_dir(workspace_root().join("crates").join(floor_name)) else { continue };
        for entry in entries.map(Result::unwrap) {
            let Ok(text) = fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
            let manifest: Table = toml::from_str(&text).unwrap();
            let package = manifest["package"]["name"].as_str().unwrap().to_owned();
            let name = format!("{floor_name}/{}", entry.file_name().display());
            rooms.insert(package, Room { name, floor, manifest });
        }
    }
    assert!(rooms.len() > 3, "the rooms were not found");
    rooms
}

impl Room {
    fn dependencies(&self, table: &str) -> Vec<&str> {
        let table = self.manifest.get(table).and_then(Value::as_table);
        table.map(|table| table.keys().map(String::as_str).collect()).unwrap_or_default()
    }
}

#[test]
fn arrows_point_down() {
    let rooms = rooms();
    let mut complaints = Vec::new();
    for (package, room) in &rooms {
        for table in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for dependency in room.dependencies(table) {
                let Some(below) = rooms.get(dependency) else { continue };
                // The testkit serves the tests of every room, and shows each the contract.
                let for_tests = dependency == "perigee-testkit" && table == "dev-dependencies";
                if below.floor >= room.floor && !for_tests && package != "perigee-testkit" {
                    complaints.push(format!("{} imports {}, which is not below it", room.name, below.name));
                }
                if dependency == "perigee-testkit" && table != "dev-dependencies" {
                    complaints.push(format!("{} builds the testkit into the program", room.name));
                }
            }
        }
        if room.name.starts_with("protocol/") {
            let shells = ["tokio", "perigee-part", "socket2", "axum"];
            let imported = room.dependencies("dependencies");
            for shell in shells.iter().filter(|shell| imported.contains(shell)) {
                complaints.push(format!("{} is a pure protocol and imports {shell}", room.name));
            }
        }
    }
    check(complaints);
}

/// The workspace manifest names the owner of each heavy dependency behind it.
#[test]
fn a_heavy_dependency_has_one_owner() {
    let manifest = fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap();
    let owners: BTreeMap<_, _> = manifest
        .lines()
        .filter_map(|line| {
            let (entry, owner) = line.split_once(" # ")?;
            let (name, _) = entry.split_once(" = ")?;
            let owner = if owner.trim() == "the command only" { "app/perigee" } else { owner.trim() };
            Some((name.trim(), owner))
                .filter(|(_, owner)| FLOORS.iter().any(|floor| owner.starts_with(floor)))
        })
        .collect();
    assert!(owners.len() > 10, "the owners were not found");
    let mut complaints = Vec::new();
    for room in rooms().values() {
        for dependency in room.dependencies("dependencies") {
            if let Some(owner) = owners.get(dependency).filter(|owner| **owner != room.name) {
                complaints.push(format!("{} imports {dependency}, which belongs to {owner}", room.name));
            }
        }
    }
    check(complaints);
}

#[test]
fn versions_and_lints_are_decided_in_the_workspace() {
    let mut complaints = Vec::new();
    for room in rooms().values() {
        let own_lints = room.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if own_lints != Some(&Value::Boolean(true)) {
            complaints.push(format!("{} does not take the lints of the workspace", room.name));
        }
        for table in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(table) = room.manifest.get(table).and_then(Value::as_table) else { continue };
            for (name, value) in table {
                if value.get("workspace") != Some(&Value::Boolean(true)) {
                    complaints.push(format!("{} chooses its own version of {name}", room.name));
                }
            }
        }
    }
    check(complaints);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    check(silent.map(|(name, _)| format!("{name} does not open with //!")));
}

#[test]
fn no_file_is_too_long() {
    let long = sources().into_iter().map(|(name, text)| (name, text.lines().count()));
    let long = long.filter(|(_, lines)| *lines > LONGEST_FILE);
    check(long.map(|(name, lines)| format!("{name} has {lines} lines, more than {LONGEST_FILE}: split it")));
}

#[test]
fn nothing_was_forgotten() {
    // Written apart, so that this file passes itself.
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
        concat!("to", "do!("),
        concat!("unim", "plemented!("),
        concat!("db", "g!("),
        concat!("#[ig", "nore"),
    ];
    let mut complaints = Vec::new();
    for (name, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            for marker in markers.iter().filter(|marker| contains_word(line, marker)) {
                complaints.push(format!("{name}:{}: {marker}", index + 1));
            }
        }
    }
    check(complaints);
}

/// What a test does longer in a soak is a part of it, with a bound on its time; and so is every fuzz target.
#[test]
fn a_soak_has_every_long_form() {
    let soak = fs::read_to_string(workspace_root().join("scripts/soak")).unwrap();
    // Written apart, so that this file is none of them.
    let word = concat!("PERIGEE_", "SOAK\"");
    let wait = concat!("how_long", "(");
    let long = sources().into_iter().filter(|(_, text)| text.contains(word) || text.contains(wait));
    let missing = long.filter_map(|(name, _)| {
        let place = name.strip_prefix("crates/").unwrap_or(&name).to_owned();
        (!soak.contains(&format!("|{place}|")))
            .then(|| format!("{name} has a long form that scripts/soak does not run"))
    });
    check(missing);
    let listed = fs::read_to_string(workspace_root().join("fuzz/Cargo.toml")).unwrap();
    let targets = fs::read_dir(workspace_root().join("fuzz/fuzz_targets")).unwrap().map(Result::unwrap);
    check(targets.filter_map(|target| {
        let name = target.path().file_stem().unwrap().to_str().unwrap().to_owned();
        (!listed.contains(&format!("name = \"{name}\""))).then(|| format!("{name} is not in fuzz/Cargo.toml"))
    }));
    let damage = sources()
        .into_iter()
        .filter(|(name, text)| name.contains("/tests/it/") && text.contains("    damage(\""));
    check(damage.filter_map(|(name, _)| {
        let room =
            rooms().into_iter().find(|(_, room)| name.starts_with(&format!("crates/{}/", room.name)))?.0;
        (!soak.contains(&room)).then(|| format!("{name} damages corpora, and {room} is not in scripts/soak"))
    }));
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    let mut complaints = Vec::new();
    for (name, text) in sources().into_iter().filter(|(name, _)| name.starts_with("crates/")) {
        let word = concat!("uns", "afe");
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let used = code.into_iter().any(|line| {
            [" {", " fn", " impl", " extern"].iter().any(|next| line.contains(&format!("{word}{next}")))
        });
        let file = name.rsplit('/').next().unwrap_or_default();
        let allowed = name.starts_with("crates/kernel/") || SIMD_MODULES.contains(&file);
        if used && !allowed {
            complaints.push(format!("{name} has {word} code; it belongs to kernel/ or a SIMD module"));
        }
    }
    check(complaints);
}

#[test]
fn nothing_speaks_of_one_machine() {
    let places = ["work", "root", "farm"].map(|place| format!("/{place}/"));
    let endings = ["rs", "toml", "md", "ts", "mjs", "sh", "json", "xml", "html", "yml", "yaml"];
    let root = workspace_root().canonicalize().unwrap();
    let mut complaints = Vec::new();
    for path in files() {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let script = path
            .parent()
            .is_some_and(|parent| ["scripts", ".ci"].iter().any(|folder| parent.ends_with(folder)));
        if !endings.contains(&ending) && !script && !path.ends_with("Makefile") {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (index, line) in text.lines().enumerate() {
            let found = places.iter().find(|place| starts_a_path(line, place));
            if let Some(place) = found {
                let name = path.strip_prefix(&root).unwrap().display();
                complaints.push(format!("{name}:{}: {place}", index + 1));
            }
        }
    }
    check(complaints);
}

/// Whether `marker` stands in `line` as a word of its own.
fn contains_word(line: &str, marker: &str) -> bool {
    line.match_indices(marker).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + marker.len()..].chars().next();
        let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let whole = marker.chars().all(char::is_alphanumeric);
        let goes_on = whole && part_of_word(after);
        !part_of_word(before) && !goes_on
    })
}

/// Whether an absolute path in `line` begins with `place`.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "./_-}*$".contains(c))
    })
}
