//! Loads XTCE 1.2 (OMG formal/2018; CCSDS 660.0-B-2), and 1.1 and 1.3 where they say the same. Every
//! element and attribute that is not understood is refused by name and line; a lenient load leaves out
//! what depends on it and says so. What is passed over is told by a notice: conformance/xtce.md has the list.

mod alarm;
mod building;
mod calibrator;
mod container;
mod criteria;
mod encoding;
mod initial;
mod parameter;
mod shape;
mod system;
mod time;
mod types;
mod xml;

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::database::types::Type;
use crate::database::{Container, ContainerId, Database, Parameter, ParameterId};
use crate::limits;
use shape::TypeNode;
use system::System;
use types::Brief;
use xml::{DESCRIPTIVE, Lines, Node};

pub(crate) use initial::initial_value;

/// How a database is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Leave out what is not supported, with everything that depends on it, instead of refusing the database.
    pub lenient: bool,
}

/// A loaded database and what is worth knowing about it.
#[derive(Debug)]
pub struct Loaded {
    /// The database.
    pub database: Database,
    /// What was passed over; in a lenient load, also what was left out.
    pub notices: Vec<Notice>,
}

/// Something to know about a database that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Qualified name of the parameter, type or container.
    pub name: String,
    /// Line in the XML document.
    pub line: u32,
    /// What was passed over or left out, and why.
    pub what: String,
}

/// A reason to refuse a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Qualified name of the parameter, type or container.
    pub name: String,
    /// Line in the XML document.
    pub line: u32,
    /// What is wrong or not supported.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.name, self.what)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.name, self.what)
    }
}

/// Why a database was refused: every problem found, at most [`limits::MAX_PROBLEMS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The problems, in the order of the document's sections.
    pub problems: Vec<Problem>,
    /// Problems beyond those.
    pub omitted: usize,
}

impl From<Vec<Problem>> for LoadError {
    fn from(mut problems: Vec<Problem>) -> LoadError {
        let omitted = problems.len().saturating_sub(limits::MAX_PROBLEMS);
        problems.truncate(limits::MAX_PROBLEMS);
        LoadError { problems, omitted }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let end = if index + 1 < self.problems.len() { "\n" } else { "" };
            write!(f, "{problem}{end}")?;
        }
        if self.omitted > 0 {
            write!(f, "\nand {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

impl Database {
    /// Loads an XTCE document.
    ///
    /// # Errors
    /// Every problem that was found, each with its name and line. A lenient load only fails on
    /// documents that are no XTCE at all.
    pub fn load(xml: &str, options: LoadOptions) -> Result<Loaded, LoadError> {
        let document = xml::parse(xml)?;
        let mut loader = Loader::new(Lines::of(xml));
        loader.collect_systems(document.root_element());
        loader.collect_types();
        loader.collect_parameters();
        loader.load_types();
        loader.load_validity();
        loader.load_containers();
        loader.finish(options)
    }
}

/// The mark of something refused; what and why is in [`Loader::problems`].
#[derive(Clone, Copy, Debug)]
struct Refused;

type Result1<T> = Result<T, Refused>;

/// Where a name is used: the space system that references start from, and what to call the user of it.
#[derive(Clone, Copy)]
struct Place<'p> {
    system: usize,
    name: &'p str,
}

struct Loader<'a> {
    lines: Lines,
    systems: Vec<System<'a>>,
    type_nodes: Vec<TypeNode<'a>>,
    type_names: HashMap<String, usize>,
    briefs: Vec<Option<Brief>>,
    types: Vec<Type>,
    parameters: Vec<Parameter>,
    /// The element of each declared parameter.
    parameter_nodes: Vec<(ParameterId, usize, Node<'a>)>,
    parameter_names: HashMap<String, ParameterId>,
    container_names: HashMap<String, ContainerId>,
    containers: Vec<Container>,
    layouts: Vec<Option<crate::database::container::SequenceContainer>>,
    problems: Vec<Problem>,
    notices: Vec<Notice>,
    /// Notices beyond [`limits::MAX_NOTICES`].
    untold: usize,
}

impl<'a> Loader<'a> {
    fn new(lines: Lines) -> Loader<'a> {
        Loader {
            lines,
            systems: Vec::new(),
            type_nodes: Vec::new(),
            type_names: HashMap::new(),
            briefs: Vec::new(),
            types: Vec::new(),
            parameters: Vec::new(),
            parameter_nodes: Vec::new(),
            parameter_names: HashMap::new(),
            container_names: HashMap::new(),
            containers: Vec::new(),
            layouts: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
            untold: 0,
        }
    }

    /// Writes down a problem.
    fn refuse(&mut self, node: Node<'_>, name: &str, what: impl Into<String>) -> Refused {
        let line = self.lines.line(node);
        // Bounded, but counted on: the error says how many there were.
        let what = if self.problems.len() < limits::MAX_PROBLEMS { what.into() } else { String::new() };
        if self.problems.len() < 1 << 20 {
            self.problems.push(Problem { name: name.into(), line, what });
        }
        Refused
    }

    fn notice(&mut self, node: Node<'_>, name: &str, what: impl Into<String>) {
        if self.notices.len() >= limits::MAX_NOTICES {
            self.untold += 1;
            return;
        }
        let line = self.lines.line(node);
        self.notices.push(Notice { name: name.into(), line, what: what.into() });
    }

    /// Refuses attributes and child elements that are not listed, and a second child of a name that
    /// comes once. Attributes of other name spaces (`xsi:…`, `xml:…`) and descriptive children pass.
    fn only(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        attributes: &[&str],
        children: &[&str],
    ) -> Result1<()> {
        let mut result = self.attributes(node, place, attributes);
        let mut seen = [false; 64];
        for child in xml::children(node) {
            let name = child.tag_name().name();
            let known = children.iter().position(|known| *known == name).filter(|_| xml::is_xtce(child));
            let inside = node.tag_name().name();
            let before = known.and_then(|at| seen.get_mut(at)).map(|seen| std::mem::replace(seen, true));
            let what = match before {
                Some(before) if !before || xml::REPEATED.contains(&name) => continue,
                Some(_) => format!("element `{name}` comes twice in {inside}"),
                None if DESCRIPTIVE.contains(&name) && xml::is_xtce(child) => continue,
                None => format!("element `{name}` in {inside} is not supported"),
            };
            result = Err(self.refuse(child, place.name, what));
        }
        result
    }

    /// The child of one of these names, of which there may be one: they stand for each other.
    fn choice(&mut self, node: Node<'a>, place: Place<'_>, names: &[&str]) -> Result1<Option<Node<'a>>> {
        let mut found = xml::children(node)
            .filter(|child| names.contains(&child.tag_name().name()) && xml::is_xtce(*child));
        let (first, second) = (found.next(), found.next());
        match (first, second) {
            (Some(first), Some(second)) => {
                let what = format!(
                    "{} and {} in one {}",
                    first.tag_name().name(),
                    second.tag_name().name(),
                    node.tag_name().name()
                );
                Err(self.refuse(second, place.name, what))
            }
            _ => Ok(first),
        }
    }

    /// Refuses attributes that are not listed.
    fn attributes(&mut self, node: Node<'a>, place: Place<'_>, known: &[&str]) -> Result1<()> {
        let mut result = Ok(());
        for attribute in node.attributes() {
            let name = attribute.name();
            if attribute.namespace().is_none() && !known.contains(&name) && name != "shortDescription" {
                let what = format!("attribute `{name}` of {} is not supported", node.tag_name().name());
                result = Err(self.refuse(node, place.name, what));
            }
        }
        result
    }

    fn required(&mut self, node: Node<'a>, place: Place<'_>, attribute: &str) -> Result1<&'a str> {
        match node.attribute(attribute) {
            Some(value) => Ok(value),
            None => Err(self.refuse(
                node,
                place.name,
                format!("attribute `{attribute}` of {} is missing", node.tag_name().name()),
            )),
        }
    }

    /// An optional attribute, converted.
    fn attribute<T>(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        attribute: &str,
        convert: impl Fn(&str) -> Option<T>,
    ) -> Result1<Option<T>> {
        let Some(value) = node.attribute(attribute) else { return Ok(None) };
        match convert(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refuse(
                node,
                place.name,
                format!("`{value}` is not supported as `{attribute}` of {}", node.tag_name().name()),
            )),
        }
    }

    fn finish(mut self, options: LoadOptions) -> Result<Loaded, LoadError> {
        if !options.lenient && !self.problems.is_empty() {
            return Err(LoadError::from(self.problems));
        }
        if self.untold > 0 {
            let what = format!("and {} more notices", self.untold);
            let name = self.systems.first().map(|system| system.path.clone()).unwrap_or_default();
            self.notices.push(Notice { name, line: 1, what });
        }
        let mut told = HashSet::new();
        for problem in self.problems.drain(..).take(limits::MAX_PROBLEMS) {
            if told.insert((problem.name.clone(), problem.line)) {
                self.notices.push(Notice { name: problem.name, line: problem.line, what: problem.what });
            }
        }
        let root = self.systems.first();
        let version = root
            .and_then(|system| xml::child(system.node, "Header")?.attribute("version").map(str::to_owned));
        let database = Database {
            name: root.map(|system| system.path.trim_start_matches('/').to_owned()).unwrap_or_default(),
            version: version.unwrap_or_default(),
            parameters: self.parameters,
            containers: self.containers,
            layouts: self.layouts,
            types: self.types,
            parameter_names: self.parameter_names,
            container_names: self.container_names,
        };
        Ok(Loaded { database, notices: self.notices })
    }
}
