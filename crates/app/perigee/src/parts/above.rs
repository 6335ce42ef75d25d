//! The supervisor that has started this program takes its parts: it says on a socket what is to become of them, and
//! hears there what has ([`perigee_units::tasks`]).
//!
//! When that supervisor is gone, or does not take the parts, the station drains and ends with an error: there is one who
//! decides about its parts, and the next supervisor, which finds the service again, starts it anew.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockType, getsockopt, recvmsg, send, sockopt};
use perigee_part::node::{self, Orders};
use perigee_process::pidfd::received;
use perigee_units::tasks::{LONGEST_PACKET, Order, PID_VARIABLE, Said, Task, VARIABLE};

use crate::keeper::Keeper;

/// What waits to be said; whoever says more than this waits.
const MOST_WAITING: usize = 1024;

/// The connection to the supervisor; clones are the same one.
#[derive(Clone)]
pub(crate) struct Above {
    socket: Arc<OwnedFd>,
    say: SyncSender<Said>,
    waiting: Arc<Mutex<Option<Receiver<Said>>>>,
    ending: Arc<Mutex<Ending>>,
}

/// Who has ended it first.
#[derive(Default)]
enum Ending {
    #[default]
    Open,
    /// This program is about to end.
    Here,
    /// The supervisor, for this reason.
    There(String),
}

impl Above {
    /// The supervisor that has started this process, if it takes task units.
    ///
    /// # Errors
    /// The variables name a descriptor that is no such socket.
    pub(crate) fn inherited() -> anyhow::Result<Option<Above>> {
        let own = std::process::id().to_string();
        let Ok(number) = std::env::var(VARIABLE) else { return Ok(None) };
        // Whoever is started by a process that has such a socket has its variables, but not the socket.
        if std::env::var(PID_VARIABLE).as_ref() != Ok(&own) {
            return Ok(None);
        }
        let number: RawFd = number.parse().with_context(|| format!("{VARIABLE}={number}"))?;
        ensure!(number > 2, "{VARIABLE}={number}: that is no socket of a supervisor");
        let socket = received(number);
        let kind = getsockopt(&socket, sockopt::SockType);
        if kind != Ok(SockType::SeqPacket) {
            // Whatever it is, it is somebody else's.
            let _ = socket.into_raw_fd();
            bail!("{VARIABLE}={number}: that is no socket of a supervisor");
        }
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("taking the supervisor's socket")?;
        Ok(Some(Above::new(socket)))
    }

    pub(super) fn new(socket: OwnedFd) -> Above {
        let (say, waiting) = sync_channel(MOST_WAITING);
        let waiting = Arc::new(Mutex::new(Some(waiting)));
        Above { socket: Arc::new(socket), say, waiting, ending: Arc::default() }
    }

    /// Says which parts there are, and takes orders about them from then on.
    pub(super) fn begin(&self, tasks: Vec<Task>, orders: Orders, keeper: Keeper) -> anyhow::Result<()> {
        self.send(&Said::Tasks(tasks)).context("bringing the parts to the supervisor")?;
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (hears, says) = (self.clone(), Arc::clone(&self.socket));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("supervisor")
            .spawn(move || hears.hear(&orders, &keeper))
            .context("listening to the supervisor")?;
        if let Some(waiting) = waiting {
            let speak = move || waiting.iter().try_for_each(|said| send_to(&says, &said));
            thread("reports").spawn(speak).context("speaking to the supervisor")?;
        }
        Ok(())
    }

    fn send(&self, said: &Said) -> io::Result<()> {
        send_to(&self.socket, said)
    }

    pub(super) fn say(&self, said: Said) {
        if said == Said::End {
            let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*ending, Ending::Open) {
                *ending = Ending::Here;
            }
        }
        // When there is nobody to tell, the orders have ended too.
        let _ = self.say.send(said);
    }

    /// Takes orders until there are no more; the node stops when nobody is left who could give any.
    fn hear(&self, orders: &Orders, keeper: &Keeper) {
        let why = loop {
            let order = match self.receive() {
                Ok(Some((packet, log))) => match (Order::parse(&packet), log) {
                    (Ok(Order::Start(part)), Some(log)) => {
                        keeper.write_to(&part, log);
                        node::Order::Start(part)
                    }
                    (Ok(Order::Start(part)), None) => node::Order::Start(part),
                    (Ok(Order::Drain(part)), _) => node::Order::Drain(part),
                    (Ok(Order::Kill(part)), _) => node::Order::Kill(part),
                    (Ok(Order::Refused(why)), _) => {
                        break format!("the supervisor does not take the parts: {why}");
                    }
                    (Err(fault), _) => {
                        tracing::warn!(target: "node", %fault, "the supervisor has said what nobody understands");
                        continue;
                    }
                },
                Ok(None) => break "the supervisor is gone".to_owned(),
                Err(error) => break format!("the supervisor cannot be heard: {error}"),
            };
            if !orders.give(order) {
                tracing::debug!(target: "node", "the node has ended, and takes no orders");
            }
        };
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*ending, Ending::Open) {
            tracing::error!(target: "node", why, "stopping");
            *ending = Ending::There(why);
        }
    }

    /// The next packet, with what came beside it; none when the supervisor is gone.
    fn receive(&self) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
        let mut packet = vec![0; LONGEST_PACKET];
        loop {
            let mut control = cmsg_space!([RawFd; 1]);
            let mut slices = [IoSliceMut::new(&mut packet)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let got = match recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags) {
                Err(Errno::EINTR) => continue,
                Err(Errno::ECONNRESET) => return Ok(None),
                got => got?,
            };
            let beside = got.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::ScmRights(numbers) => numbers.first().copied().map(received),
                _ => None,
            });
            let octets = got.bytes;
            packet.truncate(octets);
            return Ok((octets > 0).then_some((packet, beside)));
        }
    }

    /// Whether the supervisor has ended it, which is none of this program's doing.
    pub(super) fn end(self) -> anyhow::Result<()> {
        match &*self.ending.lock().unwrap_or_else(PoisonError::into_inner) {
            Ending::There(why) => bail!("{why}"),
            Ending::Open | Ending::Here => Ok(()),
        }
    }
}

fn send_to(socket: &impl AsFd, said: &Said) -> io::Result<()> {
    let packet = said.packet().map_err(io::Error::other)?;
    loop {
        match send(socket.as_fd().as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL) {
            Err(Errno::EINTR) => {}
            sent => return sent.map(drop).map_err(io::Error::from),
        }
    }
}
