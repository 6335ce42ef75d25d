//! Processes of Linux behind safe types: made from a list of system calls, waited for, signalled.
//!
//! [`Launch`] holds all that a new process needs: the program, its arguments, its descriptors, and the [`Step`]s
//! that it takes before it becomes the program. All is prepared by the parent. The child shares the parent's
//! memory until it executes the program, so that nothing is copied however large the parent is; it carries out
//! system calls and nothing else: it allocates nothing, takes no lock, and touches no state of the C library.
//! The parent may do other work meanwhile ([`Making`]); what fails there is known to it, with the step that failed.
//!
//! [`wait`] reaps, [`pidfd`] signals without the danger that a number was given to another process in the meantime,
//! [`signals`] and nix's epoll, signalfd and timerfd are what an event loop of one thread needs, and [`watchdog`] sees
//! to it that such a loop does not hang for ever. [`accounts`] are those whom a process may be, [`ipc`]
//! is what they leave behind, and [`mod@namespace`] makes what several share.

#![allow(unsafe_code, reason = "this floor makes Linux safe for the ones above it")]

pub mod accounts;
mod child;
pub mod file;
pub mod ipc;
mod launch;
mod make;
pub mod memory;
pub mod namespace;
mod pad;
pub mod pidfd;
mod raw;
pub mod signals;
mod stack;
mod step;
pub mod stranger;
pub mod terminal;
pub mod this;
pub mod wait;
pub mod watchdog;

pub use launch::{At, Launch, SpawnError, Spawned, StepList};
pub use make::Making;
pub use nix::errno::Errno;
pub use nix::sys::{epoll, signalfd, timerfd};
pub use step::{FilterInstruction, Step};
