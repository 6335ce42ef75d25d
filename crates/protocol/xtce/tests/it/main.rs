//! Real mission databases and packets, compared with what other programs make of them.

mod allocations;
mod columns;
mod corpus;
mod features;
mod loading;
mod model;
mod packets;
mod passed_over;
mod real;
