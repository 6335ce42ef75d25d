//! `perigee ctl edit`, `revert`, `add-wants`, `add-requires` and `help`: what administrators make of the units of packages,
//! and what these say of themselves.

use std::io::{Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Args;
use perigee_files::install::{Draft, Outcome};
use perigee_init::control::Request;
use perigee_units::unit::{Source, Unit, Value};

use super::install::{Named, Root, tell};

/// The lines between which a drop-in is written; what is below is there to be looked at.
const ABOVE: &str = "### Anything between here and the line below becomes the drop-in";
const BELOW: &str = "### What stands below is thrown away";

/// Octets of an edited file.
const LARGEST: u64 = 1 << 20;

#[derive(Args)]
pub(crate) struct Edit {
    /// Edit the unit file in whole, not a drop-in
    #[arg(long)]
    pub(crate) full: bool,
    /// The name of the drop-in
    #[arg(long, value_name = "NAME", default_value = "override.conf", conflicts_with = "full")]
    pub(crate) drop_in: String,
    /// Until the next boot only
    #[arg(long)]
    pub(crate) runtime: bool,
    /// Make units that are not there
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Take the text from standard input instead of an editor
    #[arg(long)]
    pub(crate) stdin: bool,
    #[command(flatten)]
    pub(crate) named: Named,
}

#[derive(Args)]
pub(crate) struct Revert {
    /// Say nothing
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) named: Named,
}

#[derive(Args)]
pub(crate) struct Dependency {
    /// Who wants or requires; a name without an ending is a target
    #[arg(value_name = "TARGET")]
    pub(crate) by: String,
    /// Until the next boot only
    #[arg(long)]
    pub(crate) runtime: bool,
    /// Replace links that lead elsewhere
    #[arg(long, short)]
    pub(crate) force: bool,
    /// Say nothing
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) named: Named,
}

pub(crate) fn edit(arguments: &Edit) -> anyhow::Result<ExitCode> {
    let mut installation = arguments.named.root.installation();
    (installation.runtime, installation.force) = (arguments.runtime, arguments.force);
    let dropin = dropin_name(&arguments.drop_in)?;
    let mut drafts = Vec::new();
    for unit in &arguments.named.units {
        drafts.push(installation.draft(&super::unit_name(unit)?, (!arguments.full).then_some(&dropin))?);
    }
    ensure!(!arguments.stdin || drafts.len() == 1, "standard input is the text of one unit alone");
    let (mut kept, mut code) = (false, ExitCode::SUCCESS);
    for draft in &drafts {
        let written = match arguments.stdin {
            true => from_input()?,
            false => in_editor(draft)?,
        };
        match take(draft, &written)? {
            Taken::Kept => kept = true,
            Taken::Same => {
                eprintln!("{}: nothing was changed, and nothing is written", draft.path.display());
            }
            Taken::Wrong(complaints) => {
                complaints.iter().for_each(|complaint| eprintln!("{complaint}"));
                let beside = save(draft, &written)?;
                eprintln!("{}: not kept; what was written is in {}", draft.path.display(), beside.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    if kept {
        reload(&arguments.named.root)?;
    }
    Ok(code)
}

/// A drop-in has an ending, and lies in its folder.
fn dropin_name(name: &str) -> anyhow::Result<String> {
    let name = if name.ends_with(".conf") { name.to_owned() } else { format!("{name}.conf") };
    ensure!(!name.contains('/') && !name.starts_with('.'), "{name} is no name of a drop-in");
    Ok(name)
}

fn reload(root: &Root) -> anyhow::Result<()> {
    if let Some(mut client) = root.client() {
        client.all(&Request::DaemonReload)?;
    }
    Ok(())
}

/// What became of a text.
enum Taken {
    Kept,
    Same,
    /// For these reasons it was not kept.
    Wrong(Vec<String>),
}

fn take(draft: &Draft, text: &str) -> anyhow::Result<Taken> {
    let old = draft.text.trim();
    if text.trim().is_empty() || (text.trim() == old && draft.path.exists()) {
        return Ok(Taken::Same);
    }
    let complaints = draft.check(text);
    if !complaints.is_empty() {
        return Ok(Taken::Wrong(complaints));
    }
    draft.keep(text).with_context(|| format!("cannot write {}", draft.path.display()))?;
    Ok(Taken::Kept)
}

fn from_input() -> anyhow::Result<String> {
    let mut text = String::new();
    stdin().lock().take(LARGEST + 1).read_to_string(&mut text).context("cannot read standard input")?;
    ensure!(text.len() as u64 <= LARGEST, "a unit file has no more than {LARGEST} octets");
    Ok(text)
}

/// A folder of one's own: nobody else can read what is written there, or put a link in its place.
struct Desk(PathBuf);

impl Desk {
    fn new() -> anyhow::Result<Desk> {
        let template = std::env::temp_dir().join("perigee-edit-XXXXXX");
        Ok(Desk(nix::unistd::mkdtemp(&template).context("cannot make a folder for what is written")?))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lets a person write.
fn in_editor(draft: &Draft) -> anyhow::Result<String> {
    let desk = Desk::new()?;
    let path = desk.0.join(draft.path.file_name().unwrap_or_default());
    std::fs::write(&path, template(draft))?;
    run_editor(&path)?;
    let text = perigee_process::file::read(&path, LARGEST + 1).context("what was written cannot be read")?;
    ensure!(text.len() as u64 <= LARGEST, "a unit file has no more than {LARGEST} octets");
    let text = String::from_utf8(text).context("what was written is no text")?;
    Ok(if draft.full { text } else { between(&text) })
}

/// What a person finds in the editor.
fn template(draft: &Draft) -> String {
    if draft.full {
        return draft.text.clone();
    }
    let mut text =
        format!("### Editing {}\n{ABOVE}\n\n{}\n\n{BELOW}\n", draft.path.display(), draft.text.trim());
    for source in &draft.others {
        text.push_str(&format!("\n### {}\n", source.path.display()));
        for line in String::from_utf8_lossy(&source.text).lines() {
            text.push_str(if line.is_empty() { "#" } else { "# " });
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// What was written between the two lines, without the blank ones around it; who has removed them means all of it.
fn between(text: &str) -> String {
    let begin = text.find(ABOVE).map_or(0, |at| text[at..].find('\n').map_or(text.len(), |end| at + end));
    let end = text[begin..].find(BELOW).map_or(text.len(), |at| begin + at);
    let own = text[begin..end].trim();
    if own.is_empty() { String::new() } else { format!("{own}\n") }
}

fn run_editor(path: &Path) -> anyhow::Result<()> {
    let named = ["SYSTEMD_EDITOR", "EDITOR", "VISUAL"];
    let named =
        named.iter().filter_map(|name| std::env::var(name).ok()).find(|words| !words.trim().is_empty());
    let editors = match named {
        Some(words) => vec![words],
        None => ["editor", "nano", "vim", "vi"].map(str::to_owned).to_vec(),
    };
    for editor in editors {
        let mut words = editor.split_whitespace();
        let Some(program) = words.next() else { continue };
        match Command::new(program).args(words).arg(path).status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => bail!("{program} has ended with {status}: nothing is written"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot run {program}")),
        }
    }
    bail!("no editor was found: say one by $EDITOR")
}

/// Keeps for its writer what was not taken.
fn save(draft: &Draft, text: &str) -> anyhow::Result<PathBuf> {
    let desk = Desk::new()?;
    let path = desk.0.join(draft.path.file_name().unwrap_or_default());
    std::fs::write(&path, text)?;
    std::mem::forget(desk);
    Ok(path)
}

pub(crate) fn revert(arguments: &Revert) -> anyhow::Result<ExitCode> {
    let names: Vec<_> = arguments.named.units.iter().map(|name| super::full_name(name)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    done(&arguments.named.root.installation().revert(&names), arguments.quiet, &arguments.named.root)
}

pub(crate) fn add_dependency(arguments: &Dependency, required: bool) -> anyhow::Result<ExitCode> {
    let mut installation = arguments.named.root.installation();
    (installation.runtime, installation.force) = (arguments.runtime, arguments.force);
    let by = match arguments.by.contains('.') {
        true => arguments.by.clone(),
        false => format!("{}.target", arguments.by),
    };
    let names: Vec<_> = arguments.named.units.iter().map(|name| super::full_name(name)).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    done(&installation.add_dependency(&by, &names, required), arguments.quiet, &arguments.named.root)
}

fn done(outcome: &Outcome, quiet: bool, root: &Root) -> anyhow::Result<ExitCode> {
    let code = tell(outcome, quiet);
    if !outcome.changes.is_empty() {
        reload(root)?;
    }
    Ok(code)
}

pub(crate) fn help(arguments: &Named) -> anyhow::Result<ExitCode> {
    let installation = arguments.root.installation();
    let mut code = ExitCode::SUCCESS;
    for unit in &arguments.units {
        let name = super::unit_name(unit)?;
        let files = installation.files_of(&name)?;
        let read = |path: PathBuf| -> anyhow::Result<Source> {
            let text = perigee_process::file::read(&path, LARGEST);
            Ok(Source { text: text.with_context(|| path.display().to_string())?, path })
        };
        let sources = files.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let unit = Unit::read(name.clone(), &sources, &perigee_files::host());
        let words = unit.all("Unit", "Documentation").filter_map(|value| match value {
            Value::Words(words) => Some(words.clone()),
            Value::Text(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            _ => None,
        });
        let pages: Vec<String> = words.flatten().collect();
        if pages.is_empty() {
            eprintln!("{name} names no documentation.");
            code = ExitCode::FAILURE;
        }
        for page in pages {
            let Some((title, section)) = manual(&page) else {
                writeln!(stdout(), "{page}")?;
                continue;
            };
            let mut man = Command::new("man");
            man.args(section).arg(title);
            match man.status() {
                Ok(status) if status.success() => {}
                Ok(_) => code = ExitCode::FAILURE,
                // Without man(1) it is as good as any other place.
                Err(_) => writeln!(stdout(), "{page}")?,
            }
        }
    }
    Ok(code)
}

/// Title and section of `man:title(section)`.
fn manual(page: &str) -> Option<(&str, Option<&str>)> {
    let title = page.strip_prefix("man:")?;
    let (title, section) = match title.split_once('(') {
        Some((title, section)) => (title, Some(section.strip_suffix(')')?)),
        None => (title, None),
    };
    // Nothing that man(1) would take for an option or a file.
    let plain = |word: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.:+@[]".contains(c);
        !word.is_empty() && !word.starts_with('-') && word.chars().all(known)
    };
    (plain(title) && section.is_none_or(plain)).then_some((title, section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_lines_is_kept() {
        for (text, expected) in [
            (
                format!("### Editing x\n{ABOVE}\n\n[Service]\nNice=1\n\n{BELOW}\n# old\n"),
                "[Service]\nNice=1\n",
            ),
            (format!("{ABOVE}\n\n\n{BELOW}\n# old\n"), ""),
            ("[Service]\nNice=1".to_owned(), "[Service]\nNice=1\n"),
            (format!("[Service]\nNice=1\n{BELOW}\nNice=2\n"), "[Service]\nNice=1\n"),
            (ABOVE.to_owned(), ""),
        ] {
            assert_eq!(between(&text), expected, "{text}");
        }
    }

    #[test]
    fn manual_pages() {
        assert_eq!(manual("man:sshd(8)"), Some(("sshd", Some("8"))));
        assert_eq!(manual("man:systemd.unit"), Some(("systemd.unit", None)));
        for page in
            ["https://example.org", "man:-Pevil(8)", "man:a(8", "man:/etc/passwd(5)", "man:(8)", "man:a b"]
        {
            assert_eq!(manual(page), None, "{page}");
        }
        assert!(dropin_name("../x").is_err() && dropin_name(".x").is_err());
        assert_eq!(dropin_name("x").expect("a name"), "x.conf");
    }
}
