//! Match criteria (XTCE 1.2 MatchCriteriaType) and integer values that other parameters decide
//! (IntegerValueType), with the names resolved.

use super::ParameterId;
use crate::value::Value;
use std::cmp::Ordering;

/// `ParameterInstanceRef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) parameter: ParameterId,
    /// How many instances back; zero is the latest.
    pub(crate) instance: u8,
    pub(crate) calibrated: bool,
}

/// A condition. `R` says where a value is found: by [`Reference`] in the database, by slot in a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Criteria<R = Reference> {
    Compare { left: R, operator: Operator, right: Operand<R> },
    All(Vec<Criteria<R>>),
    Any(Vec<Criteria<R>>),
}

impl<R: Copy> Criteria<R> {
    /// The same condition with every reference replaced.
    pub(crate) fn map<S>(&self, to: &mut impl FnMut(R) -> S) -> Criteria<S> {
        match self {
            Criteria::Compare { left, operator, right } => Criteria::Compare {
                left: to(*left),
                operator: *operator,
                right: match right {
                    Operand::Literal(literal) => Operand::Literal(literal.clone()),
                    Operand::Reference(reference) => Operand::Reference(to(*reference)),
                },
            },
            Criteria::All(parts) => Criteria::All(parts.iter().map(|part| part.map(to)).collect()),
            Criteria::Any(parts) => Criteria::Any(parts.iter().map(|part| part.map(to)).collect()),
        }
    }

    /// Whether the condition holds for the values that `lookup` finds.
    pub(crate) fn holds<'a>(&self, lookup: &impl Fn(R) -> Reading<'a>) -> bool {
        match self {
            Criteria::Compare { left, operator, right } => {
                let left = lookup(*left);
                operator.holds(match right {
                    Operand::Literal(literal) => left.compare_literal(literal),
                    Operand::Reference(reference) => left.compare(lookup(*reference)),
                })
            }
            Criteria::All(parts) => parts.iter().all(|part| part.holds(lookup)),
            Criteria::Any(parts) => parts.iter().any(|part| part.holds(lookup)),
        }
    }
}

/// A value that a condition looks at, with its octets if it has any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// The value.
    pub value: Value,
    /// The octets of a text, octet string or structured value.
    pub octets: &'a [u8],
}

impl Reading<'_> {
    fn compare(self, other: Reading<'_>) -> Option<Ordering> {
        match (self.value, other.value) {
            (Value::Text(_), Value::Text(_)) | (Value::Binary(_), Value::Binary(_)) => {
                Some(self.octets.cmp(other.octets))
            }
            (a, b) => match (a.as_i128(), b.as_i128()) {
                (Some(a), Some(b)) => Some(a.cmp(&b)),
                _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
            },
        }
    }

    fn compare_literal(self, literal: &Literal) -> Option<Ordering> {
        match literal {
            Literal::Integer(value) => match self.value.as_i128() {
                Some(own) => Some(own.cmp(value)),
                None => self.value.as_f64()?.partial_cmp(&(*value as f64)),
            },
            Literal::Float(value) => self.value.as_f64()?.partial_cmp(value),
            Literal::Boolean(value) => Some(self.value.as_i128()?.cmp(&i128::from(*value))),
            Literal::Label(label) => match self.value {
                Value::Label(own) => Some(own.cmp(label)),
                _ => None,
            },
            Literal::Text(text) => match self.value {
                Value::Text(_) => Some(self.octets.cmp(text.as_bytes())),
                _ => None,
            },
            Literal::Binary(octets) => match self.value {
                Value::Binary(_) => Some(self.octets.cmp(octets)),
                _ => None,
            },
            Literal::Time(time) => match self.value {
                Value::Time(own) => Some(own.cmp(time)),
                _ => None,
            },
        }
    }
}

/// `ComparisonOperator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    pub(crate) fn holds(self, ordering: Option<Ordering>) -> bool {
        // Values that cannot be compared (NaN, absent, of different kinds) are unequal and nothing else.
        let Some(ordering) = ordering else { return self == Operator::NotEqual };
        match self {
            Operator::Equal => ordering.is_eq(),
            Operator::NotEqual => ordering.is_ne(),
            Operator::Less => ordering.is_lt(),
            Operator::LessOrEqual => ordering.is_le(),
            Operator::Greater => ordering.is_gt(),
            Operator::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Right-hand side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand<R = Reference> {
    Literal(Literal),
    Reference(R),
}

/// A constant, converted to the type of the parameter that it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Label(u32),
    Text(String),
    Binary(Vec<u8>),
    Time(i64),
}

/// `IntegerValueType`: FixedValue, DynamicValue or DiscreteLookupList.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IntegerValue<R = Reference> {
    Fixed(i64),
    Dynamic { reference: R, slope: f64, intercept: f64 },
    Lookup(Vec<(Criteria<R>, i64)>),
}

impl<R: Copy> IntegerValue<R> {
    /// The same value with every reference replaced.
    pub(crate) fn map<S>(&self, to: &mut impl FnMut(R) -> S) -> IntegerValue<S> {
        match self {
            IntegerValue::Fixed(value) => IntegerValue::Fixed(*value),
            IntegerValue::Dynamic { reference, slope, intercept } => {
                IntegerValue::Dynamic { reference: to(*reference), slope: *slope, intercept: *intercept }
            }
            IntegerValue::Lookup(list) => IntegerValue::Lookup(
                list.iter().map(|(criteria, value)| (criteria.map(to), *value)).collect(),
            ),
        }
    }

    /// The value; `None` where the parameter that decides it has none, or no lookup matches.
    pub(crate) fn get<'a>(&self, lookup: &impl Fn(R) -> Reading<'a>) -> Option<i64> {
        match self {
            IntegerValue::Fixed(value) => Some(*value),
            IntegerValue::Dynamic { reference, slope, intercept } => {
                let value = lookup(*reference).value.as_f64()?.mul_add(*slope, *intercept);
                (value.abs() < 9e15).then_some(value as i64)
            }
            IntegerValue::Lookup(list) => {
                list.iter().find(|(criteria, _)| criteria.holds(lookup)).map(|(_, value)| *value)
            }
        }
    }
}
