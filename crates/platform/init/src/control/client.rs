//! Whoever asks the supervisor something: a blocking client.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{LONGEST_LINE, Reply, Request, SOCKET, reachable};

/// A connection to a supervisor.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Why the supervisor does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("no supervisor answers at {path}: is `perigee init` running, and is --runtime right?")]
    Nobody {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection was lost.
    #[error("the supervisor does not answer any more")]
    Lost(#[source] io::Error),
    /// It has said something that is no answer.
    #[error("the supervisor has said something that this program does not understand: {0}")]
    Answer(String),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// Connects to the supervisor whose run-time files are in this folder.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(runtime: &Path) -> Result<Client, ClientError> {
        let path = runtime.join(SOCKET);
        let connected = reachable(runtime).and_then(|(_folder, path)| UnixStream::connect(path));
        let stream = connected.map_err(|source| ClientError::Nobody { path, source })?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Asks, and shows every line of the answer but the last.
    ///
    /// # Errors
    /// It was refused, or the connection was lost.
    pub fn ask(&mut self, request: &Request, mut show: impl FnMut(Reply)) -> Result<(), ClientError> {
        self.send(request)?;
        loop {
            match self.next_reply()? {
                Reply::Done => return Ok(()),
                Reply::Refused { why } => return Err(ClientError::Refused(why)),
                reply => show(reply),
            }
        }
    }

    /// Asks, and gives every line of the answer but the last.
    ///
    /// # Errors
    /// See [`Client::ask`].
    pub fn all(&mut self, request: &Request) -> Result<Vec<Reply>, ClientError> {
        let mut replies = Vec::new();
        self.ask(request, |reply| replies.push(reply))?;
        Ok(replies)
    }

    /// Asks only.
    ///
    /// # Errors
    /// The connection was lost.
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line =
            serde_json::to_string(request).map_err(|error| ClientError::Answer(error.to_string()))?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).map_err(ClientError::Lost)
    }

    /// The next line of an answer.
    ///
    /// # Errors
    /// The connection was lost, or the line is no answer.
    pub fn next_reply(&mut self) -> Result<Reply, ClientError> {
        let mut line = String::new();
        let most = LONGEST_LINE as u64;
        let read = self.stream.by_ref().take(most).read_line(&mut line).map_err(ClientError::Lost)?;
        if read == 0 {
            return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str(&line).map_err(|_| ClientError::Answer(line.trim_end().to_owned()))
    }
}
