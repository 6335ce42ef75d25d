//! Which values conditions, sizes, calibrators and times look at: each instance of each such parameter
//! gets a slot that decoding keeps it in.

use std::collections::HashMap;

use super::Slot;
use crate::database::container::What;
use crate::database::criteria::{IntegerValue, Reference};
use crate::database::types::{Encoding, Engineering, Origin, Type};
use crate::database::{Database, ParameterId};
use crate::value::Value;

/// The slot of a reference.
pub(super) fn slot(slots: &HashMap<ParameterId, (u32, u32)>, reference: Reference) -> Slot {
    let (first, depth) = slots.get(&reference.parameter).copied().unwrap_or((0, 1));
    Slot { index: first + u32::from(reference.instance).min(depth - 1), calibrated: reference.calibrated }
}

/// A slot for each instance that anything in the database looks at.
pub(super) fn slots(database: &Database) -> (HashMap<ParameterId, (u32, u32)>, Vec<Value>) {
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
    initial.push(Value::Absent);
    (slots, initial)
}

impl Database {
    /// The initial engineering value of a parameter, where it is a plain one.
    fn initial(&self, id: ParameterId) -> Value {
        let parameter = &self.parameters[id.0 as usize];
        let Some(text) = parameter.initial_value.as_deref() else { return Value::Absent };
        match self.type_of(id).and_then(Type::scalar).map(|scalar| &scalar.engineering) {
            Some(Engineering::Integer { .. }) => text.trim().parse().map_or(Value::Absent, Value::Signed),
            Some(Engineering::Float) => text.trim().parse().map_or(Value::Absent, Value::Float),
            Some(Engineering::Boolean { zero, one }) => match text {
                text if text == one => Value::Boolean(true),
                text if text == zero => Value::Boolean(false),
                _ => Value::Absent,
            },
            Some(Engineering::Enumerated(enumeration)) => enumeration
                .labels
                .iter()
                .position(|label| label == text)
                .map_or(Value::Absent, |index| Value::Label(index as u32)),
            _ => Value::Absent,
        }
    }
}
