//! What a unit file says in `[Install]`, and how its name leads to it.

use std::path::Path;

use perigee_process::file;
use perigee_units::unit::{Host, LONGEST_FILE, Scope, UnitKind, UnitName, parse};
use perigee_units::value::cut_words;

use super::InstallError;
use super::layout::{Entry, Layout, PERSISTENT, RUNTIME, failed, last};
use crate::host;

/// Names that lead to one another, at most.
const MOST_LINKS: usize = 64;

/// A unit with what it says about itself in `[Install]`.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) name: UnitName,
    /// The file, from the root of the system.
    pub(super) path: String,
    pub(super) masked: bool,
    pub(super) aliases: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) wanted_by: Vec<String>,
    pub(super) required_by: Vec<String>,
    pub(super) default_instance: Option<String>,
}

/// One look at a name in the search path.
enum Step {
    Found(Box<Info>),
    /// A link: where it leads, and where it stands.
    Link {
        target: String,
        at: String,
    },
}

/// Looks units up.
pub(super) struct Context<'a> {
    layout: &'a Layout,
    host: Host,
}

impl Info {
    /// Whether enabling it does anything by itself.
    pub(super) fn has_rules(&self) -> bool {
        !(self.aliases.is_empty() && self.wanted_by.is_empty() && self.required_by.is_empty())
    }

    /// The name under which it is started: that of the default instance for a template that has one.
    pub(super) fn instance(&self) -> UnitName {
        let made = self.default_instance.as_ref().filter(|_| self.name.is_template());
        made.and_then(|instance| self.name.with_instance(instance).ok()).unwrap_or_else(|| self.name.clone())
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(layout: &'a Layout) -> Context<'a> {
        Context { layout, host: host() }
    }

    /// Finds the unit that a name leads to. Links that stand in the folders of links themselves are followed only
    /// with `through_config`: who enables a unit names it by its own name.
    pub(super) fn discover(&self, name: &UnitName, through_config: bool) -> Result<Info, InstallError> {
        let mut name = name.clone();
        for _ in 0..MOST_LINKS {
            let (target, at) = match self.look(&name)? {
                Step::Found(info) => return Ok(*info),
                Step::Link { target, at } => (target, at),
            };
            let config = [PERSISTENT, RUNTIME].iter().any(|folder| at.starts_with(folder));
            let end = last(&target);
            let outside = !self.layout.is_searched(&target);
            if config && !through_config && !outside {
                return Err(InstallError::Linked(name.to_string()));
            }
            let same = end == name.as_str() || name.template().is_some_and(|name| name.as_str() == end);
            if outside || same {
                return self.load(name, target);
            }
            let end = UnitName::parse(end).map_err(|_| InstallError::Name(end.to_owned()))?;
            // A template that is reached by an instance stands for the same instance.
            name = match name.instance().filter(|instance| !instance.is_empty() && end.is_template()) {
                Some(instance) => {
                    end.with_instance(instance).map_err(|_| InstallError::Name(end.to_string()))?
                }
                None => end,
            };
        }
        Err(InstallError::Circle(name.to_string()))
    }

    /// A unit file by its path, which need not be in the search path.
    pub(super) fn by_path(&self, path: &str) -> Result<Info, InstallError> {
        let name = UnitName::parse(last(path)).map_err(|_| InstallError::Name(last(path).to_owned()))?;
        match self.layout.entry(path)? {
            Entry::File { .. } => self.load(name, path.to_owned()),
            Entry::Link(_) => Err(InstallError::Linked(path.to_owned())),
            _ => Err(InstallError::Missing(path.to_owned())),
        }
    }

    fn look(&self, name: &UnitName) -> Result<Step, InstallError> {
        let names = [Some(name.clone()), name.template()];
        for searched in names.into_iter().flatten() {
            for folder in self.layout.folders() {
                let path = format!("{folder}/{searched}");
                match self.layout.entry(&path) {
                    Ok(Entry::Missing) => {}
                    Ok(Entry::File { .. }) => {
                        return self.load(name.clone(), path).map(Box::new).map(Step::Found);
                    }
                    Ok(Entry::Link(_)) => {
                        let target = self.layout.chase(&path)?;
                        if target == "/dev/null" {
                            return Ok(Step::Found(Box::new(masked(name.clone(), path))));
                        }
                        return Ok(Step::Link { target, at: path });
                    }
                    // systemd stops at a folder that has the name of a unit too.
                    Ok(Entry::Folder | Entry::Other) => return Err(InstallError::Missing(path)),
                    Err(error) => return Err(error),
                }
            }
        }
        Err(InstallError::Missing(name.to_string()))
    }

    /// Reads `[Install]` of a file and of the drop-ins of the unit.
    fn load(&self, name: UnitName, path: String) -> Result<Info, InstallError> {
        let text = match read(&self.layout.at(&path)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(InstallError::Missing(name.to_string()));
            }
            Err(error) => return Err(failed(&path, error)),
        };
        if text.is_empty() {
            return Ok(masked(name, path));
        }
        let mut info = masked(name, path);
        info.masked = false;
        let mut texts = vec![text];
        for dropin in self.layout.dropins(&info.name)? {
            texts.push(read(&dropin).map_err(|error| failed(&dropin.display().to_string(), error))?);
        }
        texts.iter().for_each(|text| take(&mut info, text));
        if !may_have_aliases(info.name.kind()) {
            info.aliases.clear();
        }
        self.expand(&mut info);
        Ok(info)
    }

    /// Expands the specifiers; a word with one that has no value here stays as it stands.
    fn expand(&self, info: &mut Info) {
        let expand = |name: &UnitName, fragment: &str, word: &str| {
            let scope = Scope { name, fragment, host: &self.host };
            scope.expand(word).unwrap_or_else(|_| word.to_owned())
        };
        if let Some(instance) = info.default_instance.take() {
            // It means nothing for what is an instance already, or none at all.
            info.default_instance =
                info.name.is_template().then(|| expand(&info.name, &info.path, &instance));
        }
        let (name, path) = (info.instance(), info.path.clone());
        for words in [&mut info.aliases, &mut info.also, &mut info.wanted_by, &mut info.required_by] {
            words.iter_mut().for_each(|word| *word = expand(&name, &path, word));
        }
    }
}

/// Whether units of this kind may have other names by `Alias=`.
fn may_have_aliases(kind: UnitKind) -> bool {
    use UnitKind::{Device, Path, Service, Socket, Target, Timer};
    matches!(kind, Service | Socket | Target | Device | Timer | Path)
}

/// A unit of which nothing is to be read.
fn masked(name: UnitName, path: String) -> Info {
    Info {
        name,
        path,
        masked: true,
        aliases: Vec::new(),
        also: Vec::new(),
        wanted_by: Vec::new(),
        required_by: Vec::new(),
        default_instance: None,
    }
}

fn take(info: &mut Info, text: &[u8]) {
    for assignment in parse(text).assignments.into_iter().filter(|a| a.section == "Install") {
        let words = match assignment.key.as_str() {
            "Alias" => &mut info.aliases,
            "Also" => &mut info.also,
            "WantedBy" => &mut info.wanted_by,
            "RequiredBy" => &mut info.required_by,
            "DefaultInstance" => {
                info.default_instance = Some(assignment.value).filter(|value| !value.is_empty());
                continue;
            }
            _ => continue,
        };
        match cut_words(&assignment.value) {
            Ok(more) if more.is_empty() => words.clear(),
            Ok(more) => words.extend(more),
            Err(_) => {}
        }
    }
}

/// Anything may lie where a link leads.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    file::read(path, LONGEST_FILE as u64)
}
