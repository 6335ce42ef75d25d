//! Units as they lie on disk, and the corpora of the fuzz targets.

#![allow(clippy::unwrap_used)]

mod corpus;
mod finding;
mod loading;
mod random_graphs;
