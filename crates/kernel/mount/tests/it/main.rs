//! Mounts, made and found.

#![allow(clippy::unwrap_used)]

mod corpus;
mod mounts;
