//! What the processes of a run have in common, and those of other units that join it (`JoinsNamespaceOf=`): folders for
//! `/tmp`, and namespaces. It goes with the last that has it, when
//! its run is over.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use perigee_process::namespace;

use super::{ExecError, Namespaces, Owners, temporary};

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    /// Folders for `/tmp` and `/var/tmp`.
    pub(super) tmp: Option<Arc<[PathBuf; 2]>>,
    pub(super) network: Option<Arc<OwnedFd>>,
    pub(super) ipc: Option<Arc<OwnedFd>>,
    /// `PrivateUsers=`: each run has its own.
    pub(super) users: Option<Arc<OwnedFd>>,
}

impl Shared {
    /// Takes what others have, and makes what nobody has.
    pub(super) fn complete(
        &mut self,
        unit: &str,
        namespaces: &Namespaces,
        can: bool,
        others: &[Shared],
    ) -> Result<(), ExecError> {
        if namespaces.tmp && self.tmp.is_none() {
            self.tmp = match others.iter().find_map(|other| other.tmp.clone()) {
                Some(tmp) => Some(tmp),
                None => Some(Arc::new(temporary::make(unit)?)),
            };
        }
        if namespaces.network && namespaces.network_path.is_none() && can && self.network.is_none() {
            let theirs = others.iter().find_map(|other| other.network.clone());
            self.network = Some(or_make(theirs, "PrivateNetwork", namespace::network)?);
        }
        if namespaces.ipc && namespaces.ipc_path.is_none() && can && self.ipc.is_none() {
            let theirs = others.iter().find_map(|other| other.ipc.clone());
            self.ipc = Some(or_make(theirs, "PrivateIPC", namespace::ipc)?);
        }
        Ok(())
    }

    /// `PrivateUsers=`; why there is none, in words.
    pub(super) fn complete_users(&mut self, owners: Owners) -> Result<(), String> {
        if self.users.is_none() {
            let made = namespace::users(owners.uid, owners.gid).map_err(|error| {
                format!(
                    "PrivateUsers=: no user namespace can be made here: {error}; the service sees all users"
                )
            })?;
            self.users = Some(Arc::new(made));
        }
        Ok(())
    }

    /// The run is over: what nobody else has goes. A supervisor that is killed, or becomes another program, removes nothing.
    pub(super) fn clean(&mut self) {
        if let Some(folders) = std::mem::take(self).tmp.and_then(Arc::into_inner) {
            temporary::remove(&folders);
        }
    }

    /// What a process of a run that another supervisor has begun is in.
    pub(super) fn resume(&mut self, main: i32, names: &[&str], namespaces: &Namespaces, others: &[Shared]) {
        let open =
            |kind: &str| File::open(format!("/proc/{main}/ns/{kind}")).ok().map(|file| Arc::new(file.into()));
        if namespaces.tmp && self.tmp.is_none() {
            let folders = names.iter().find_map(|name| temporary::used_by(main, name));
            let theirs = || others.iter().filter_map(|other| other.tmp.clone());
            self.tmp = folders
                .map(|folders| theirs().find(|tmp| **tmp == folders).unwrap_or_else(|| Arc::new(folders)));
        }
        if namespaces.network && self.network.is_none() {
            self.network = open("net");
        }
        if namespaces.ipc && self.ipc.is_none() {
            self.ipc = open("ipc");
        }
        if namespaces.users && self.users.is_none() {
            self.users = open("user");
        }
    }
}

fn or_make(
    theirs: Option<Arc<OwnedFd>>,
    directive: &'static str,
    make: fn() -> io::Result<OwnedFd>,
) -> Result<Arc<OwnedFd>, ExecError> {
    match theirs {
        Some(theirs) => Ok(theirs),
        None => make().map(Arc::new).map_err(|source| ExecError::Namespace { directive, source }),
    }
}
