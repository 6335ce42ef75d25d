//! Where units are: search paths, masks, aliases, templates, drop-ins, and the folders `NAME.wants` and
//! `NAME.requires`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use perigee_process::file;
use perigee_units::unit::{LONGEST_FILE, Source, UnitKind, UnitName};

/// Links of one name to another are followed no further than this.
const MOST_LINKS: usize = 16;

/// Drop-ins of one unit, and units in one folder, are no more than this.
const MOST_FILES: usize = 4096;

/// Where the machine has its units, in the order of systemd's search path.
pub const SYSTEM_FOLDERS: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// The folders in which units are looked for; what stands in an earlier one hides the later ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

/// The files of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its name: that at the end of the links, if it was asked for by an alias.
    pub name: UnitName,
    /// Names that lead to it.
    pub aliases: Vec<UnitName>,
    /// The unit file; none for a unit of drop-ins and wants alone.
    pub fragment: Option<PathBuf>,
    /// Its drop-ins, in the order in which they count.
    pub dropins: Vec<PathBuf>,
    /// The units in its `.wants` folders.
    pub wants: Vec<UnitName>,
    /// The units in its `.requires` folders.
    pub requires: Vec<UnitName>,
}

/// Why a unit was not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is no such unit.
    #[error("there is no unit {0}")]
    Missing(UnitName),
    /// It was forbidden by a link to `/dev/null` or an empty file.
    #[error("{0} is masked by {1}")]
    Masked(UnitName, PathBuf),
    /// Links that lead in circles, or too far.
    #[error("{0} is linked in circles")]
    Circle(UnitName),
    /// A link to a unit of another kind.
    #[error("{0} is a link to {1}, which is no unit of this kind")]
    Kind(UnitName, PathBuf),
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SearchPath {
    /// These folders.
    pub fn new(folders: Vec<PathBuf>) -> SearchPath {
        SearchPath(folders)
    }

    /// Where the machine has its units, as systemd looks for them.
    pub fn system() -> SearchPath {
        // On many machines two of them are one.
        let mut seen = BTreeSet::new();
        let folders = SYSTEM_FOLDERS.into_iter().map(PathBuf::from);
        SearchPath(
            folders.filter(|folder| seen.insert(fs::canonicalize(folder).ok()) || !folder.exists()).collect(),
        )
    }

    /// The same, with one folder more, which counts last.
    #[must_use]
    pub fn and(mut self, folder: PathBuf) -> SearchPath {
        self.0.push(folder);
        self
    }

    /// The folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.0
    }

    /// Finds a unit and everything that belongs to it.
    ///
    /// # Errors
    /// There is none, or it cannot be had.
    pub fn find(&self, name: &UnitName) -> Result<Files, FindError> {
        let mut files = Files::bare(name);
        while let Some(path) = self.locate(&files.name) {
            match target(&files.name, &path, &self.0)? {
                Target::Mask => return Err(FindError::Masked(files.name, path)),
                Target::File => {
                    files.fragment = Some(path);
                    break;
                }
                Target::Alias(other) => {
                    if files.aliases.len() == MOST_LINKS || files.aliases.contains(&other) {
                        return Err(FindError::Circle(name.clone()));
                    }
                    files.aliases.push(std::mem::replace(&mut files.name, other));
                }
            }
        }
        let names: Vec<_> = std::iter::once(&files.name).chain(&files.aliases).cloned().collect();
        files.dropins = self.dropins(&names)?;
        files.wants = self.linked(&names, "wants")?;
        files.requires = self.linked(&names, "requires")?;
        if files.fragment.is_none()
            && files.dropins.is_empty()
            && files.wants.is_empty()
            && files.requires.is_empty()
        {
            return Err(FindError::Missing(files.name));
        }
        Ok(files)
    }

    /// Whether there is a file for this name that is not there to forbid it; drop-ins alone are none.
    pub fn has(&self, name: &UnitName) -> bool {
        self.locate(name).is_some_and(|path| !is_mask(&path))
    }

    /// The names of all unit files, templates among them, in order.
    ///
    /// # Errors
    /// A folder that is there and cannot be read.
    pub fn names(&self) -> Result<Vec<UnitName>, FindError> {
        let mut names = BTreeSet::new();
        for folder in &self.0 {
            for (name, _) in list(folder)? {
                names.extend(UnitName::parse(&name));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// The devices that bring units along when they come, by folders `NAME.wants` and `NAME.requires`.
    pub fn devices(&self) -> Vec<UnitName> {
        let mut names = BTreeSet::new();
        for folder in &self.0 {
            let entries = list(folder).unwrap_or_default();
            let folders = entries.iter().filter_map(|(name, _)| {
                [".wants", ".requires"].into_iter().find_map(|ending| name.strip_suffix(ending))
            });
            let devices = folders.filter_map(|name| UnitName::parse(name).ok());
            names.extend(devices.filter(|name| name.kind() == UnitKind::Device && !name.is_template()));
        }
        names.into_iter().collect()
    }

    /// The first file of this name, or of the template that it is an instance of.
    fn locate(&self, name: &UnitName) -> Option<PathBuf> {
        let names = [Some(name.clone()), name.template()];
        names.iter().flatten().find_map(|name| {
            self.0
                .iter()
                .map(|folder| folder.join(name.as_str()))
                .find(|path| path.symlink_metadata().is_ok())
        })
    }

    /// Every drop-in: in folders by the names, by their templates, by their prefixes up to a dash, and by the
    /// kind. Of files with the same name the one in the more special folder counts; they count in the order of
    /// their names, whatever their folder.
    pub(super) fn dropins(&self, names: &[UnitName]) -> Result<Vec<PathBuf>, FindError> {
        let mut folders = Vec::new();
        for name in names {
            for root in &self.0 {
                folders.extend(own_folders(name).into_iter().map(|folder| root.join(folder)));
            }
        }
        let kind = names.first().map(|name| format!("{}.d", name.kind().suffix())).unwrap_or_default();
        folders.extend(self.0.iter().map(|root| root.join(&kind)));
        let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
        for folder in folders {
            for (name, path) in list(&folder)?.into_iter().filter(|(name, _)| name.ends_with(".conf")) {
                found.entry(name).or_insert(path);
            }
        }
        Ok(found.into_values().filter(|path| !is_mask(path)).collect())
    }

    /// The units that are linked in folders such as `NAME.wants`.
    fn linked(&self, names: &[UnitName], ending: &str) -> Result<Vec<UnitName>, FindError> {
        let mut found: BTreeMap<UnitName, PathBuf> = BTreeMap::new();
        for name in names.iter().flat_map(|name| [Some(name.clone()), name.template()]).flatten() {
            for root in &self.0 {
                for (entry, path) in list(&root.join(format!("{name}.{ending}")))? {
                    if let Ok(entry) = UnitName::parse(&entry) {
                        found.entry(entry).or_insert(path);
                    }
                }
            }
        }
        Ok(found.into_iter().filter(|(_, path)| !is_mask(path)).map(|(name, _)| name).collect())
    }
}

impl Files {
    /// No files at all.
    pub(super) fn bare(name: &UnitName) -> Files {
        Files {
            name: name.clone(),
            aliases: Vec::new(),
            fragment: None,
            dropins: Vec::new(),
            wants: Vec::new(),
            requires: Vec::new(),
        }
    }

    /// A file by its path, with the drop-ins that lie beside it.
    ///
    /// # Errors
    /// The name is none, or a folder beside it cannot be read.
    pub fn beside(path: &Path) -> Result<Files, FindError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = UnitName::parse(name).map_err(|error| FindError::Io {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dropins = SearchPath::new(vec![folder.to_owned()]).dropins(std::slice::from_ref(&name))?;
        let fragment = Some(path.to_owned());
        Ok(Files { name, aliases: Vec::new(), fragment, dropins, wants: Vec::new(), requires: Vec::new() })
    }

    /// Reads the texts of all files, the unit file first.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn sources(&self) -> Result<Vec<Source>, FindError> {
        let paths = self.fragment.iter().chain(&self.dropins);
        paths.map(|path| Ok(Source { path: path.clone(), text: read(path)? })).collect()
    }
}

/// What a file of a unit is.
enum Target {
    File,
    Mask,
    Alias(UnitName),
}

/// Follows one link.
fn target(name: &UnitName, path: &Path, roots: &[PathBuf]) -> Result<Target, FindError> {
    if is_mask(path) {
        return Ok(Target::Mask);
    }
    let Ok(link) = fs::read_link(path) else { return Ok(Target::File) };
    let end = link.file_name().and_then(|name| name.to_str()).and_then(|name| UnitName::parse(name).ok());
    let Some(end) = end else { return Ok(Target::File) };
    if end.kind() != name.kind() {
        return Err(FindError::Kind(name.clone(), link));
    }
    let own = end == *name || Some(&end) == name.template().as_ref();
    if own || name.is_template() && path.file_name().is_some_and(|file| file == end.as_str()) {
        return Ok(Target::File);
    }
    // A template that is linked to by a template stands for the same instance.
    let end = match name.instance().filter(|_| end.is_template()) {
        Some(instance) if !instance.is_empty() => {
            end.with_instance(instance).map_err(|_| FindError::Kind(name.clone(), link.clone()))?
        }
        _ => end,
    };
    // A link out of the search path is a unit file that lies elsewhere.
    let found = roots.iter().any(|root| {
        [Some(end.clone()), end.template()]
            .iter()
            .flatten()
            .any(|name| root.join(name.as_str()).symlink_metadata().is_ok())
    });
    Ok(if found { Target::Alias(end) } else { Target::File })
}

/// Folders of drop-ins that are for this name before others, the most special first.
fn own_folders(name: &UnitName) -> Vec<String> {
    let suffix = name.kind().suffix();
    let mut folders = vec![format!("{name}.d")];
    folders.extend(name.template().map(|template| format!("{template}.d")));
    let mut prefix = name.prefix();
    while let Some(at) = prefix.trim_end_matches('-').rfind('-') {
        prefix = &prefix[..=at];
        folders.push(format!("{prefix}.{suffix}.d"));
    }
    folders
}

/// Whether it is a link to nothing, or empty: there to hide what comes later.
fn is_mask(path: &Path) -> bool {
    if fs::read_link(path).is_ok_and(|link| link == Path::new("/dev/null")) {
        return true;
    }
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

/// The entries of a folder, by name; none where it is missing.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, FindError> {
    let failed = |source| FindError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Some(name) = entry.file_name().to_str() {
            found.push((name.to_owned(), entry.path()));
        }
        if found.len() > MOST_FILES {
            return Err(failed(io::Error::other("the folder has too many entries")));
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file, one octet more at most than is taken of it.
fn read(path: &Path) -> Result<Vec<u8>, FindError> {
    file::read(path, LONGEST_FILE as u64 + 1)
        .map_err(|source| FindError::Io { path: path.to_owned(), source })
}
