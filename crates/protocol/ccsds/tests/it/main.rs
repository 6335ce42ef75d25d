//! perigee-ccsds against recordings and vectors that nobody here made. They stay in ../shared/data; without it the
//! tests say loudly that they were skipped.

mod allocations;
mod chain;
mod coding;
mod collect;
mod corpus;
mod recordings;
mod round_trip;
mod vectors;
