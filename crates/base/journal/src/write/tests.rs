//! The writer: rotated, bounded, recovered; and what it does where it cannot write.

use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::read::{Query, Reader};
use crate::time::Time;

fn now(second: u64) -> Now {
    Now { wall: Time(1_800_000_000_000_000 + second as i64 * 1_000_000), monotonic: second * 1_000_000 }
}

fn say(journal: &mut Journal, text: &str, at: Now) -> u64 {
    let mut record = Record::new("a.service", Source::Stdout, Priority::INFO, text.as_bytes());
    (record.time, record.monotonic) = (at.wall, at.monotonic);
    let number = journal.write(record);
    journal.flush(at);
    number
}

fn all(folders: &[&Path]) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    let reader = Reader::new(folders.iter().copied());
    reader
        .forward(&Query::default(), |record| {
            found.push((record.sequence, record.text().into_owned()));
            ControlFlow::Continue(())
        })
        .expect("readable");
    found
}

fn octets(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").metadata().expect("metadata").len()).sum()
}

#[test]
fn files_are_closed_compressed_and_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let settings = Settings { file_bytes: 8 << 10, total_bytes: 64 << 10, ..Settings::new(path) };
    let mut journal = Journal::open(Settings { compress: false, ..settings.clone() }, now(0));
    for second in 0..2000 {
        say(&mut journal, &format!("line {second}"), now(second));
        assert!(octets(path) <= 64 << 10);
    }
    journal.close(now(2000));
    let found = all(&[path]);
    assert!(found.len() > 200 && found.len() < 600, "{}", found.len());
    assert_eq!(found.last(), Some(&(2000, "line 1999".to_owned())));
    assert!(found.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
    // The next one compresses what is closed, and goes on.
    let plain = octets(path);
    let mut journal = Journal::open(settings, now(2001));
    assert_eq!(say(&mut journal, "next", now(2001)), 2001);
    journal.close(now(2001));
    assert!(octets(path) < plain / 2, "{} of {plain}", octets(path));
    assert_eq!(all(&[path]).len(), found.len() + 1);
}

#[test]
fn a_file_that_is_old_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(Settings::new(folder.path()), now(0));
    say(&mut journal, "one", now(0));
    say(&mut journal, "two", now(86_399));
    assert_eq!(crate::names::closed(folder.path()).expect("a folder").len(), 0);
    say(&mut journal, "three", now(86_401));
    assert_eq!(crate::names::closed(folder.path()).expect("a folder").len(), 1);
    journal.rotate(now(86_402));
    journal.close(now(86_402));
    let closed = crate::names::closed(folder.path()).expect("a folder");
    assert_eq!(closed.iter().map(|file| file.span.last).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn what_a_crash_tore_is_cut_and_numbers_go_on() {
    for torn in ["{\"seq\":4,\"ti", "\0\0\0\0\0\0", "{\"seq\":4}\n", "\0\0\n\0\0\0"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut journal = Journal::open(Settings::new(folder.path()), now(0));
        for text in ["one", "two", "three"] {
            say(&mut journal, text, now(1));
        }
        journal.close(now(1));
        let current = folder.path().join("current.jsonl");
        let whole = std::fs::read(&current).expect("readable");
        std::fs::write(&current, [&whole, torn.as_bytes()].concat()).expect("writable");
        let mut journal = Journal::open(Settings::new(folder.path()), now(2));
        assert_eq!(std::fs::read(&current).expect("readable"), whole, "{torn:?}");
        assert_eq!(say(&mut journal, "four", now(2)), 4);
        assert_eq!(all(&[folder.path()]).len(), 4);
    }
}

#[test]
fn a_second_writer_is_turned_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = Journal::open(Settings::new(folder.path()), now(0));
    say(&mut first, "one", now(0));
    let mut second = Journal::open(Settings::new(folder.path()), now(0));
    assert_eq!((first.place(), second.place()), (Place::Folder, Place::Memory));
    say(&mut second, "two", now(0));
    assert_eq!(all(&[folder.path()]).len(), 1);
    first.close(now(1));
    // The lock is free.
    say(&mut second, "three", now(10));
    assert_eq!(second.place(), Place::Folder);
    let found = all(&[folder.path()]);
    let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!((texts[0], texts[2], texts[3]), ("one", "two", "three"));
    assert!(texts[1].contains("another process writes there"), "{texts:?}");
    assert!(texts[4].contains("can be written again; nothing was lost"), "{texts:?}");
    assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

/// A folder that cannot be made, since a file is in its way.
#[test]
fn records_go_elsewhere_and_come_back() {
    let root = tempfile::tempdir().expect("a folder");
    let (wall, run) = (root.path().join("wall"), root.path().join("run"));
    std::fs::write(&wall, "in the way").expect("writable");
    let folder = wall.join("log");
    let settings = Settings { fallback: Some(run.clone()), ..Settings::new(&folder) };
    let mut journal = Journal::open(settings.clone(), now(0));
    assert_eq!(journal.place(), Place::Fallback);
    say(&mut journal, "one", now(1));
    assert_eq!(all(&[&folder, &run]).len(), 2);
    assert!(all(&[&run])[0].1.contains("cannot be written"));
    // Killed there: the next one finds it.
    drop(journal);
    let mut journal = Journal::open(settings, now(2));
    say(&mut journal, "two", now(3));
    std::fs::remove_file(&wall).expect("removable");
    say(&mut journal, "three", now(4));
    assert_eq!(journal.place(), Place::Fallback, "it is not tried again so soon");
    say(&mut journal, "four", now(8));
    assert_eq!(journal.place(), Place::Folder);
    let found = all(&[&folder, &run]);
    assert_eq!(found, all(&[&folder]), "all of it is in the folder");
    let texts: Vec<_> =
        found.iter().map(|(_, text)| text.as_str()).filter(|text| !text.contains(' ')).collect();
    assert_eq!(texts, ["one", "two", "three", "four"]);
    assert!(found.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{found:?}");
}

#[test]
fn memory_is_bounded_and_what_is_dropped_is_told() {
    let root = tempfile::tempdir().expect("a folder");
    let wall = root.path().join("wall");
    std::fs::write(&wall, "in the way").expect("writable");
    let settings = Settings { memory_bytes: 10_000, ..Settings::new(wall.join("log")) };
    let mut journal = Journal::open(settings, now(0));
    for _ in 0..1000 {
        say(&mut journal, "nobody takes this", now(1));
    }
    let dropped = journal.dropped();
    assert!((900..1000).contains(&dropped), "{dropped}");
    std::fs::remove_file(&wall).expect("removable");
    assert_eq!(journal.tick(now(3)), Some(5_000_000));
    journal.tick(now(5));
    let found = all(&[&wall.join("log")]);
    assert_eq!(found.len() as u64, 1001 - dropped + 1);
    let told = found.last().expect("records");
    assert!(told.1.ends_with(&format!("{dropped} records were lost")), "{told:?}");
    // The gap shows in the numbers.
    assert_eq!((found[0].0, told.0), (dropped + 1, 1002));
}

#[test]
fn a_folder_that_comes_late_keeps_its_numbers() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, run, away) = (root.path().join("log"), root.path().join("run"), root.path().join("away"));
    let settings = Settings { fallback: Some(run.clone()), ..Settings::new(&folder) };
    let mut journal = Journal::open(settings.clone(), now(0));
    for text in ["one", "two", "three"] {
        say(&mut journal, text, now(0));
    }
    journal.close(now(0));
    // Not mounted yet.
    std::fs::rename(&folder, &away).expect("renamed");
    std::fs::write(&folder, "in the way").expect("writable");
    let mut journal = Journal::open(settings, now(1));
    say(&mut journal, "early", now(1));
    assert_eq!(journal.sequence(), 2);
    std::fs::remove_file(&folder).expect("removable");
    std::fs::rename(&away, &folder).expect("renamed");
    say(&mut journal, "mounted", now(7));
    let found = all(&[&folder, &run]);
    assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found[4].1, "early");
}

#[test]
fn a_file_that_is_removed_is_made_again() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("log");
    let mut journal = Journal::open(Settings::new(&folder), now(0));
    say(&mut journal, "one", now(0));
    std::fs::remove_dir_all(&folder).expect("removable");
    journal.tick(now(1));
    say(&mut journal, "two", now(1));
    let found = all(&[&folder]);
    assert_eq!(found.last(), Some(&(3, "two".to_owned())));
    assert!(found[0].1.contains("removed"), "{found:?}");
}

#[test]
fn critical_records_are_synced_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::open(Settings::new(folder.path()), now(0));
    journal.flush(now(0));
    say(&mut journal, "usual", now(1));
    assert_eq!(journal.tick(now(1)), Some(6_000_000));
    let text = b"fire";
    let mut record = Record::new("a.service", Source::Stdout, Priority::CRITICAL, text);
    (record.time, record.monotonic) = (now(2).wall, now(2).monotonic);
    journal.write(record);
    journal.flush(now(2));
    assert_eq!(journal.tick(now(2)), None, "nothing waits to be synced");
}

/// A file system of 256 KiB that is filled by somebody else.
#[test]
fn a_full_disk() {
    let root = tempfile::tempdir().expect("a folder");
    let (disk, run) = (root.path().join("disk"), root.path().join("run"));
    std::fs::create_dir(&disk).expect("writable");
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new("mount");
        command.args(arguments).arg(&disk).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        eprintln!("SKIPPED: a full disk: no file system can be mounted here");
        return;
    }
    let folder = disk.join("log");
    let settings = Settings { fallback: Some(run.clone()), ..Settings::new(&folder) };
    let mut journal = Journal::open(settings, now(0));
    for second in 0..100 {
        say(&mut journal, "before", now(second));
    }
    let filler = disk.join("filler");
    let _ = std::fs::write(&filler, vec![0; 1 << 20]);
    for second in 100..300 {
        say(&mut journal, "while it is full", now(second));
    }
    assert_eq!(journal.place(), Place::Fallback);
    std::fs::remove_file(&filler).expect("removable");
    say(&mut journal, "after", now(400));
    let place = journal.place();
    journal.close(now(401));
    let found = all(&[&folder, &run]);
    assert!(std::process::Command::new("umount").arg(&disk).status().is_ok_and(|status| status.success()));
    assert_eq!(place, Place::Folder);
    let count = |text: &str| found.iter().filter(|(_, found)| found == text).count();
    assert_eq!((count("before"), count("while it is full"), count("after")), (100, 200, 1));
    assert!(found.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "in order and once");
}
