//! Real mission databases and packets, compared with what other programs make of them.

mod columns;
mod features;
mod loading;
mod real;
mod shared;
