//! Calibrators (XTCE 1.2 CalibratorType, ContextCalibratorListType).

use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1};
use crate::database::calibrator::{Calibrator, MAX_STACK, MathOperation, MathOperator, Spline, SplinePoint};
use crate::database::types::Calibration;
use crate::limits;

impl<'a> Loader<'a> {
    /// The calibrators of a data encoding.
    pub(super) fn calibration(&mut self, encoding: Node<'a>, place: Place<'_>) -> Result1<Calibration> {
        let mut calibration = Calibration::default();
        if let Some(node) = xml::child(encoding, "DefaultCalibrator") {
            calibration.default = Some(self.calibrator(node, place)?);
        }
        if let Some(list) = xml::child(encoding, "ContextCalibratorList") {
            self.only(list, place, &[], &["ContextCalibrator"])?;
            for node in xml::named(list, "ContextCalibrator") {
                self.only(node, place, &[], &["ContextMatch", "Calibrator"])?;
                let (Some(context), Some(calibrator)) =
                    (xml::child(node, "ContextMatch"), xml::child(node, "Calibrator"))
                else {
                    return Err(self.refuse(
                        node,
                        place.name,
                        "a ContextCalibrator needs ContextMatch and Calibrator",
                    ));
                };
                calibration
                    .contexts
                    .push((self.criteria(context, place)?, self.calibrator(calibrator, place)?));
            }
        }
        Ok(calibration)
    }

    fn calibrator(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Calibrator> {
        let kinds = ["PolynomialCalibrator", "SplineCalibrator", "MathOperationCalibrator"];
        self.only(node, place, &["name"], &kinds)?;
        let Some(kind) = self.choice(node, place, &kinds)? else {
            return Err(self.refuse(node, place.name, "the calibrator is empty"));
        };
        if xml::children(kind).count() > limits::MAX_CALIBRATOR_TERMS {
            let what = format!("a calibrator of more than {} terms", limits::MAX_CALIBRATOR_TERMS);
            return Err(self.refuse(kind, place.name, what));
        }
        match kind.tag_name().name() {
            "PolynomialCalibrator" => self.polynomial(kind, place),
            "SplineCalibrator" => self.spline(kind, place),
            _ => self.math(kind, place),
        }
    }

    fn polynomial(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Calibrator> {
        self.only(node, place, &["name"], &["Term"])?;
        let mut coefficients = vec![0.0];
        for term in xml::named(node, "Term") {
            self.only(term, place, &["coefficient", "exponent"], &[])?;
            self.required(term, place, "coefficient")?;
            self.required(term, place, "exponent")?;
            let coefficient = self.attribute(term, place, "coefficient", xml::double)?.ok_or(Refused)?;
            let exponent = self.attribute(term, place, "exponent", |text| {
                xml::integer(text).filter(|exponent| (0..=64).contains(exponent))
            })?;
            let exponent = exponent.ok_or(Refused)? as usize;
            if coefficients.len() <= exponent {
                coefficients.resize(exponent + 1, 0.0);
            }
            coefficients[exponent] += coefficient;
        }
        Ok(Calibrator::Polynomial(coefficients))
    }

    fn spline(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Calibrator> {
        self.only(node, place, &["name", "order", "extrapolate"], &["SplinePoint"])?;
        let order = |text: &str| match xml::integer(text) {
            Some(0) => Some(true),
            Some(1) => Some(false),
            _ => None,
        };
        let flat = self.attribute(node, place, "order", order)?.unwrap_or(false);
        let extrapolate = self.attribute(node, place, "extrapolate", xml::boolean)?.unwrap_or(false);
        let mut points = Vec::new();
        for point in xml::named(node, "SplinePoint") {
            self.only(point, place, &["order", "raw", "calibrated"], &[])?;
            self.required(point, place, "raw")?;
            self.required(point, place, "calibrated")?;
            let number = |text: &str| xml::double(text).filter(|value| value.is_finite());
            let raw = self.attribute(point, place, "raw", number)?.ok_or(Refused)?;
            let calibrated = self.attribute(point, place, "calibrated", number)?.ok_or(Refused)?;
            let flat = self.attribute(point, place, "order", order)?.unwrap_or(flat);
            points.push(SplinePoint { raw, calibrated, flat });
        }
        points.sort_by(|a, b| a.raw.total_cmp(&b.raw));
        if points.is_empty() || points.windows(2).any(|pair| pair[0].raw == pair[1].raw) {
            return Err(self.refuse(node, place.name, "a spline needs points with different raw values"));
        }
        Ok(Calibrator::Spline(Spline { points, extrapolate }))
    }

    fn math(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Calibrator> {
        let known = ["ValueOperand", "ThisParameterOperand", "Operator", "ParameterInstanceRefOperand"];
        self.only(node, place, &["name"], &known)?;
        let mut operations = Vec::new();
        let mut depth = 0usize;
        for child in xml::children(node) {
            let text = &*xml::text(child);
            let operation = match child.tag_name().name() {
                "ValueOperand" => {
                    match xml::double(text).or_else(|| xml::integer(text).map(|value| value as f64)) {
                        Some(value) => MathOperation::Constant(value),
                        None => return Err(self.refuse(child, place.name, format!("`{text}` is no number"))),
                    }
                }
                "ThisParameterOperand" => MathOperation::This,
                "ParameterInstanceRefOperand" => MathOperation::Parameter(self.instance(child, place)?),
                "Operator" => match MathOperator::parse(text) {
                    Some(operator) => MathOperation::Operator(operator),
                    None => {
                        return Err(self.refuse(
                            child,
                            place.name,
                            format!("operator `{text}` is not supported"),
                        ));
                    }
                },
                _ => continue,
            };
            let (takes, gives) = match operation {
                MathOperation::Operator(operator) => operator.arity(),
                _ => (0, 1),
            };
            depth = match depth.checked_sub(takes) {
                Some(rest) if rest + takes.max(gives) <= MAX_STACK => rest + gives,
                Some(_) => {
                    return Err(self.refuse(
                        child,
                        place.name,
                        format!("a stack of more than {MAX_STACK} values"),
                    ));
                }
                None => {
                    return Err(self.refuse(
                        child,
                        place.name,
                        format!("operator `{text}` finds too few operands"),
                    ));
                }
            };
            operations.push(operation);
        }
        if depth != 1 {
            return Err(self.refuse(
                node,
                place.name,
                format!("the math operation leaves {depth} values, not one"),
            ));
        }
        Ok(Calibrator::Math(operations))
    }
}
