//! The Stream: records for whoever wants to follow, at whatever pace they can.
//!
//! One writer or many, any number of followers, a bounded ring between them. The writer never waits. A
//! follower that falls more than the capacity behind loses the oldest records and is told how many.

use std::sync::Arc;

use tokio::sync::broadcast;

/// The writing end; clones write to the same ring.
#[derive(Debug)]
pub struct Stream<T> {
    ring: broadcast::Sender<Arc<T>>,
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        Self { ring: self.ring.clone() }
    }
}

/// What a follower gets next.
#[derive(Debug)]
pub enum Next<T> {
    /// The next record.
    Record(Arc<T>),
    /// So many records were overwritten before this follower read them.
    Missed(u64),
    /// Every writer is gone.
    End,
}

/// The reading end: sees every record published after it subscribed.
#[derive(Debug)]
pub struct Subscriber<T> {
    ring: broadcast::Receiver<Arc<T>>,
}

impl<T: Send + Sync + 'static> Stream<T> {
    /// A ring of `capacity` records (rounded up to a power of two).
    ///
    /// # Panics
    /// When `capacity` is zero.
    pub fn new(capacity: usize) -> Self {
        Self { ring: broadcast::Sender::new(capacity) }
    }

    /// Shows a record to every follower. Never waits.
    pub fn publish(&self, record: Arc<T>) {
        // An error only says that nobody follows.
        let _ = self.ring.send(record);
    }

    /// How many follow at this moment; lets a writer skip work nobody would see.
    pub fn followers(&self) -> usize {
        self.ring.receiver_count()
    }

    /// Follows from now on.
    pub fn subscribe(&self) -> Subscriber<T> {
        Subscriber { ring: self.ring.subscribe() }
    }
}

impl<T: Send + Sync + 'static> Subscriber<T> {
    /// Waits for the next record. Cancel safe.
    pub async fn next(&mut self) -> Next<T> {
        match self.ring.recv().await {
            Ok(record) => Next::Record(record),
            Err(broadcast::error::RecvError::Lagged(missed)) => Next::Missed(missed),
            Err(broadcast::error::RecvError::Closed) => Next::End,
        }
    }

    /// The next record if there is one already.
    pub fn try_next(&mut self) -> Option<Next<T>> {
        match self.ring.try_recv() {
            Ok(record) => Some(Next::Record(record)),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(Next::Missed(missed)),
            Err(broadcast::error::TryRecvError::Closed) => Some(Next::End),
            Err(broadcast::error::TryRecvError::Empty) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_slow_follower_is_told_how_much_it_missed() {
        let stream = Stream::new(4);
        let mut follower = stream.subscribe();
        for n in 0..10 {
            stream.publish(Arc::new(n));
        }
        assert!(matches!(follower.next().await, Next::Missed(6)));
        assert!(matches!(follower.next().await, Next::Record(n) if *n == 6));
        drop(stream);
        for n in 7..10 {
            assert!(matches!(follower.next().await, Next::Record(m) if *m == n));
        }
        assert!(matches!(follower.next().await, Next::End));
    }
}
