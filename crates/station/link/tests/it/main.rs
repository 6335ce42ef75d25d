//! Links on real sockets and files, all on loopback and on ports that are free.

mod contract;
mod corpus;
mod damage;
mod file;
mod harness;
mod tcp;
mod udp;
