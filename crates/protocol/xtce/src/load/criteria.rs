//! Match criteria, parameter references and integer values (XTCE 1.2 MatchCriteriaType,
//! ParameterInstanceRefType, IntegerValueType). Custom algorithms are refused.

use super::time::{parse_absolute, parse_duration};
use super::types::{Brief, RawKind};
use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1};
use crate::database::Kind;
use crate::database::criteria::{Criteria, IntegerValue, Literal, Operand, Operator, Reference};
use crate::database::types::Engineering;
use crate::limits;

const FORMS: [&str; 3] = ["Comparison", "ComparisonList", "BooleanExpression"];
/// The forms of IntegerValueType.
pub(super) const VALUES: [&str; 3] = ["FixedValue", "DynamicValue", "DiscreteLookupList"];

impl<'a> Loader<'a> {
    /// The criteria inside an element of MatchCriteriaType.
    pub(super) fn criteria(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Criteria> {
        // MatchCriteriaType has no attributes; DiscreteLookupType adds the value.
        let attributes: &[&str] = if node.tag_name().name() == "DiscreteLookup" { &["value"] } else { &[] };
        self.only(node, place, attributes, &FORMS)?;
        match self.optional_criteria(node, place)? {
            Some(criteria) => Ok(criteria),
            None => Err(self.refuse(node, place.name, format!("{} is empty", node.tag_name().name()))),
        }
    }

    /// The criteria inside an element that may have none.
    pub(super) fn optional_criteria(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
    ) -> Result1<Option<Criteria>> {
        let Some(form) = self.choice(node, place, &FORMS)? else { return Ok(None) };
        match form.tag_name().name() {
            "Comparison" => self.comparison(form, place).map(Some),
            "ComparisonList" => {
                self.only(form, place, &[], &["Comparison"])?;
                let parts: Result1<Vec<_>> =
                    xml::named(form, "Comparison").map(|node| self.comparison(node, place)).collect();
                Ok(Some(Criteria::All(parts?)))
            }
            _ => {
                let nested = ["Condition", "ANDedConditions", "ORedConditions"];
                self.only(form, place, &[], &nested)?;
                match self.choice(form, place, &nested)? {
                    Some(inner) => self.condition(inner, place, 0).map(Some),
                    None => Err(self.refuse(form, place.name, "BooleanExpression is empty")),
                }
            }
        }
    }

    fn comparison(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Criteria> {
        let attributes = ["parameterRef", "instance", "useCalibratedValue", "comparisonOperator", "value"];
        self.only(node, place, &attributes, &[])?;
        let left = self.reference(node, place)?;
        let operator =
            self.attribute(node, place, "comparisonOperator", operator)?.unwrap_or(Operator::Equal);
        let value = self.required(node, place, "value")?;
        let right = Operand::Literal(self.literal(node, place, left, operator, value)?);
        Ok(Criteria::Compare { left, operator, right })
    }

    fn condition(&mut self, node: Node<'a>, place: Place<'_>, depth: usize) -> Result1<Criteria> {
        if depth > limits::MAX_NESTING {
            return Err(self.refuse(node, place.name, "conditions are nested too deep"));
        }
        let nested = ["Condition", "ANDedConditions", "ORedConditions"];
        match node.tag_name().name() {
            "Condition" => {
                self.only(node, place, &[], &["ParameterInstanceRef", "ComparisonOperator", "Value"])?;
                let references: Vec<_> = xml::named(node, "ParameterInstanceRef").collect();
                let word = xml::child(node, "ComparisonOperator").map(xml::text).unwrap_or_default();
                let (Some(operator), Some(left)) = (operator(&word), references.first()) else {
                    return Err(self.refuse(node, place.name, format!("comparison operator `{word}`")));
                };
                let left = self.instance(*left, place)?;
                let right = match (references.get(1), xml::child(node, "Value")) {
                    (Some(right), None) if references.len() == 2 => {
                        Operand::Reference(self.comparable(*right, place, left)?)
                    }
                    (None, Some(value)) => {
                        Operand::Literal(self.literal(node, place, left, operator, &xml::text(value))?)
                    }
                    _ => return Err(self.refuse(node, place.name, "a Condition needs one right-hand side")),
                };
                Ok(Criteria::Compare { left, operator, right })
            }
            name @ ("ANDedConditions" | "ORedConditions") => {
                self.only(node, place, &[], &nested)?;
                let parts: Result1<Vec<_>> =
                    xml::children(node).map(|child| self.condition(child, place, depth + 1)).collect();
                let parts = parts?;
                if parts.is_empty() {
                    return Err(self.refuse(node, place.name, format!("{name} is empty")));
                }
                Ok(if name == "ANDedConditions" { Criteria::All(parts) } else { Criteria::Any(parts) })
            }
            name => Err(self.refuse(
                node,
                place.name,
                format!("element `{name}` in a condition is not supported"),
            )),
        }
    }

    /// A right-hand parameter. Labels of different enumerations have nothing in common.
    fn comparable(&mut self, node: Node<'a>, place: Place<'_>, left: Reference) -> Result1<Reference> {
        let right = self.instance(node, place)?;
        let type_of = |reference: Reference| self.parameters[reference.parameter.0 as usize].type_id;
        let labelled = |reference: Reference| {
            reference.calibrated
                && matches!(
                    self.briefs[type_of(reference).0 as usize].as_ref().map(|brief| &brief.engineering),
                    Some(Engineering::Enumerated(_))
                )
        };
        if labelled(left) != labelled(right) || labelled(left) && type_of(left) != type_of(right) {
            return Err(self.refuse(node, place.name, "the two parameters are of different enumerations"));
        }
        Ok(right)
    }

    /// An element of ParameterInstanceRefType.
    pub(super) fn instance(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Reference> {
        self.only(node, place, &["parameterRef", "instance", "useCalibratedValue"], &[])?;
        self.reference(node, place)
    }

    /// `parameterRef`, `instance` and `useCalibratedValue`.
    fn reference(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Reference> {
        let name = self.required(node, place, "parameterRef")?;
        let Some(parameter) = self.resolve(&self.parameter_names, place.system, name) else {
            return Err(self.refuse(node, place.name, format!("there is no parameter `{name}`")));
        };
        if self.parameters[parameter.0 as usize].kind == Kind::Structured {
            let what = format!("`{name}` is an aggregate or an array: only its members have values");
            return Err(self.refuse(node, place.name, what));
        }
        let instance = self.attribute(node, place, "instance", |text| {
            xml::integer(text)
                .filter(|at| (-(limits::MAX_INSTANCES as i128) + 1..=0).contains(at))
                .map(|at| -at as u8)
        })?;
        let calibrated = self.attribute(node, place, "useCalibratedValue", xml::boolean)?;
        Ok(Reference { parameter, instance: instance.unwrap_or(0), calibrated: calibrated.unwrap_or(true) })
    }

    /// A constant, as the type of the parameter that it is compared with asks for.
    fn literal(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        left: Reference,
        operator: Operator,
        value: &str,
    ) -> Result1<Literal> {
        let type_id = self.parameters[left.parameter.0 as usize].type_id;
        let found = self.briefs[type_id.0 as usize]
            .as_ref()
            .and_then(|brief| literal(brief, left.calibrated, operator, value));
        match found {
            Some(literal) => Ok(literal),
            None => {
                let name = self.parameters[left.parameter.0 as usize].name.clone();
                Err(self.refuse(node, place.name, format!("`{value}` cannot be compared with {name}")))
            }
        }
    }

    /// `FixedValue`, `DynamicValue` or `DiscreteLookupList` inside an element.
    pub(super) fn integer_value(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<IntegerValue> {
        self.only(node, place, &[], &VALUES)?;
        self.integer_value_of(node, place)
    }

    /// The same, in an element with further attributes or children.
    pub(super) fn integer_value_of(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<IntegerValue> {
        self.choice(node, place, &VALUES)?;
        if let Some(fixed) = xml::child(node, "FixedValue") {
            let text = &*xml::text(fixed);
            return match xml::integer(text).and_then(|value| i64::try_from(value).ok()) {
                Some(value) => Ok(IntegerValue::Fixed(value)),
                None => Err(self.refuse(fixed, place.name, format!("`{text}` is no integer"))),
            };
        }
        if let Some(dynamic) = xml::child(node, "DynamicValue") {
            self.only(dynamic, place, &[], &["ParameterInstanceRef", "LinearAdjustment"])?;
            let Some(reference) = self.choice(dynamic, place, &["ParameterInstanceRef"])? else {
                return Err(self.refuse(dynamic, place.name, "a DynamicValue needs a ParameterInstanceRef"));
            };
            let reference = self.instance(reference, place)?;
            let (mut slope, mut intercept) = (1.0, 0.0);
            if let Some(adjustment) = xml::child(dynamic, "LinearAdjustment") {
                self.only(adjustment, place, &["slope", "intercept"], &[])?;
                // The schema of 1.2 gives no default slope; without one the value is only shifted.
                slope = self.attribute(adjustment, place, "slope", xml::double)?.unwrap_or(1.0);
                intercept = self.attribute(adjustment, place, "intercept", xml::double)?.unwrap_or(0.0);
            }
            return Ok(IntegerValue::Dynamic { reference, slope, intercept });
        }
        if let Some(list) = xml::child(node, "DiscreteLookupList") {
            self.only(list, place, &[], &["DiscreteLookup"])?;
            let mut lookups = Vec::new();
            for lookup in xml::named(list, "DiscreteLookup") {
                self.required(lookup, place, "value")?;
                let value = self.attribute(lookup, place, "value", |text| {
                    xml::integer(text).and_then(|value| i64::try_from(value).ok())
                })?;
                lookups.push((self.criteria(lookup, place)?, value.ok_or(Refused)?));
            }
            return Ok(IntegerValue::Lookup(lookups));
        }
        Err(self.refuse(node, place.name, format!("{} has no value", node.tag_name().name())))
    }
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word {
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        _ => return None,
    })
}

/// ComparisonType: integer as xs:integer or 0x, 0o, 0b; float as xs:double; string; boolean by its own
/// strings or xs:boolean; binary as xs:hexBinary; enumeration by label; times as xs:duration and xs:dateTime.
fn literal(brief: &Brief, calibrated: bool, operator: Operator, value: &str) -> Option<Literal> {
    let number = || {
        xml::integer(value)
            .map(Literal::Integer)
            .or_else(|| xml::double(value).filter(|number| !number.is_nan()).map(Literal::Float))
    };
    if calibrated {
        return match &brief.engineering {
            Engineering::Integer { .. } | Engineering::Float => number(),
            Engineering::Boolean { zero, one } if value == zero => {
                Some(Literal::Boolean(false)).filter(|_| zero != one)
            }
            Engineering::Boolean { one, .. } if value == one => Some(Literal::Boolean(true)),
            Engineering::Boolean { .. } => xml::boolean(&value.to_ascii_lowercase()).map(Literal::Boolean),
            Engineering::Enumerated(enumeration) => {
                let index = enumeration.labels.iter().position(|label| label == value)?;
                // Labels have no order.
                matches!(operator, Operator::Equal | Operator::NotEqual)
                    .then_some(Literal::Label(index as u32))
            }
            Engineering::String => Some(Literal::Text(value.to_owned())),
            Engineering::Binary => xml::hexadecimal(value).map(Literal::Binary),
            Engineering::AbsoluteTime(_) => parse_absolute(value).map(Literal::Time),
            Engineering::RelativeTime(_) => {
                parse_duration(value).or_else(|| xml::double(value)).map(Literal::Float)
            }
        };
    }
    match brief.raw? {
        RawKind::Number => number(),
        RawKind::Text => Some(Literal::Text(value.to_owned())),
        RawKind::Octets => xml::hexadecimal(value).map(Literal::Binary),
    }
}
