//! What containers build on, bases and included containers: cycles, sizes, and what is left out with what.

use super::xml::{self, Node};
use super::{Loader, Notice};
use crate::database::ContainerId;
use crate::database::container::{SequenceContainer, What};
use crate::limits;

impl<'a> Loader<'a> {
    /// `BinaryEncoding/SizeInBits` says where an included container ends. A packet ends where it ends, and
    /// where the heir of an included container does, only the packet tells.
    pub(super) fn check_sizes(&mut self, found: &[(usize, Node<'a>)]) {
        let layouts = &self.layouts;
        let base_of = |at: usize| layouts[at].as_ref()?.base.as_ref().map(|(base, _)| base.0 as usize);
        let mut included = vec![false; layouts.len()];
        let mut used = vec![false; layouts.len()];
        for entry in layouts.iter().flatten().flat_map(|layout| &layout.entries) {
            let What::Container(id) = entry.what else { continue };
            included[id.0 as usize] = true;
            // The nearest size of the container and its bases counts.
            let sized = std::iter::successors(Some(id.0 as usize), |at| base_of(*at))
                .take(limits::MAX_NESTING)
                .find(|at| layouts[*at].as_ref().is_some_and(|layout| layout.size.is_some()));
            sized.into_iter().for_each(|at| used[at] = true);
        }
        let mut refused = Vec::new();
        let mut unused = Vec::new();
        for at in (0..layouts.len()).filter(|at| layouts[*at].as_ref().is_some_and(|own| own.size.is_some()))
        {
            let mut bases = std::iter::successors(base_of(at), |at| base_of(*at)).take(limits::MAX_NESTING);
            if bases.any(|base| included[base]) {
                refused.push(at);
            } else if !used[at] {
                unused.push(at);
            }
        }
        for at in refused {
            let name = self.containers[at].name.clone();
            let node = xml::child(found[at].1, "BinaryEncoding").unwrap_or(found[at].1);
            self.refuse(node, &name, "SizeInBits of an heir of an included container is not supported");
            self.layouts[at] = None;
        }
        for at in unused {
            let name = self.containers[at].name.clone();
            let node = xml::child(found[at].1, "BinaryEncoding").unwrap_or(found[at].1);
            self.notice(node, &name, "SizeInBits is passed over: a packet ends where it ends");
        }
    }

    /// Containers that extend or include themselves.
    pub(super) fn refuse_cycles(&mut self) {
        // Depth of each container's longest chain of bases and included containers, in rounds.
        let mut depth = vec![0usize; self.layouts.len()];
        for _ in 0..=limits::MAX_NESTING {
            let mut changed = false;
            for (index, layout) in self.layouts.iter().enumerate() {
                let Some(layout) = layout else { continue };
                let below = layout.below().map(|id| depth[id.0 as usize] + 1).max().unwrap_or(0);
                if below > depth[index] && depth[index] <= limits::MAX_NESTING {
                    depth[index] = below;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
        for (index, depth) in depth.iter().enumerate() {
            if let Some(layout) = &self.layouts[index]
                && *depth > limits::MAX_NESTING
            {
                let line = layout.line;
                let name = self.containers[index].name.clone();
                let what = format!("contains itself or is nested deeper than {}", limits::MAX_NESTING);
                self.problems.push(super::Problem { name, line, what });
                self.layouts[index] = None;
            }
        }
    }

    /// Leaves out containers that build on one that was refused.
    pub(super) fn leave_out(&mut self, found: &[(usize, Node<'a>)]) {
        loop {
            let lost: Vec<(usize, ContainerId)> = self
                .layouts
                .iter()
                .enumerate()
                .filter_map(|(index, layout)| {
                    let missing =
                        layout.as_ref()?.below().find(|id| self.layouts[id.0 as usize].is_none())?;
                    Some((index, missing))
                })
                .collect();
            if lost.is_empty() {
                return;
            }
            for (index, missing) in lost {
                let line = found.get(index).map_or(0, |(_, node)| self.lines.line(*node));
                let what = format!(
                    "the container is left out: it builds on {}",
                    self.containers[missing.0 as usize].name
                );
                self.notices.push(Notice { name: self.containers[index].name.clone(), line, what });
                self.layouts[index] = None;
            }
        }
    }
}

impl SequenceContainer {
    /// The base and the included containers.
    fn below(&self) -> impl Iterator<Item = ContainerId> + '_ {
        let included = self.entries.iter().filter_map(|entry| match entry.what {
            What::Container(id) => Some(id),
            _ => None,
        });
        self.base.iter().map(|(base, _)| *base).chain(included)
    }
}
