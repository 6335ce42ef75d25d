//! The queue of one client, shared by those who fill it and the one who sends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::queue::{Frame, Limits, Queue};
use crate::wire::Format;
use crate::wire::client::Topic;
use crate::wire::server::{Chunk, Encoded, ServerMessage};

/// See [`Queue`] for what happens to clients that are slow.
#[derive(Debug)]
pub(crate) struct Outbox {
    format: Format,
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

/// What the sender does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send this.
    Frame(Frame),
    /// Close: the client let too many messages pile up.
    Overflown,
}

impl Outbox {
    /// Empty.
    pub(crate) fn new(format: Format, limits: Limits) -> Self {
        Self {
            format,
            queue: Mutex::new(Queue::new(format, limits)),
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// How the messages are encoded.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Adds values and returns how many samples were dropped for them.
    pub(crate) fn values(&self, chunk: Chunk) -> u64 {
        let dropped = self.lock().push_values(chunk);
        self.filled.notify_one();
        dropped
    }

    /// Values were lost on the way here.
    pub(crate) fn missed(&self, samples: u64) {
        self.lock().add_missed(samples);
        self.filled.notify_one();
    }

    /// Adds a message that must arrive.
    pub(crate) fn message(&self, message: Encoded) {
        self.lock().push_message(message);
        self.filled.notify_one();
    }

    /// Adds a message about what there was before the client came.
    pub(crate) fn greeting(&self, message: Encoded) {
        self.lock().push_greeting(message);
        self.filled.notify_one();
    }

    /// Adds the answer to a message of the client.
    pub(crate) fn answer(&self, answer: &ServerMessage<'_, ()>) {
        self.message(answer.encode(self.format));
    }

    /// Adds a state that makes older ones of the same topic worthless.
    pub(crate) fn state(&self, topic: Topic, message: Encoded) {
        self.lock().push_state(topic, message);
        self.filled.notify_one();
    }

    /// Waits for something to send. For one sender.
    pub(crate) async fn next(&self) -> Next {
        loop {
            {
                let mut queue = self.lock();
                if queue.overflown() {
                    return Next::Overflown;
                }
                if let Some(frame) = queue.pop() {
                    if queue.has_room() {
                        self.drained.notify_one();
                    }
                    return Next::Frame(frame);
                }
            }
            self.filled.notified().await;
        }
    }

    /// The next message if there is one already.
    pub(crate) fn try_next(&self) -> Option<Frame> {
        self.lock().pop()
    }

    /// Waits until there is room for the answer to another message of the client, so that one which asks
    /// faster than it listens is read no faster. For one reader.
    pub(crate) async fn room(&self) {
        while !self.lock().has_room() {
            self.drained.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
