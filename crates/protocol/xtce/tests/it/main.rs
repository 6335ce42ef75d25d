//! Real mission databases and packets, compared with what other programs make of them.

mod features;
mod real;
mod shared;
