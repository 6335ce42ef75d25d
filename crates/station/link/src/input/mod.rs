//! Where a link's octets come from: one blocking reader for each kind of link, each with a deadline on
//! every wait.

mod file;
mod tcp;
mod udp;

use std::time::Duration;

use crate::settings::{Settings, SettingsError, Source};

/// No read waits longer than this, so that a link notices soon that it should stop or that its status is due.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// What a read brought.
#[derive(Debug)]
pub(crate) enum Event {
    /// Octets were shown.
    Octets,
    /// Nothing came before the deadline.
    Idle,
    /// A peer connected: what follows has no relation to what came before.
    Connected,
    /// The peer or the file went away, and why.
    Lost(String),
    /// Something went wrong beside the stream, which goes on.
    Trouble(String),
    /// There will never be more.
    End,
}

/// What a read shows while it lasts.
pub(crate) trait Taker {
    /// Octets of a stream, or one whole datagram. They are gone after the call.
    fn octets(&mut self, octets: &[u8]);

    /// So many datagrams were dropped by the kernel because the socket's buffer was full.
    fn overflowed(&mut self, datagrams: u64);
}

/// A source of octets. Belongs to one thread.
pub(crate) trait Input: Send {
    /// Waits at most about [`TICK`] and shows what came.
    fn read(&mut self, taker: &mut dyn Taker) -> Event;

    /// Whether a peer is connected, the socket listens, or the file is open.
    fn connected(&self) -> bool;
}

/// Binds or opens the source; a TCP client connects only once it is read.
pub(crate) fn open(settings: &mut Settings) -> Result<Box<dyn Input>, SettingsError> {
    Ok(match settings.source.clone() {
        Source::TcpClient { address, reconnect_max, receive_buffer } => {
            Box::new(tcp::Client::new(address, reconnect_max, receive_buffer))
        }
        Source::TcpServer { address, receive_buffer } => {
            let server =
                tcp::Server::bind(address, receive_buffer).map_err(|e| settings.refused("listen on", e))?;
            settings.address = server.address().to_string();
            Box::new(server)
        }
        Source::Udp { address, receive_buffer } => {
            let socket =
                udp::Socket::bind(address, receive_buffer).map_err(|e| settings.refused("bind", e))?;
            settings.address = socket.address().to_string();
            Box::new(socket)
        }
        Source::File(replay) => {
            Box::new(file::Reader::open(replay).map_err(|e| settings.refused("open", e))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::Taker;

    /// Keeps what it is given.
    pub(super) struct Octets(pub(super) Vec<u8>);

    impl Taker for Octets {
        fn octets(&mut self, octets: &[u8]) {
            self.0.extend_from_slice(octets);
        }

        fn overflowed(&mut self, _: u64) {}
    }
}
