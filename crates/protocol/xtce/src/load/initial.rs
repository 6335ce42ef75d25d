//! Initial values: what conditions and sizes find until the first packet brings a value.

use super::time::{parse_absolute, parse_duration};
use super::{Loader, xml};
use crate::database::types::{Engineering, Type};
use crate::plan::Initial;
use crate::value::{Span, Value};

/// Why an `initialValue` says nothing, if so; `None` as type: of an aggregate or array.
pub(super) fn fault(engineering: Option<&Engineering>, text: &str) -> Option<String> {
    match engineering {
        None => Some(
            "the initialValue of an aggregate or array is passed over: its members have their own".into(),
        ),
        Some(engineering) if initial_value(engineering, text).is_some() => None,
        Some(_) => Some(format!("the initialValue `{text}` is passed over: it is no value of the type")),
    }
}

impl<'a> Loader<'a> {
    /// Gives notice of initial values of parameters that say nothing, once their types are loaded.
    pub(super) fn check_initial_values(&mut self) {
        for at in 0..self.parameter_nodes.len() {
            let (id, _, node) = self.parameter_nodes[at];
            let Some(text) = node.attribute("initialValue") else { continue };
            let parameter = &self.parameters[id.0 as usize];
            let own = &self.types[parameter.type_id.0 as usize];
            if matches!(own, Type::Refused) {
                continue;
            }
            if let Some(fault) = fault(own.scalar().map(|scalar| &scalar.engineering), text) {
                let name = parameter.name.clone();
                self.notice(node, &name, fault);
            }
        }
    }
}

/// An initial value as its type writes it, with the octets of a text or octet string.
pub(crate) fn initial_value(engineering: &Engineering, text: &str) -> Option<Initial> {
    let number = || xml::integer(text).map(|value| value as f64).or_else(|| xml::double(text));
    let value = match engineering {
        Engineering::Integer { .. } => {
            let value = xml::integer(text)?;
            match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => Value::Signed(value),
                (_, Ok(value)) => Value::Unsigned(value),
                _ => return None,
            }
        }
        Engineering::Float => Value::Float(number()?),
        Engineering::Boolean { one, .. } if text == one => Value::Boolean(true),
        Engineering::Boolean { zero, .. } if text == zero => Value::Boolean(false),
        Engineering::Boolean { .. } => Value::Boolean(xml::boolean(&text.to_ascii_lowercase())?),
        Engineering::Enumerated(enumeration) => {
            Value::Label(enumeration.labels.iter().position(|label| label == text)? as u32)
        }
        Engineering::String => {
            let span = Span { start: 0, len: u32::try_from(text.len()).ok()? };
            return Some((Value::Text(span), text.as_bytes().to_vec()));
        }
        Engineering::Binary => {
            let octets = xml::hexadecimal(text)?;
            let span = Span { start: 0, len: u32::try_from(octets.len()).ok()? };
            return Some((Value::Binary(span), octets));
        }
        Engineering::AbsoluteTime(_) => Value::Time(parse_absolute(text)?),
        Engineering::RelativeTime(_) => Value::Float(parse_duration(text).or_else(number)?),
    };
    Some((value, Vec::new()))
}
