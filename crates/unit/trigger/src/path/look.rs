//! Looks at paths: whether they are there, match a pattern, or have something in them.

use std::fs;
use std::path::Path;

use perigee_units::value::{GlobKind, glob_matches};

/// Entries that are looked at for one pattern are no more than this.
const MOST_ENTRIES: usize = 100_000;

/// Endings of files that editors and package managers leave behind; they fill no folder, as for systemd.
const LEFT_BEHIND: [&str; 12] = [
    "~",
    ".bak",
    ".old",
    ".swp",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-tmp",
    ".dpkg-dist",
    ".dpkg-bak",
    ".rpmnew",
    ".rpmsave",
    ".rpmorig",
];

/// Whether it is there; a link that leads nowhere is not.
pub(super) fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// Whether it is a folder with something in it, but for what is hidden or left behind.
pub(super) fn is_filled(path: &str) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let left = LEFT_BEHIND.iter().any(|ending| name.ends_with(ending));
        !name.starts_with('.') && name != "lost+found" && !left
    })
}

/// Whether anything matches a pattern.
pub(super) fn any(pattern: &str) -> bool {
    search(pattern, &mut Vec::new())
}

/// The folders whose entries decide whether anything matches a pattern, up to the first match.
pub(super) fn folders(pattern: &str) -> Vec<String> {
    let mut folders = Vec::new();
    search(pattern, &mut folders);
    folders
}

fn is_pattern(step: &str) -> bool {
    step.contains(['*', '?', '[', '\\'])
}

fn search(pattern: &str, folders: &mut Vec<String>) -> bool {
    let steps: Vec<_> = pattern.split('/').filter(|step| !step.is_empty()).collect();
    let mut left = MOST_ENTRIES;
    below(String::new(), &steps, folders, &mut left)
}

/// Whether anything below `folder` matches the steps.
fn below(folder: String, steps: &[&str], folders: &mut Vec<String>, left: &mut usize) -> bool {
    let Some((step, rest)) = steps.split_first() else { return exists(&folder) };
    if !is_pattern(step) {
        let next = format!("{folder}/{step}");
        return if rest.is_empty() { exists(&next) } else { below(next, rest, folders, left) };
    }
    let shown = if folder.is_empty() { "/".to_owned() } else { folder.clone() };
    folders.push(shown.clone());
    let Ok(entries) = fs::read_dir(shown) else { return false };
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|_| *left > 0) else { continue };
        if glob_matches(step, name, GlobKind::Path) && below(format!("{folder}/{name}"), rest, folders, left)
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("{}/{name}", root.path().display());
        fs::create_dir_all(at("a/one")).unwrap();
        fs::create_dir_all(at("b")).unwrap();
        fs::write(at("b/x.txt"), "").unwrap();
        fs::write(at("b/.hidden"), "").unwrap();
        for (pattern, found) in [
            ("*/x.txt", true),
            ("b/*.txt", true),
            ("?/o*e", true),
            ("b/x.txt", true),
            ("[ab]/x.*", true),
            ("b/*den", false),
            ("*.txt", false),
            ("a/*/x", false),
            ("none/*", false),
        ] {
            assert_eq!(any(&at(pattern)), found, "{pattern}");
        }
        let mut found = folders(&at("*/*/x"));
        found.sort();
        assert_eq!(found, [root.path().display().to_string(), at("a"), at("b")]);
    }

    #[test]
    fn what_fills_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().display().to_string();
        assert!(!is_filled(&path) && !is_filled(&format!("{path}/none")));
        for name in [".x", "a~", "b.dpkg-old", "lost+found"] {
            fs::write(root.path().join(name), "").unwrap();
            assert!(!is_filled(&path), "{name}");
        }
        fs::write(root.path().join("file"), "").unwrap();
        assert!(is_filled(&path) && !is_filled(&format!("{path}/file")));
    }
}
