//! Space systems and name references (XTCE 1.2 SpaceSystemType, NameReferenceType): absolute,
//! relative, `.` and `..`, and for a name that is not found, the systems above.

use std::collections::HashMap;

use super::xml::{self, Node};
use super::{Loader, Place};
use crate::limits;

/// A SpaceSystem element.
pub(super) struct System<'a> {
    pub(super) path: String,
    pub(super) parent: Option<usize>,
    pub(super) node: Node<'a>,
}

impl<'a> Loader<'a> {
    /// Lists the space systems, each after its parent.
    pub(super) fn collect_systems(&mut self, root: Node<'a>) {
        let mut open = vec![(root, None::<usize>)];
        while let Some((node, parent)) = open.pop() {
            let own = node.attribute("name").unwrap_or_default();
            let path = format!("{}/{own}", parent.map_or("", |index| &self.systems[index].path));
            let index = self.systems.len();
            let place = Place { system: index, name: &path };
            if !is_name(own) {
                self.refuse(node, &path, format!("`{own}` is no name of a SpaceSystem"));
            }
            let known = ["Header", "TelemetryMetaData", "CommandMetaData", "ServiceSet", "SpaceSystem"];
            let attributes = ["name", "operationalStatus", "systemType", "assetType"];
            // What is refused here is told; the rest of the system is loaded all the same.
            let _ = self.only(node, place, &attributes, &known);
            if let Some(commands) = xml::child(node, "CommandMetaData")
                && !self.notices.iter().any(|notice| notice.what.starts_with("CommandMetaData"))
            {
                self.notice(commands, &path, "CommandMetaData is passed over: commands are not decoded");
            }
            if let Some(services) = xml::child(node, "ServiceSet") {
                self.notice(services, &path, "ServiceSet is passed over");
            }
            if let Some(telemetry) = xml::child(node, "TelemetryMetaData") {
                self.telemetry(telemetry, place);
            }
            self.systems.push(System { path: path.clone(), parent, node });
            // Reversed, so that the systems come in the order of the document.
            let nested: Vec<_> = xml::named(node, "SpaceSystem").collect();
            open.extend(nested.into_iter().rev().map(|child| (child, Some(index))));
            if self.systems.len() > limits::MAX_PARAMETERS {
                self.refuse(node, &path, format!("more than {} systems", limits::MAX_PARAMETERS));
                break;
            }
        }
    }

    /// The sets of a TelemetryMetaData. Those of messages, streams and algorithms may be there and empty.
    fn telemetry(&mut self, node: Node<'a>, place: Place<'_>) {
        const SETS: [&str; 6] =
            ["ParameterTypeSet", "ParameterSet", "ContainerSet", "MessageSet", "StreamSet", "AlgorithmSet"];
        // What is refused here is told; the rest is loaded all the same.
        let _ = self.only(node, place, &[], &SETS);
        for set in xml::children(node).filter(|set| xml::is_xtce(*set)) {
            let name = set.tag_name().name();
            if SETS[..3].contains(&name) {
                let _ = self.attributes(set, place, &[]);
            } else if SETS.contains(&name) && xml::children(set).next().is_some() {
                let what = format!("element `{name}` in TelemetryMetaData is not supported");
                self.refuse(set, place.name, what);
            }
        }
    }

    /// The items of one set (`ParameterSet`, …) of every system.
    pub(super) fn items(&self, set: &'static str) -> Vec<(usize, Node<'a>)> {
        let mut items = Vec::new();
        for (index, system) in self.systems.iter().enumerate() {
            for telemetry in xml::named(system.node, "TelemetryMetaData") {
                for node in xml::named(telemetry, set) {
                    items.extend(xml::children(node).map(|item| (index, item)));
                }
            }
        }
        items
    }

    /// The qualified name of an item of a system.
    pub(super) fn qualified(&self, system: usize, name: &str) -> String {
        format!("{}/{name}", self.systems[system].path)
    }

    /// Finds what a reference from `system` points to.
    pub(super) fn resolve<T: Copy>(
        &self,
        names: &HashMap<String, T>,
        system: usize,
        reference: &str,
    ) -> Option<T> {
        let reference = reference.trim();
        if reference.starts_with('/') {
            return names.get(&join("", reference)?).copied();
        }
        let mut at = Some(system);
        while let Some(index) = at {
            let found = join(&self.systems[index].path, reference).and_then(|path| names.get(&path).copied());
            if found.is_some() {
                return found;
            }
            at = self.systems[index].parent;
        }
        None
    }
}

/// Joins a path and a relative reference; `None` if it climbs above the root.
fn join(path: &str, reference: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let mut joined = String::with_capacity(path.len() + reference.len() + 1);
    for part in parts {
        joined.push('/');
        joined.push_str(part);
    }
    Some(joined)
}

/// NameType: no path, member or index characters. Spaces are let through, as flight databases have them.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '/', ':', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn references_join_like_paths() {
        assert_eq!(join("/A/B", "x").as_deref(), Some("/A/B/x"));
        assert_eq!(join("/A/B", "../x").as_deref(), Some("/A/x"));
        assert_eq!(join("/A/B", "./C//x").as_deref(), Some("/A/B/C/x"));
        assert_eq!(join("", "/A/x").as_deref(), Some("/A/x"));
        assert_eq!(join("/A", "../../x"), None);
    }
}
