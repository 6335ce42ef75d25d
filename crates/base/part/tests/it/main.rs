//! What the node makes of its parts, seen from outside.

#![allow(clippy::unwrap_used)]

mod node;
