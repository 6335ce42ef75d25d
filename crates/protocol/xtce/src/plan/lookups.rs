//! Which values conditions, sizes, calibrators and times look at: each instance of each such parameter
//! gets a slot that decoding keeps it in.

use std::collections::HashMap;

use super::{Initial, Slot};
use crate::database::container::What;
use crate::database::criteria::{IntegerValue, Reference};
use crate::database::types::{Encoding, Engineering, Origin, Type};
use crate::database::{Database, ParameterId};
use crate::load::initial_value;

/// The slot of a reference.
pub(super) fn slot(slots: &HashMap<ParameterId, (u32, u32)>, reference: Reference) -> Slot {
    let (first, depth) = slots.get(&reference.parameter).copied().unwrap_or((0, 1));
    Slot { index: first + u32::from(reference.instance).min(depth - 1), calibrated: reference.calibrated }
}

/// A slot for each instance that anything in the database looks at.
pub(super) fn slots(database: &Database) -> (HashMap<ParameterId, (u32, u32)>, Vec<Initial>) {
    let mut depths: HashMap<ParameterId, u32> = HashMap::new();
    let mut note = |reference: Reference| {
        let depth = depths.entry(reference.parameter).or_default();
        *depth = (*depth).max(u32::from(reference.instance) + 1);
    };
    for layout in database.layouts.iter().flatten() {
        let mut value = |value: &IntegerValue| {
            let _ = value.map(&mut note);
        };
        layout.size.iter().for_each(&mut value);
        for entry in &layout.entries {
            entry.location.iter().for_each(|location| value(&location.bits));
            if let Some(repeat) = &entry.repeat {
                value(&repeat.count);
                repeat.offset.iter().for_each(&mut value);
            }
            if let What::Array(_, dimensions) = &entry.what {
                for dimension in dimensions {
                    value(&dimension.start);
                    value(&dimension.end);
                }
            }
        }
        let base = layout.base.iter().filter_map(|(_, criteria)| criteria.as_ref());
        for criteria in base.chain(layout.entries.iter().filter_map(|entry| entry.include.as_ref())) {
            let _ = criteria.map(&mut note);
        }
    }
    for validity in database.parameters.iter().filter_map(|parameter| parameter.validity.as_ref()) {
        let _ = validity.map(&mut note);
    }
    for own in &database.types {
        match own {
            Type::Scalar(scalar) => {
                match &scalar.encoding {
                    Some(Encoding::Binary { size }) => {
                        let _ = size.map(&mut note);
                    }
                    Some(Encoding::String(coding)) => {
                        let _ = coding.buffer.as_ref().map(|buffer| buffer.map(&mut note));
                    }
                    _ => {}
                }
                if let Some(calibration) = scalar.encoding.as_ref().and_then(Encoding::calibration) {
                    for (context, calibrator) in &calibration.contexts {
                        let _ = context.map(&mut note);
                        let _ = calibrator.map(&mut note);
                    }
                    let _ = calibration.default.as_ref().map(|calibrator| calibrator.map(&mut note));
                }
                if let Engineering::AbsoluteTime(time) | Engineering::RelativeTime(time) = &scalar.engineering
                    && let Origin::OffsetFrom(reference) = time.origin
                {
                    note(reference);
                }
            }
            Type::Array { dimensions, .. } => {
                for dimension in dimensions {
                    let _ = dimension.start.map(&mut note);
                    let _ = dimension.end.map(&mut note);
                }
            }
            _ => {}
        }
    }
    let mut slots = HashMap::new();
    let mut initial = Vec::new();
    let mut ordered: Vec<_> = depths.into_iter().collect();
    ordered.sort_unstable();
    for (parameter, depth) in ordered {
        slots.insert(parameter, (initial.len() as u32, depth));
        initial.extend(std::iter::repeat_n(database.initial(parameter), depth as usize));
    }
    // A slot that is never written, for references that lead nowhere.
    initial.push(Initial::default());
    (slots, initial)
}

impl Database {
    /// The initial engineering value of a parameter, and its octets.
    fn initial(&self, id: ParameterId) -> Initial {
        let text = self.parameter(id).and_then(|parameter| parameter.initial_value.as_deref());
        let scalar = self.type_of(id).and_then(Type::scalar);
        text.zip(scalar)
            .and_then(|(text, scalar)| initial_value(&scalar.engineering, text))
            .unwrap_or_default()
    }
}
