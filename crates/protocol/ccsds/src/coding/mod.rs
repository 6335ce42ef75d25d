//! TM synchronisation and channel coding (CCSDS 131.0-B): what stands between a transfer frame and the
//! symbols of the physical channel.
//!
//! On the way out a frame gets its FECF ([`crc`]), then Reed-Solomon parity ([`reed_solomon`]), is
//! randomised ([`randomizer`]), an attached sync marker is put in front, and all of it is convolutionally
//! encoded ([`convolutional`]). On the way in each step is undone in the opposite order: the randomiser
//! comes off *before* Reed-Solomon, and the marker was never randomised.
//! Turbo and LDPC codes are not here.

pub mod convolutional;
pub mod crc;
pub mod fhec;
mod galois;
pub mod randomizer;
pub mod reed_solomon;
pub mod soft;
