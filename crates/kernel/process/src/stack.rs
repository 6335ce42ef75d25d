//! Stacks for children that share the parent's memory, with what the child reports at their upper end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use nix::errno::Errno;

/// What the child needs is far less; a page that is not touched costs nothing.
const SIZE: usize = 64 << 10;
/// Below it: a page that nobody may touch, so that an overflow is a fault and no silent damage.
const GUARD: usize = 64 << 10;
/// Stacks kept for the next child.
const MOST_KEPT: usize = 16;
/// Failures of steps that may fail, which are told.
pub(crate) const MOST_LENIENT: usize = 32;
/// Variables whose value is the process's own number.
pub(crate) const MOST_PID_VARIABLES: usize = 4;
/// Octets of such a variable, with name and number and NUL.
pub(crate) const PID_VARIABLE: usize = 64;

/// What the child tells. It is the child's alone until [`Report::alive`] is zero.
pub(crate) struct Report {
    /// One until the child has ended or become its program; then the kernel writes a zero and wakes who waits.
    pub(crate) alive: AtomicU32,
    /// The step that the child is at.
    pub(crate) at: AtomicU32,
    /// Why it failed; zero as long as it did not.
    pub(crate) errno: AtomicI32,
    /// How many steps failed which may.
    pub(crate) lenient_count: AtomicU32,
    /// Which, and why: the index above, the error below.
    pub(crate) lenient: [AtomicU64; MOST_LENIENT],
}

/// What lies above the stack.
#[repr(C, align(64))]
struct Top {
    report: Report,
    /// Variables of the environment that are `NAME=` until the child writes its own number behind.
    variables: [[u8; PID_VARIABLE]; MOST_PID_VARIABLES],
}

/// A stack, mapped for its own.
pub(crate) struct Stack {
    base: *mut libc::c_void,
}

// SAFETY: a mapping belongs to the whole process; whoever has the value has it alone.
unsafe impl Send for Stack {}

static KEPT: Mutex<Vec<Stack>> = Mutex::new(Vec::new());

impl Stack {
    /// A kept stack, or a new one. The report is as at the beginning.
    pub(crate) fn take() -> Result<Stack, Errno> {
        let kept = KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let stack = match kept {
            Some(stack) => stack,
            None => Stack::map()?,
        };
        let report = stack.report();
        report.alive.store(1, Ordering::Relaxed);
        report.at.store(0, Ordering::Relaxed);
        report.errno.store(0, Ordering::Relaxed);
        report.lenient_count.store(0, Ordering::Relaxed);
        Ok(stack)
    }

    fn map() -> Result<Stack, Errno> {
        // Shared, so that a child with memory of its own can report too.
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of the kernel's choice; no memory in use is touched.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), GUARD + SIZE, protection, flags | libc::MAP_NORESERVE, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let stack = Stack { base };
        // SAFETY: the lower part of the mapping just made, which nobody uses yet.
        if unsafe { libc::mprotect(base, GUARD, libc::PROT_NONE) } != 0 {
            return Err(Errno::last());
        }
        Ok(stack)
    }

    /// For the next child. Only once this one has ended or become its program.
    pub(crate) fn give_back(self) {
        let mut kept = KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() < MOST_KEPT {
            kept.push(self);
        }
    }

    /// The lowest octet of the stack, and its length: what clone3(2) wants.
    pub(crate) fn range(&self) -> (usize, usize) {
        (self.base as usize + GUARD, SIZE - size_of::<Top>())
    }

    /// What the child reports.
    pub(crate) fn report(&self) -> &Report {
        let (low, length) = self.range();
        // SAFETY: the room above the stack is large enough for it and aligned to 64, all zeroes are a report, and
        // it lives as long as the mapping. All of it is atomic.
        unsafe { &(*((low + length) as *const Top)).report }
    }

    /// Where a variable stands.
    pub(crate) fn variable(&mut self, index: usize) -> *mut [u8; PID_VARIABLE] {
        let (low, length) = self.range();
        assert!(index < MOST_PID_VARIABLES, "there are not so many places for variables");
        let top = (low + length) as *mut Top;
        // SAFETY: inside of the mapping, as the assertion says.
        unsafe { (&raw mut (*top).variables).cast::<[u8; PID_VARIABLE]>().add(index) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, of which no reference outlives the value.
        unsafe { libc::munmap(self.base, GUARD + SIZE) };
    }
}
