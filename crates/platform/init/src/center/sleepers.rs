//! Those who wait for the next event: each watch has a bit that says so, and the writer looks at the bits.
//!
//! No wake-up is lost. Who wants to sleep sets its bit, and then looks for events once more; the writer adds the event
//! first and looks at the bits afterwards. Both in the one order that all threads agree on (`SeqCst`), so that one of
//! the two sees the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use arc_swap::ArcSwapOption;

/// Words of 64 bits in a block, and blocks.
const WORDS: usize = 16;
const BLOCKS: usize = 64;

/// Watches that can be woken. One above them looks for events every [`super::watch::POLL`] instead.
#[cfg(test)]
pub(super) const MOST: usize = 64 * WORDS * BLOCKS;

/// How someone is woken.
pub(super) enum Alarm {
    /// A thread that is parked.
    Thread(Thread),
    /// Anything else.
    Call(Arc<dyn Fn() + Send + Sync>),
}

/// The place of one watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    block: usize,
    word: usize,
    bit: u32,
}

struct Block {
    used: [AtomicU64; WORDS],
    asleep: [AtomicU64; WORDS],
    alarms: Vec<ArcSwapOption<Alarm>>,
}

impl Block {
    fn new() -> Block {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        let alarms = (0..64 * WORDS).map(|_| ArcSwapOption::empty()).collect();
        Block { used: zeros(), asleep: zeros(), alarms }
    }
}

pub(super) struct Sleepers {
    blocks: [OnceLock<Block>; BLOCKS],
}

impl Default for Sleepers {
    fn default() -> Sleepers {
        Sleepers { blocks: std::array::from_fn(|_| OnceLock::new()) }
    }
}

impl Sleepers {
    /// A place for a new watch, as long as there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        for (number, block) in self.blocks.iter().enumerate() {
            let block = block.get_or_init(Block::new);
            for (word, used) in block.used.iter().enumerate() {
                let mut seen = used.load(Ordering::Relaxed);
                while seen != u64::MAX {
                    let bit = seen.trailing_ones();
                    seen = used.fetch_or(1 << bit, Ordering::AcqRel);
                    if seen & (1 << bit) == 0 {
                        return Some(Place { block: number, word, bit });
                    }
                }
            }
        }
        None
    }

    /// Gives a place back.
    pub(super) fn leave(&self, place: Place) {
        let Some((block, mask)) = self.block(place) else { return };
        block.asleep[place.word].fetch_and(!mask, Ordering::SeqCst);
        block.alarms[place.index()].store(None);
        block.used[place.word].fetch_and(!mask, Ordering::AcqRel);
    }

    /// Has someone woken once, by the next event; it must look for events once more after this.
    pub(super) fn sleep(&self, place: Place, alarm: Alarm) {
        let Some((block, mask)) = self.block(place) else { return };
        let cell = &block.alarms[place.index()];
        let same = match (cell.load().as_deref(), &alarm) {
            (Some(Alarm::Thread(old)), Alarm::Thread(new)) => old.id() == new.id(),
            (Some(Alarm::Call(old)), Alarm::Call(new)) => Arc::ptr_eq(old, new),
            _ => false,
        };
        if !same {
            cell.store(Some(Arc::new(alarm)));
        }
        block.asleep[place.word].fetch_or(mask, Ordering::SeqCst);
    }

    /// Wakes everyone who sleeps.
    pub(super) fn wake(&self) {
        // Blocks come into use in order.
        for block in self.blocks.iter().map_while(OnceLock::get) {
            for (word, asleep) in block.asleep.iter().enumerate() {
                if asleep.load(Ordering::SeqCst) == 0 {
                    continue;
                }
                let mut bits = asleep.swap(0, Ordering::SeqCst);
                while bits != 0 {
                    let index = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    match block.alarms[index].load().as_deref() {
                        Some(Alarm::Thread(thread)) => thread.unpark(),
                        Some(Alarm::Call(call)) => call(),
                        // It has gone meanwhile.
                        None => {}
                    }
                }
            }
        }
    }

    fn block(&self, place: Place) -> Option<(&Block, u64)> {
        Some((self.blocks[place.block].get()?, 1 << place.bit))
    }
}

impl Place {
    fn index(self) -> usize {
        self.word * 64 + self.bit as usize
    }
}

impl std::fmt::Debug for Sleepers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sleepers")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn places_are_given_once_and_come_back() {
        let sleepers = Sleepers::default();
        let mut places: Vec<_> = (0..MOST).map(|_| sleepers.enter().expect("a place")).collect();
        let different: BTreeSet<_> = places.iter().map(|place| (place.block, place.index())).collect();
        assert_eq!(different.len(), MOST);
        assert!(sleepers.enter().is_none());
        let place = places.swap_remove(12_345);
        sleepers.leave(place);
        let again = sleepers.enter().expect("the one that was given back");
        assert_eq!((again.block, again.index()), (place.block, place.index()));
    }

    #[test]
    fn everyone_is_woken_once_who_sleeps() {
        let sleepers = Sleepers::default();
        let count = Arc::new(AtomicUsize::new(0));
        let call = || {
            let count = Arc::clone(&count);
            Alarm::Call(Arc::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
            }))
        };
        let places: Vec<_> = (0..3000).map(|_| sleepers.enter().expect("a place")).collect();
        places.iter().for_each(|place| sleepers.sleep(*place, call()));
        sleepers.leave(places[7]);
        sleepers.wake();
        sleepers.wake();
        assert_eq!(count.load(Ordering::Relaxed), 2999);
        sleepers.sleep(places[2500], call());
        sleepers.wake();
        assert_eq!(count.load(Ordering::Relaxed), 3000);
    }
}
