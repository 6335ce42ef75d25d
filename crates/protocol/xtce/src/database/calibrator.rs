//! Calibrators (XTCE 1.2 CalibratorType): polynomial, spline of order 0 and 1, math operation in
//! postfix notation. Splines of order 2 and more are refused at load.

use super::criteria::Reference;

/// A calibrator.
#[derive(Clone, Debug)]
pub(crate) enum Calibrator<R = Reference> {
    /// Coefficients by exponent.
    Polynomial(Vec<f64>),
    Spline(Spline),
    Math(Vec<MathOperation<R>>),
}

impl<R: Copy> Calibrator<R> {
    /// The same calibrator with every reference replaced.
    pub(crate) fn map<S>(&self, to: &mut impl FnMut(R) -> S) -> Calibrator<S> {
        match self {
            Calibrator::Polynomial(coefficients) => Calibrator::Polynomial(coefficients.clone()),
            Calibrator::Spline(spline) => Calibrator::Spline(spline.clone()),
            Calibrator::Math(operations) => Calibrator::Math(
                operations
                    .iter()
                    .map(|operation| match operation {
                        MathOperation::Constant(value) => MathOperation::Constant(*value),
                        MathOperation::This => MathOperation::This,
                        MathOperation::Parameter(reference) => MathOperation::Parameter(to(*reference)),
                        MathOperation::Operator(operator) => MathOperation::Operator(*operator),
                    })
                    .collect(),
            ),
        }
    }

    /// The calibrated value; `None` outside a spline or where a referenced parameter has no value.
    #[inline]
    pub(crate) fn apply(&self, raw: f64, lookup: &impl Fn(R) -> Option<f64>) -> Option<f64> {
        match self {
            Calibrator::Polynomial(coefficients) => Some(polynomial(coefficients, raw)),
            Calibrator::Spline(spline) => spline.apply(raw),
            Calibrator::Math(operations) => evaluate(operations, raw, lookup),
        }
    }
}

/// Horner's scheme; for one or two terms the same roundings as the sum of the terms.
#[inline]
pub(crate) fn polynomial(coefficients: &[f64], raw: f64) -> f64 {
    let mut terms = coefficients.iter().rev();
    let first = terms.next().copied().unwrap_or(0.0);
    terms.fold(first, |sum, coefficient| sum * raw + coefficient)
}

/// `SplineCalibrator`: points sorted by raw value.
#[derive(Clone, Debug)]
pub(crate) struct Spline {
    pub(crate) points: Vec<SplinePoint>,
    pub(crate) extrapolate: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SplinePoint {
    pub(crate) raw: f64,
    pub(crate) calibrated: f64,
    /// Flat from this point to the next (order 0), else linear (order 1).
    pub(crate) flat: bool,
}

impl Spline {
    pub(crate) fn apply(&self, raw: f64) -> Option<f64> {
        let first = self.points.first()?;
        let last = self.points.last()?;
        if raw.is_nan() || ((raw < first.raw || raw > last.raw) && !self.extrapolate) {
            return None;
        }
        let after = self.points.partition_point(|point| point.raw <= raw);
        let from = after.saturating_sub(1);
        if self.points[from].flat || self.points.len() == 1 {
            return Some(self.points[from].calibrated);
        }
        let from = from.min(self.points.len() - 2);
        let (a, b) = (self.points[from], self.points[from + 1]);
        if raw == b.raw {
            return Some(b.calibrated);
        }
        // Beyond the last point the segment before it is continued, flat if that one is.
        if a.flat {
            return Some(if raw > b.raw { b.calibrated } else { a.calibrated });
        }
        Some(a.calibrated + (raw - a.raw) * ((b.calibrated - a.calibrated) / (b.raw - a.raw)))
    }
}

/// One element of a `MathOperationCalibrator`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MathOperation<R = Reference> {
    Constant(f64),
    /// `ThisParameterOperand`.
    This,
    /// `ParameterInstanceRefOperand`.
    Parameter(R),
    Operator(MathOperator),
}

macro_rules! math_operators {
    ($($name:ident $text:literal $takes:literal $gives:literal)*) => {
        /// `Operator` of a math operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum MathOperator { $($name),* }

        impl MathOperator {
            /// The operator as written in XTCE.
            pub(crate) fn parse(text: &str) -> Option<MathOperator> {
                match text { $($text => Some(MathOperator::$name),)* _ => None }
            }

            /// How many values it takes from the stack and how many it leaves.
            pub(crate) fn arity(self) -> (usize, usize) {
                match self { $(MathOperator::$name => ($takes, $gives)),* }
            }
        }
    };
}

math_operators! {
    Add "+" 2 1  Subtract "-" 2 1  Multiply "*" 2 1  Divide "/" 2 1  Modulo "%" 2 1
    Power "^" 2 1  ReversePower "y^x" 2 1  Ln "ln" 1 1  Log "log" 1 1  Exp "e^x" 1 1
    Inverse "1/x" 1 1  Factorial "x!" 1 1
    Tan "tan" 1 1  Cos "cos" 1 1  Sin "sin" 1 1  Atan "atan" 1 1  Atan2 "atan2" 2 1  Acos "acos" 1 1
    Asin "asin" 1 1  Tanh "tanh" 1 1  Cosh "cosh" 1 1  Sinh "sinh" 1 1  Atanh "atanh" 1 1
    Acosh "acosh" 1 1  Asinh "asinh" 1 1
    Swap "swap" 2 2  Drop "drop" 1 0  Dup "dup" 1 2  Over "over" 2 3
    ShiftLeft "<<" 2 1  ShiftRight ">>" 2 1  BitAnd "&" 2 1  BitOr "|" 2 1  BitXor "xor" 2 1  BitNot "~" 1 1
    And "&&" 2 1  Or "||" 2 1  Not "!" 1 1
    Abs "abs" 1 1  Div "div" 2 1  Int "int" 1 1
    Greater ">" 2 1  GreaterOrEqual ">=" 2 1  Less "<" 2 1  LessOrEqual "<=" 2 1
    Equal "==" 2 1  NotEqual "!=" 2 1  Min "min" 2 1  Max "max" 2 1
}

/// Values that the stack of a math operation holds; more is refused at load.
pub(crate) const MAX_STACK: usize = 32;

fn evaluate<R: Copy>(
    operations: &[MathOperation<R>],
    this: f64,
    lookup: &impl Fn(R) -> Option<f64>,
) -> Option<f64> {
    let mut stack = [0.0f64; MAX_STACK + 1];
    let mut depth = 0usize;
    for operation in operations {
        let value = match operation {
            MathOperation::Constant(value) => *value,
            MathOperation::This => this,
            MathOperation::Parameter(reference) => lookup(*reference)?,
            MathOperation::Operator(operator) => {
                let (takes, gives) = operator.arity();
                let base = depth.checked_sub(takes)?;
                let operands = stack.get_mut(base..base + takes.max(gives))?;
                operator.apply(operands);
                depth = base + gives;
                continue;
            }
        };
        *stack.get_mut(depth)? = value;
        depth += 1;
    }
    (depth > 0).then(|| stack[depth - 1])
}

impl MathOperator {
    /// Works on the operands in place: x1 lies in front, the top of the stack at the end.
    fn apply(self, stack: &mut [f64]) {
        use MathOperator as Op;
        let truth = |holds: bool| f64::from(u8::from(holds));
        let x = stack.first().copied().unwrap_or(0.0);
        let y = stack.get(1).copied().unwrap_or(0.0);
        match self {
            Op::Swap => stack.swap(0, 1),
            Op::Dup => stack[1] = x,
            Op::Over => stack[2] = x,
            Op::Drop => {}
            _ => {
                stack[0] = match self {
                    Op::Add => x + y,
                    Op::Subtract => x - y,
                    Op::Multiply => x * y,
                    Op::Divide => x / y,
                    Op::Modulo => x % y,
                    Op::Power => x.powf(y),
                    Op::ReversePower => y.powf(x),
                    Op::Ln => x.ln(),
                    Op::Log => x.log10(),
                    Op::Exp => x.exp(),
                    Op::Inverse => 1.0 / x,
                    Op::Factorial => factorial(x),
                    Op::Tan => x.tan(),
                    Op::Cos => x.cos(),
                    Op::Sin => x.sin(),
                    Op::Atan => x.atan(),
                    // The schema writes atan2(x2, x1): the top of the stack is the ordinate.
                    Op::Atan2 => y.atan2(x),
                    Op::Acos => x.acos(),
                    Op::Asin => x.asin(),
                    Op::Tanh => x.tanh(),
                    Op::Cosh => x.cosh(),
                    Op::Sinh => x.sinh(),
                    Op::Atanh => x.atanh(),
                    Op::Acosh => x.acosh(),
                    Op::Asinh => x.asinh(),
                    Op::ShiftLeft => shift(x as i64, y as i64),
                    Op::ShiftRight => shift(x as i64, (y as i64).saturating_neg()),
                    Op::BitAnd => ((x as i64) & (y as i64)) as f64,
                    Op::BitOr => ((x as i64) | (y as i64)) as f64,
                    Op::BitXor => ((x as i64) ^ (y as i64)) as f64,
                    Op::BitNot => !(x as i64) as f64,
                    Op::And => truth(x != 0.0 && y != 0.0),
                    Op::Or => truth(x != 0.0 || y != 0.0),
                    Op::Not => truth(x == 0.0),
                    Op::Abs => x.abs(),
                    Op::Div => x.div_euclid(y),
                    Op::Int => x.trunc(),
                    Op::Greater => truth(x > y),
                    Op::GreaterOrEqual => truth(x >= y),
                    Op::Less => truth(x < y),
                    Op::LessOrEqual => truth(x <= y),
                    Op::Equal => truth(x == y),
                    Op::NotEqual => truth(x != y),
                    Op::Min => x.min(y),
                    Op::Max => x.max(y),
                    Op::Swap | Op::Dup | Op::Over | Op::Drop => x,
                }
            }
        }
    }
}

fn shift(value: i64, left: i64) -> f64 {
    let shifted = match left {
        0..=63 => value << left,
        -63..=-1 => value >> -left,
        i64::MIN..=-64 => value >> 63,
        _ => 0,
    };
    shifted as f64
}

fn factorial(x: f64) -> f64 {
    if x < 0.0 || x.fract() != 0.0 || x.is_nan() {
        return f64::NAN;
    }
    if x > 170.0 {
        return f64::INFINITY;
    }
    (1..=x as u32).map(f64::from).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn math(text: &str, this: f64) -> Option<f64> {
        let operations: Vec<MathOperation> = text
            .split(' ')
            .map(|word| match word {
                "x" => MathOperation::This,
                _ => match MathOperator::parse(word) {
                    Some(operator) => MathOperation::Operator(operator),
                    None => MathOperation::Constant(word.parse().expect("number")),
                },
            })
            .collect();
        Calibrator::Math(operations).apply(this, &|_| None)
    }

    #[test]
    fn math_operations_follow_the_schema() {
        let cases: &[(&str, f64)] = &[
            ("7 2 -", 5.0),
            ("7 2 %", 1.0),
            ("2 3 ^", 8.0),
            ("2 3 y^x", 9.0),
            ("5 x!", 120.0),
            ("4 1/x", 0.25),
            ("100 log", 2.0),
            ("0 1 atan2", std::f64::consts::FRAC_PI_2),
            ("1 2 swap -", 1.0),
            ("1 2 drop", 1.0),
            ("3 dup *", 9.0),
            ("1 2 over - -", 0.0),
            ("1 4 <<", 16.0),
            ("-16 2 >>", -4.0),
            ("12 10 &", 8.0),
            ("12 10 |", 14.0),
            ("12 10 xor", 6.0),
            ("0 ~", -1.0),
            ("1 0 &&", 0.0),
            ("1 0 ||", 1.0),
            ("0 !", 1.0),
            ("-7 2 div", -4.0),
            ("-7.5 int", -7.0),
            ("3 4 min", 3.0),
            ("3 4 max", 4.0),
            ("3 3 ==", 1.0),
            ("x 2 * 1 +", 21.0),
        ];
        for (text, expected) in cases {
            assert_eq!(math(text, 10.0), Some(*expected), "{text}");
        }
        assert_eq!(math("+", 1.0), None);
    }

    #[test]
    fn splines_interpolate_and_extrapolate() {
        let point = |raw, calibrated, flat| SplinePoint { raw, calibrated, flat };
        let mut spline =
            Spline { points: vec![point(0.0, 0.0, false), point(10.0, 100.0, false)], extrapolate: false };
        assert_eq!(spline.apply(2.5), Some(25.0));
        assert_eq!(spline.apply(10.0), Some(100.0));
        assert_eq!(spline.apply(10.1), None);
        spline.extrapolate = true;
        assert_eq!(spline.apply(11.0), Some(110.0));
        assert_eq!(spline.apply(-1.0), Some(-10.0));
        let steps = Spline { points: vec![point(0.0, 1.0, true), point(5.0, 2.0, true)], extrapolate: true };
        assert_eq!(steps.apply(4.9), Some(1.0));
        assert_eq!(steps.apply(5.0), Some(2.0));
        assert_eq!(steps.apply(50.0), Some(2.0));
        assert_eq!(steps.apply(-1.0), Some(1.0));
    }

    #[test]
    fn polynomials_count_from_the_constant_term() {
        assert_eq!(polynomial(&[1.0, 2.0, 3.0], 2.0), 17.0);
        assert_eq!(polynomial(&[], 2.0), 0.0);
    }
}
