//! A client's socket with a deadline on writing, and its place among the counted connections.
//!
//! The write time-out asks for progress, not for a finish: a client must take 64 KiB in each period, so a
//! slow line gets its page while one that has stopped reading, or takes a byte a second, loses the
//! connection. Streams are exempt, so that a client may be slow for as long as it likes; but one that takes
//! nothing at all for the longer time-out of streams is gone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

/// What a client must take in one period of the write time-out to count as reading.
const PROGRESS_OCTETS: usize = 64 * 1024;

/// Set once the connection carries an event stream or has been upgraded.
#[derive(Clone, Debug, Default)]
pub(super) struct Exempt(Arc<AtomicBool>);

impl Exempt {
    pub(super) fn grant(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn granted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) struct Socket {
    stream: TcpStream,
    period: Duration,
    stream_period: Duration,
    deadline: Pin<Box<Sleep>>,
    /// Octets taken since the client was first seen to lag; `None` while it keeps up.
    lagging: Option<usize>,
    exempt: Exempt,
    // Freed when the last octet is gone, also after an upgrade.
    _place: OwnedSemaphorePermit,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        period: Duration,
        stream_period: Duration,
        exempt: Exempt,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let deadline = Box::pin(sleep(period));
        Self { stream, period, stream_period, deadline, lagging: None, exempt, _place: place }
    }

    /// Passes on what the socket said to a write, and minds the deadline.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(octets)) => {
                let enough = if self.exempt.granted() { 1 } else { PROGRESS_OCTETS };
                self.lagging = self.lagging.map(|taken| taken + octets).filter(|&taken| taken < enough);
                Poll::Ready(Ok(octets))
            }
            Poll::Pending => {
                if self.lagging.is_none() {
                    self.lagging = Some(0);
                    let period = if self.exempt.granted() { self.stream_period } else { self.period };
                    self.deadline.as_mut().reset(Instant::now() + period);
                }
                ready!(self.deadline.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            failed => failed,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, octets);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Everything written so far was taken: the next response starts with a clean record.
        self.lagging = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
