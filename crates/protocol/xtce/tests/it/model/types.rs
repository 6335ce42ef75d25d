//! Parameter types of the model: how a value is written, and what it means.

use super::{Is, Random};

/// A parameter type.
#[derive(Clone, Debug)]
pub(super) enum Type {
    Scalar(Scalar),
    /// Members `a`, `b`, …
    Aggregate(Vec<Type>),
    Array(Vec<usize>, Box<Type>),
    /// As many elements as `Count` says.
    List(Scalar),
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) coding: Coding,
    pub(super) meaning: Meaning,
    /// Coefficients from the constant term on; none: no calibrator.
    pub(super) calibrator: Vec<f64>,
    /// Values are drawn from zero to this.
    pub(super) limit: Option<i128>,
}

#[derive(Clone, Debug)]
pub(super) enum Coding {
    Integer { bits: usize, form: Form, order: Order },
    Float { bits: usize, mil: bool, order: Order },
    Text { charset: &'static str, end: End },
    Octets(Size),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Unsigned,
    Twos,
    Ones,
    Magnitude,
    Bcd,
    Packed,
}

/// Order of octets and bits.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) octets: Octets,
    pub(super) reversed: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Octets {
    MostFirst,
    LeastFirst,
    /// Significance of each octet.
    List(Vec<usize>),
}

/// What says where a text ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Units of the character set; the text may end before them.
    Fixed { units: usize, terminated: bool },
    /// A tag of so many bits.
    Leading(usize),
    /// A zero.
    Terminated,
    /// Four octets for each of `Count`.
    Count,
}

/// Bits of an octet string.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Fixed(usize),
    /// So many for each of `Count`, and so many more.
    Count {
        slope: usize,
        intercept: usize,
    },
    /// For each value of `Count`.
    Lookup([usize; 4]),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Integer {
        signed: bool,
    },
    Float,
    Boolean,
    Label,
    Text,
    Octets,
    /// Seconds of the UNIX epoch.
    Time,
    /// Half seconds, from one on.
    Span,
}

/// Ranges of values and their labels.
pub(super) const LABELS: [(i128, i128, &str); 5] =
    [(-9, -2, "LOW"), (0, 0, "OFF"), (1, 2, "ON"), (3, 3, "SAFE"), (100, 30_000, "HIGH")];
pub(super) const ZERO_AND_ONE: [&str; 2] = ["CLOSED", "OPEN"];

impl Type {
    pub(super) fn random(random: &mut Random, depth: usize) -> Type {
        match random.below(10) {
            0 if depth < 2 => {
                Type::Aggregate((0..1 + random.below(3)).map(|_| Type::random(random, depth + 1)).collect())
            }
            1 if depth < 2 => {
                let sizes = (0..1 + random.below(2)).map(|_| 1 + random.below(3) as usize).collect();
                Type::Array(sizes, Box::new(Type::random(random, depth + 1)))
            }
            2 if depth == 0 => {
                let (coding, calibrator) = (Coding::integer(random, 40), Vec::new());
                Type::List(Scalar {
                    coding,
                    meaning: Meaning::Integer { signed: true },
                    calibrator,
                    limit: None,
                })
            }
            _ => Type::Scalar(Scalar::random(random)),
        }
    }

    /// Bits at most.
    pub(super) fn most(&self) -> usize {
        match self {
            Type::Scalar(scalar) => scalar.most(),
            Type::Aggregate(members) => members.iter().map(Type::most).sum(),
            Type::Array(sizes, element) => sizes.iter().product::<usize>() * element.most(),
            Type::List(element) => 3 * element.most(),
        }
    }
}

impl Scalar {
    /// Small numbers, which conditions look at.
    pub(super) fn selector(random: &mut Random) -> Scalar {
        let meaning = random.of(&[
            Meaning::Integer { signed: false },
            Meaning::Integer { signed: true },
            Meaning::Label,
            Meaning::Boolean,
        ]);
        let calibrator = if random.one_in(3) { vec![1.0, 2.0] } else { Vec::new() };
        let calibrated = matches!(meaning, Meaning::Integer { .. });
        let mut coding = Coding::integer(random, 16);
        while coding.range().is_some_and(|(_, high)| high < 3) {
            coding = Coding::integer(random, 16);
        }
        let calibrator = if calibrated { calibrator } else { Vec::new() };
        Scalar { coding, meaning, calibrator, limit: Some(if meaning == Meaning::Boolean { 1 } else { 3 }) }
    }

    /// Decides sizes and repetitions: zero to three.
    pub(super) fn count() -> Scalar {
        let order = Order { octets: Octets::MostFirst, reversed: false };
        Scalar {
            coding: Coding::Integer { bits: 8, form: Form::Unsigned, order },
            meaning: Meaning::Integer { signed: false },
            calibrator: Vec::new(),
            limit: Some(3),
        }
    }

    fn random(random: &mut Random) -> Scalar {
        let plain = |coding, meaning| Scalar { coding, meaning, calibrator: Vec::new(), limit: None };
        match random.below(12) {
            0..=2 => plain(Coding::integer(random, 64), Meaning::Integer { signed: random.one_in(2) }),
            3 => plain(Coding::integer(random, 64), Meaning::Float),
            4 => plain(Coding::integer(random, 32), random.of(&[Meaning::Time, Meaning::Span])),
            5 => plain(Coding::integer(random, 20), random.of(&[Meaning::Label, Meaning::Boolean])),
            6 => plain(Coding::float(random), Meaning::Float),
            7 | 8 => {
                // Coefficients and values so small that every sum of them is exact.
                let calibrator = (0..1 + random.below(3)).map(|_| random.below(256) as f64 / 4.0 - 32.0);
                let calibrator = calibrator.collect();
                let coding =
                    if random.one_in(3) { Coding::float(random) } else { Coding::integer(random, 16) };
                let meaning = random.of(&[Meaning::Float, Meaning::Integer { signed: true }]);
                Scalar { coding, meaning, calibrator, limit: None }
            }
            9 | 10 => {
                let end = match random.below(5) {
                    0 => End::Leading(random.of(&[5, 8, 16])),
                    1 => End::Terminated,
                    2 => End::Count,
                    _ => End::Fixed { units: random.below(7) as usize + 1, terminated: random.one_in(2) },
                };
                let charset = random.of(&["US-ASCII", "UTF-8", "ISO-8859-1", "UTF-16BE", "UTF-16LE"]);
                plain(Coding::Text { charset, end }, Meaning::Text)
            }
            _ => {
                let size = match random.below(3) {
                    0 => Size::Fixed(random.below(70) as usize),
                    1 => Size::Count { slope: 8, intercept: random.below(9) as usize },
                    _ => Size::Lookup([0, 1, 2, 3].map(|_| random.below(40) as usize)),
                };
                plain(Coding::Octets(size), Meaning::Octets)
            }
        }
    }

    fn most(&self) -> usize {
        match &self.coding {
            Coding::Integer { bits, .. } | Coding::Float { bits, .. } => *bits,
            // Eight characters of two octets, a tag or a terminator.
            Coding::Text { .. } => 8 * 16 + 16,
            Coding::Octets(_) => 80,
        }
    }

    /// Whether floats are drawn from the quarters that a calibrator keeps exact.
    pub(super) fn in_quarters(&self) -> bool {
        !self.calibrator.is_empty() || self.meaning != Meaning::Float
    }

    /// The engineering value of a raw one.
    pub(super) fn engineering(&self, raw: &Is) -> Is {
        let number = match raw {
            Is::Integer(value) => *value as f64,
            Is::Float(value) => *value,
            other => return other.clone(),
        };
        let calibrated = if self.calibrator.is_empty() {
            number
        } else {
            (0..).zip(&self.calibrator).map(|(power, coefficient)| coefficient * number.powi(power)).sum()
        };
        match (self.meaning, raw) {
            (Meaning::Integer { .. }, Is::Integer(value)) if self.calibrator.is_empty() => {
                Is::Integer(*value)
            }
            (Meaning::Integer { .. }, _) => Is::Integer(calibrated.trunc() as i128),
            (Meaning::Boolean, _) => Is::Boolean(number != 0.0),
            (Meaning::Label, Is::Integer(value)) => LABELS
                .iter()
                .find(|(first, last, _)| (*first..=*last).contains(value))
                .map_or(Is::Absent, |(_, _, label)| Is::Label((*label).to_owned())),
            (Meaning::Time, Is::Integer(value)) => Is::Time(*value as i64 * 1_000_000_000),
            (Meaning::Span, _) => Is::Float(number * 0.5 + 1.0),
            _ => Is::Float(calibrated),
        }
    }
}

impl Coding {
    fn integer(random: &mut Random, most: u64) -> Coding {
        let form = random.of(&[
            Form::Unsigned,
            Form::Unsigned,
            Form::Twos,
            Form::Twos,
            Form::Ones,
            Form::Magnitude,
            Form::Bcd,
            Form::Packed,
        ]);
        let bits = match form {
            Form::Bcd => 8 * (1 + random.below(most / 8)),
            Form::Packed => 4 * (1 + random.below(most / 4)),
            _ if random.one_in(2) => random.of(&[8, 16, 32, 64]).min(most),
            _ => 1 + random.below(most),
        } as usize;
        Coding::Integer { bits, form, order: Order::random(random, bits) }
    }

    fn float(random: &mut Random) -> Coding {
        let mil = random.one_in(4);
        let bits = if mil { random.of(&[32, 48]) } else { random.of(&[16, 32, 64]) };
        Coding::Float { bits, mil, order: Order::random(random, bits) }
    }

    /// Least and greatest value of an integer.
    pub(super) fn range(&self) -> Option<(i128, i128)> {
        let Coding::Integer { bits, form, .. } = self else { return None };
        let all = (1i128 << bits) - 1;
        Some(match form {
            Form::Unsigned => (0, all),
            Form::Twos => (-(all / 2) - 1, all / 2),
            Form::Ones | Form::Magnitude => (-(all / 2), all / 2),
            Form::Bcd => (0, 10i128.pow(*bits as u32 / 8) - 1),
            Form::Packed => (0, 10i128.pow(*bits as u32 / 4) - 1),
        })
    }
}

impl Order {
    fn random(random: &mut Random, bits: usize) -> Order {
        let octets = match random.below(6) {
            0 => Octets::LeastFirst,
            1 if bits.is_multiple_of(8) => {
                let mut list: Vec<usize> = (0..bits / 8).collect();
                for at in (1..list.len()).rev() {
                    list.swap(at, random.below(at as u64 + 1) as usize);
                }
                Octets::List(list)
            }
            _ => Octets::MostFirst,
        };
        Order { octets, reversed: random.one_in(8) }
    }
}
