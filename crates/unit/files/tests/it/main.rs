//! Units as they lie on disk.

#![allow(clippy::unwrap_used)]

mod conditions;
mod finding;
mod installing;
mod loading;
