//! What processes leave behind in the namespace of inter-process communication that this one is in: shared memory,
//! semaphores and message queues of System V.

use std::path::Path;

use nix::errno::Errno;

use crate::{file, raw};

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shared memory.
    Memory,
    /// A set of semaphores.
    Semaphores,
    /// A message queue.
    Messages,
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub id: i32,
    /// Who owns it.
    pub uid: u32,
    /// The group that does.
    pub gid: u32,
}

/// Kinds, with the file of each, the column of its number, and the command that removes it.
const KINDS: [(Kind, &str, &str, libc::c_long); 3] = [
    (Kind::Memory, "/proc/sysvipc/shm", "shmid", libc::SYS_shmctl),
    (Kind::Semaphores, "/proc/sysvipc/sem", "semid", libc::SYS_semctl),
    (Kind::Messages, "/proc/sysvipc/msg", "msqid", libc::SYS_msgctl),
];

/// Octets of one file that are read: some 30,000 objects, which is as many as there are without other limits.
const LONGEST: u64 = 8 << 20;

/// All of them; a kernel without has none.
pub fn list() -> Vec<Object> {
    let mut all = Vec::new();
    for (kind, path, id, _) in KINDS {
        let Ok(text) = file::read(Path::new(path), LONGEST) else { continue };
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines();
        let head: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
        let column = |name| head.iter().position(|word| *word == name);
        let (Some(id), Some(uid), Some(gid)) = (column(id), column("uid"), column("gid")) else { continue };
        for line in lines {
            let words: Vec<_> = line.split_whitespace().collect();
            let number = |column: usize| words.get(column)?.parse::<u32>().ok();
            if let (Some(id), Some(uid), Some(gid)) = (number(id), number(uid), number(gid)) {
                all.push(Object { kind, id: id as i32, uid, gid });
            }
        }
    }
    all
}

impl Object {
    /// Removes it; memory goes when the last process that has it has let go.
    ///
    /// # Errors
    /// It has gone, or is another's.
    pub fn remove(&self) -> Result<(), Errno> {
        let removes = KINDS.iter().find(|(kind, ..)| *kind == self.kind).map(|(.., call)| *call);
        let (command, id) = (libc::IPC_RMID as usize, self.id as usize);
        // Of semaphores the second number says which of a set, and counts for nothing here.
        let arguments = match self.kind {
            Kind::Semaphores => [id, 0, command, 0, 0, 0],
            Kind::Memory | Kind::Messages => [id, command, 0, 0, 0, 0],
        };
        // SAFETY: numbers alone.
        let result = unsafe { raw::call(removes.unwrap_or(-1), arguments) };
        result.map(drop).map_err(Errno::from_raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_seen_and_removed() {
        let make = |call, numbers: [usize; 3]| {
            let [a, b, c] = numbers;
            // SAFETY: numbers alone; the key 0 makes a new object.
            unsafe { raw::call(call, [a, b, c, 0, 0, 0]) }.map_err(Errno::from_raw)
        };
        let mode = (libc::IPC_CREAT | 0o600) as usize;
        let made = [
            (Kind::Memory, make(libc::SYS_shmget, [0, 4096, mode])),
            (Kind::Semaphores, make(libc::SYS_semget, [0, 2, mode])),
            (Kind::Messages, make(libc::SYS_msgget, [0, mode, 0])),
        ];
        for (kind, id) in made {
            let id = match id {
                Ok(id) => id as i32,
                Err(errno) => {
                    eprintln!("SKIPPED what_is_made_is_seen_and_removed: no {kind:?}: {errno}");
                    continue;
                }
            };
            let find = || list().into_iter().find(|object| (object.kind, object.id) == (kind, id));
            let object = find().expect("it is listed");
            assert_eq!(object.uid, nix::unistd::geteuid().as_raw());
            object.remove().expect("it is removed");
            assert_eq!(find(), None);
            assert!(object.remove().is_err());
        }
    }
}
