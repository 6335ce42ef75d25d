//! What a new process does before it becomes its program: one system call, or a few that belong together, a step.

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;

/// An instruction of a system call filter, as classic BPF has it: code, jump if true, jump if false, operand.
pub type FilterInstruction = libc::sock_filter;

/// A step. They are taken in the order of the list; each is a thin name for the system call in its words.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// A session of its own, without a controlling terminal: setsid(2).
    Session,
    /// Every signal as it is by default; `SIGPIPE` ignored where told. Signals are blocked until the program begins.
    Signals {
        /// Whether writing into a closed pipe is an error instead of the end.
        ignore_pipe: bool,
    },
    /// Writes `0`, which is whoever writes, into this open `cgroup.procs` or `tasks`.
    JoinGroup(Arc<OwnedFd>),
    /// The descriptors of the launch come to their places, and all others close when the program begins. Where the
    /// list has no such step it is the first one. Steps that take a descriptor stand before it.
    Descriptors,
    /// Descriptor 0 is a terminal and becomes the controlling one; from another session, where told.
    Terminal {
        /// Whether it may be taken from another session.
        steal: bool,
    },
    /// prlimit(2).
    Limit {
        /// `RLIMIT_…`.
        resource: u32,
        /// The soft bound; the largest number is none.
        soft: u64,
        /// The hard bound.
        hard: u64,
    },
    /// setpriority(2).
    Nice(i32),
    /// ioprio_set(2): class and level, packed.
    IoPriority(u32),
    /// sched_setscheduler(2).
    Scheduler {
        /// `SCHED_…`.
        policy: u32,
        /// From 1 to 99 for real-time policies, else 0.
        priority: u32,
        /// Whether children go back to the ordinary policy.
        reset_on_fork: bool,
    },
    /// sched_setaffinity(2): a bit for each processor, in words of the machine.
    Affinity(Vec<usize>),
    /// set_mempolicy(2): mode, and a bit for each node.
    MemoryPolicy {
        /// `MPOL_…`.
        mode: u32,
        /// A bit for each node.
        nodes: u64,
    },
    /// prctl(PR_SET_TIMERSLACK), in nanoseconds.
    TimerSlack(u64),
    /// `/proc/self/oom_score_adj`. The process then gets a copy of the parent's memory instead of sharing it: the
    /// kernel gives all who share memory the same score.
    OomScore(i32),
    /// personality(2).
    Personality(u64),
    /// A session keyring of its own: keyctl(2).
    Keyring {
        /// Whether the user's keyring is linked into it.
        link_user: bool,
    },
    /// umask(2).
    Umask(u32),
    /// chdir(2).
    Directory(CString),
    /// chroot(2), and into it.
    Root(CString),
    /// Writes this into that file. The process then gets a copy of the parent's memory, since what stands in
    /// `/proc/self` may be about memory.
    Write {
        /// The file; it must exist.
        path: CString,
        /// What is written, at once.
        text: Vec<u8>,
    },
    /// setgroups(2).
    Groups(Vec<u32>),
    /// setresgid(2), all three.
    Gid(u32),
    /// setresuid(2), all three.
    Uid(u32),
    /// prctl(PR_SET_KEEPCAPS): the permitted capabilities stay when the user changes.
    KeepCapabilities(bool),
    /// prctl(PR_SET_SECUREBITS).
    SecureBits(u32),
    /// Drops every capability from the bounding set which has no bit here.
    Bounding(u64),
    /// capset(2): a bit for each capability.
    Capabilities {
        /// In force.
        effective: u64,
        /// Can be brought into force.
        permitted: u64,
        /// Survive an execve(2) where the file has them too.
        inheritable: u64,
    },
    /// prctl(PR_CAP_AMBIENT): none, then those with a bit here, which must be permitted and inheritable.
    Ambient(u64),
    /// prctl(PR_SET_NO_NEW_PRIVS).
    NoNewPrivileges,
    /// seccomp(2): a filter of system calls; needs `CAP_SYS_ADMIN` or [`Step::NoNewPrivileges`]. It comes after all
    /// steps but other filters, since it applies to them too. Signals are not blocked any more from here on.
    Filter(Vec<FilterInstruction>),
    /// unshare(2). With `CLONE_NEWUSER` the process gets a copy of the parent's memory, since the kernel demands it.
    Unshare(i32),
    /// setns(2).
    Enter {
        /// An open namespace.
        file: Arc<OwnedFd>,
        /// `CLONE_NEW…`.
        kind: i32,
    },
    /// The same behind [`Step::Descriptors`]: the namespace is a descriptor of the launch, here by its place there, and
    /// closed by this step, whether it could be entered or not.
    EnterLast {
        /// Its place among the descriptors.
        fd: RawFd,
        /// `CLONE_NEW…`.
        kind: i32,
    },
    /// The loopback interface goes up.
    Loopback,
    /// sethostname(2).
    HostName(CString),
    /// mount(2), with nothing added.
    Mount {
        /// What; empty where the kind needs none.
        source: CString,
        /// Where.
        target: CString,
        /// The kind of file system; empty for binds and changes.
        kind: CString,
        /// `MS_…`.
        flags: u64,
        /// The options.
        data: CString,
    },
    /// mount_setattr(2): attributes of a mount.
    MountAttributes {
        /// A mount point.
        path: CString,
        /// `MOUNT_ATTR_…` to be set.
        set: u64,
        /// And to be cleared.
        clear: u64,
        /// Whether those below it too.
        recursive: bool,
    },
    /// umount2(2).
    Unmount {
        /// A mount point.
        path: CString,
        /// `MNT_…`.
        flags: i32,
    },
    /// The folder, which is a mount point, becomes the root, and the old one is taken away: pivot_root(2).
    Pivot(CString),
    /// mkdir(2); one that is there already is as good.
    Folder {
        /// Where.
        path: CString,
        /// With these rights.
        mode: u32,
    },
    /// An empty file; one that is there already is as good.
    EmptyFile(CString),
    /// mknod(2). Where that is not permitted, because of a capability, a user namespace or the rules of a control
    /// group, the device file that there is already is mounted on an empty file.
    Node {
        /// Where.
        path: CString,
        /// Kind and rights.
        mode: u32,
        /// Which device.
        device: u64,
        /// A file of the same device.
        real: CString,
    },
    /// symlink(2).
    Link {
        /// What it points at.
        target: CString,
        /// Where.
        path: CString,
    },
}

impl Step {
    /// What it is, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Session => "opening a session",
            Step::Signals { .. } => "resetting the signals",
            Step::JoinGroup(_) => "joining the control group",
            Step::Descriptors => "placing the descriptors",
            Step::Terminal { .. } => "taking the terminal",
            Step::Limit { .. } => "setting a resource limit",
            Step::Nice(_) => "setting the nice level",
            Step::IoPriority(_) => "setting the I/O priority",
            Step::Scheduler { .. } => "setting the scheduling policy",
            Step::Affinity(_) => "choosing the processors",
            Step::MemoryPolicy { .. } => "choosing the memory nodes",
            Step::TimerSlack(_) => "setting the timer slack",
            Step::OomScore(_) => "setting the out-of-memory score",
            Step::Personality(_) => "setting the personality",
            Step::Keyring { .. } => "making a session keyring",
            Step::Umask(_) => "setting the file mode mask",
            Step::Directory(_) => "changing to the working directory",
            Step::Root(_) => "changing the root directory",
            Step::Write { .. } => "writing a setting",
            Step::Groups(_) => "setting the supplementary groups",
            Step::Gid(_) => "changing the group",
            Step::Uid(_) => "changing the user",
            Step::KeepCapabilities(_) => "keeping the capabilities",
            Step::SecureBits(_) => "setting the secure bits",
            Step::Bounding(_) => "limiting the capabilities",
            Step::Capabilities { .. } => "setting the capabilities",
            Step::Ambient(_) => "setting the ambient capabilities",
            Step::NoNewPrivileges => "forbidding new privileges",
            Step::Filter(_) => "filtering system calls",
            Step::Unshare(_) => "making namespaces",
            Step::Enter { .. } | Step::EnterLast { .. } => "entering a namespace",
            Step::Loopback => "bringing the loopback interface up",
            Step::HostName(_) => "setting the host name",
            Step::Mount { .. } => "mounting",
            Step::MountAttributes { .. } => "changing a mount",
            Step::Unmount { .. } => "unmounting",
            Step::Pivot(_) => "changing the root file system",
            Step::Folder { .. } => "making a folder",
            Step::EmptyFile(_) => "making a file",
            Step::Node { .. } => "making a device file",
            Step::Link { .. } => "making a symbolic link",
        }
    }

    /// Whether it cannot be taken while memory is shared with the parent.
    pub(crate) fn needs_own_memory(&self) -> bool {
        match self {
            Step::OomScore(_) | Step::Write { .. } => true,
            Step::Unshare(flags) => flags & libc::CLONE_NEWUSER != 0,
            Step::Enter { kind, .. } | Step::EnterLast { kind, .. } => {
                *kind == 0 || kind & libc::CLONE_NEWUSER != 0
            }
            _ => false,
        }
    }
}
