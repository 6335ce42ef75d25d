//! Random graphs of units in the machine, and the corpora of the fuzz targets.

#![allow(clippy::unwrap_used)]

mod corpus;
mod random_graphs;
