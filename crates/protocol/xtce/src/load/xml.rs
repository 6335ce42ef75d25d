//! The XML side of loading: lines, attributes, children. What an element may carry is listed where it
//! is read; anything else is refused by name and line, so that nothing is silently ignored.

use std::borrow::Cow;

use roxmltree::{Document, ParsingOptions};

use super::{LoadError, Problem};
use crate::limits;

pub(super) type Node<'a> = roxmltree::Node<'a, 'a>;

/// Name spaces of XTCE 1.0/1.1, 1.2 and 1.3. Documents without a name space are read as well.
const NAMESPACES: [&str; 3] = [
    "http://www.omg.org/space/xtce",
    "http://www.omg.org/spec/XTCE/20180204",
    "http://www.omg.org/spec/XTCE/20250214",
];

/// Children that describe and never change what is decoded.
pub(super) const DESCRIPTIVE: [&str; 3] = ["LongDescription", "AliasSet", "AncillaryDataSet"];

/// Children that may come more than once in the elements that have them; any other comes once.
pub(super) const REPEATED: [&str; 21] = [
    "ANDedConditions",
    "Byte",
    "Comparison",
    "Condition",
    "ContextAlarm",
    "ContextCalibrator",
    "Dimension",
    "DiscreteLookup",
    "Enumeration",
    "EnumerationAlarm",
    "Member",
    "ORedConditions",
    "Operator",
    "ParameterInstanceRef",
    "ParameterInstanceRefOperand",
    "Range",
    "SpaceSystem",
    "SplinePoint",
    "Term",
    "ThisParameterOperand",
    "ValueOperand",
];

/// Parses the document. DTDs, and with them entities that grow, are refused.
pub(super) fn parse(xml: &str) -> Result<Document<'_>, LoadError> {
    let fail = |line: u32, what: String| LoadError::from(vec![Problem { name: "XML".into(), line, what }]);
    if xml.len() > limits::MAX_XML_OCTETS {
        return Err(fail(1, format!("longer than {} octets", limits::MAX_XML_OCTETS)));
    }
    check_depth(xml).map_err(|offset| {
        let line = xml.as_bytes()[..offset].iter().filter(|octet| **octet == b'\n').count() as u32 + 1;
        fail(line, format!("elements nested deeper than {}", limits::MAX_DEPTH))
    })?;
    let options = ParsingOptions { nodes_limit: limits::MAX_XML_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options)
        .map_err(|error| fail(error.pos().row, error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "SpaceSystem" || !is_xtce(root) {
        let name = root.tag_name();
        return Err(fail(
            document.text_pos_at(root.range().start).row,
            format!(
                "the root element is `{}` of name space `{}`, not an XTCE SpaceSystem",
                name.name(),
                name.namespace().unwrap_or_default()
            ),
        ));
    }
    Ok(document)
}

pub(super) fn is_xtce(node: Node<'_>) -> bool {
    node.tag_name().namespace().is_none_or(|namespace| NAMESPACES.contains(&namespace))
}

/// Bounds the nesting before the parser sees it. An upper estimate that is exact for well-formed
/// documents without `<` in comments or CDATA.
fn check_depth(xml: &str) -> Result<(), usize> {
    let octets = xml.as_bytes();
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(found) = octets[at..].iter().position(|octet| *octet == b'<') {
        let open = at + found;
        let rest = &octets[open..];
        if rest.starts_with(b"<!--") {
            at = open + find(rest, b"-->");
            continue;
        }
        if rest.starts_with(b"<![CDATA[") {
            at = open + find(rest, b"]]>");
            continue;
        }
        if rest.starts_with(b"</") {
            depth = depth.saturating_sub(1);
        } else if !rest.starts_with(b"<?") && !rest.starts_with(b"<!") {
            let close = tag_end(rest);
            if rest.get(close.wrapping_sub(1)) != Some(&b'/') {
                depth += 1;
                if depth > limits::MAX_DEPTH {
                    return Err(open);
                }
            }
            at = open + close.max(1);
            continue;
        }
        at = open + 1;
    }
    Ok(())
}

fn find(octets: &[u8], needle: &[u8]) -> usize {
    octets
        .windows(needle.len())
        .position(|window| window == needle)
        .map_or(octets.len(), |at| at + needle.len())
}

/// Index of the `>` that ends a tag; attribute values may contain one.
fn tag_end(octets: &[u8]) -> usize {
    let mut quote = None;
    for (index, octet) in octets.iter().enumerate() {
        match (quote, octet) {
            (None, b'>') => return index,
            (None, b'"' | b'\'') => quote = Some(*octet),
            (Some(open), octet) if *octet == open => quote = None,
            _ => {}
        }
    }
    octets.len()
}

/// Finds the line of a node in logarithmic time.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(xml: &str) -> Lines {
        Lines(xml.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at).collect())
    }

    pub(super) fn line(&self, node: Node<'_>) -> u32 {
        self.0.partition_point(|newline| *newline < node.range().start) as u32 + 1
    }
}

/// Child elements of XTCE.
pub(super) fn children<'a>(node: Node<'a>) -> impl Iterator<Item = Node<'a>> {
    node.children().filter(|child| child.is_element())
}

/// Child elements of this name.
pub(super) fn named<'a>(node: Node<'a>, name: &'static str) -> impl Iterator<Item = Node<'a>> {
    children(node).filter(move |child| child.tag_name().name() == name && is_xtce(*child))
}

/// The first child element of this name.
pub(super) fn child<'a>(node: Node<'a>, name: &'static str) -> Option<Node<'a>> {
    named(node, name).next()
}

/// The text of an element, without the white space around it. A comment may stand within it.
pub(super) fn text<'a>(node: Node<'a>) -> Cow<'a, str> {
    let mut parts = node.children().filter(|child| child.is_text()).filter_map(|child| child.text());
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        None => Cow::Borrowed(first.trim()),
        Some(second) => {
            let whole: String = [first, second].into_iter().chain(parts).collect();
            Cow::Owned(whole.trim().to_owned())
        }
    }
}

/// `xs:boolean`.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value.trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// `xs:long`, or 0x, 0o and 0b forms (FixedIntegerValueType).
pub(super) fn integer(value: &str) -> Option<i128> {
    let value = value.trim();
    let (sign, digits) = match value.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, value.strip_prefix('+').unwrap_or(value)),
    };
    let radix = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix));
    let magnitude = if let Some(hex) = radix(["0x", "0X"]) {
        u64::from_str_radix(hex, 16).ok()?
    } else if let Some(octal) = radix(["0o", "0O"]) {
        u64::from_str_radix(octal, 8).ok()?
    } else if let Some(binary) = radix(["0b", "0B"]) {
        u64::from_str_radix(binary, 2).ok()?
    } else {
        if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()?
    };
    Some(sign * i128::from(magnitude))
}

/// `xs:double`.
pub(super) fn double(value: &str) -> Option<f64> {
    match value.trim() {
        "INF" | "+INF" => Some(f64::INFINITY),
        "-INF" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        value => value.parse().ok(),
    }
}

/// `xs:hexBinary`.
pub(super) fn hexadecimal(value: &str) -> Option<Vec<u8>> {
    let value = value.trim();
    let value = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
    if !value.len().is_multiple_of(2) || !value.is_ascii() {
        return None;
    }
    (0..value.len()).step_by(2).map(|at| u8::from_str_radix(&value[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_in_every_base() {
        assert_eq!(integer("0x1F"), Some(31));
        assert_eq!(integer("-0b11"), Some(-3));
        assert_eq!(integer("0o17"), Some(15));
        assert_eq!(integer(" 18446744073709551615 "), Some(i128::from(u64::MAX)));
        assert_eq!(integer("1.0"), None);
        assert_eq!(integer("--1"), None);
        assert_eq!(integer("-"), None);
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(check_depth("<a><b x='>'/><!-- <c> --></a>").is_ok());
        assert!(check_depth(&"<a>".repeat(limits::MAX_DEPTH + 1)).is_err());
        assert!(check_depth(&"<a/>".repeat(limits::MAX_DEPTH + 1)).is_ok());
    }

    #[test]
    fn hexadecimal_octets() {
        assert_eq!(hexadecimal("00ff"), Some(vec![0, 255]));
        assert_eq!(hexadecimal("0"), None);
        assert_eq!(hexadecimal("é"), None);
    }
}
