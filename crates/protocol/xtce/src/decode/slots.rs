//! Values that conditions, sizes, calibrators and times look at: the latest of each parameter that
//! anything refers to, and as many before it as `instance` asks for.

use crate::database::criteria::Reading;
use crate::plan::{Initial, Slot, Store};
use crate::value::Value;

/// The values kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Vec<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    raw: Value,
    eng: Value,
    octets: Vec<u8>,
}

impl Slots {
    /// Slots that start with initial values.
    pub(crate) fn new(initial: &[Initial]) -> Slots {
        let kept =
            |(value, octets): &Initial| Kept { eng: *value, octets: octets.clone(), ..Kept::default() };
        Slots(initial.iter().map(kept).collect())
    }

    /// The value of a slot.
    #[inline]
    pub(crate) fn read(&self, slot: Slot) -> Reading<'_> {
        match self.0.get(slot.index as usize) {
            Some(kept) => {
                Reading { value: if slot.calibrated { kept.eng } else { kept.raw }, octets: &kept.octets }
            }
            None => Reading::default(),
        }
    }

    /// Keeps a value, moving the earlier ones on.
    #[inline]
    pub(crate) fn keep(&mut self, store: Store, raw: Value, eng: Value, octets: &[u8]) {
        let slots = &mut self.0[store.slot as usize..(store.slot + store.depth) as usize];
        if store.depth > 1 {
            slots.rotate_right(1);
        }
        let kept = &mut slots[0];
        kept.raw = raw;
        kept.eng = eng;
        if !octets.is_empty() || !kept.octets.is_empty() {
            kept.octets.clear();
            kept.octets.extend_from_slice(octets);
        }
    }
}
