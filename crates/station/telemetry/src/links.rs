//! The links that telemetry comes from, by name and by number.

use std::sync::{Arc, Mutex, PoisonError};

/// A link, as long as the program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u16);

/// Names of links in the order in which they were first heard of.
#[derive(Debug, Default)]
pub(crate) struct Links {
    names: Mutex<Vec<Arc<str>>>,
}

impl Links {
    /// The number of a link. Beyond 65,535 names, all that follow share the last.
    pub(crate) fn number(&self, name: &str) -> LinkId {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().position(|known| &**known == name);
        let number = known.unwrap_or_else(|| {
            if names.len() < usize::from(u16::MAX) {
                names.push(name.into());
            }
            names.len() - 1
        });
        LinkId(number as u16)
    }

    /// The name of a link.
    pub(crate) fn name(&self, link: LinkId) -> Arc<str> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(usize::from(link.0)).map_or_else(|| "".into(), Arc::clone)
    }
}
