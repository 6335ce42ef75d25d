//! Data encodings (XTCE 1.2 DataEncodingType and those derived from it).

use super::xml::{self, Node};
use super::{Loader, Place, Refused, Result1};
use crate::database::criteria::IntegerValue;
use crate::database::types::{
    Charset, Encoding, Engineering, FloatCoding, IntegerCoding, OctetOrder, Order, StringCoding,
};
use crate::limits;

impl<'a> Loader<'a> {
    /// A data encoding element.
    pub(super) fn encoding(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Encoding> {
        match node.tag_name().name() {
            "IntegerDataEncoding" => self.integer_encoding(node, place),
            "FloatDataEncoding" => self.float_encoding(node, place),
            "StringDataEncoding" => self.string_encoding(node, place),
            _ => self.binary_encoding(node, place),
        }
    }

    fn integer_encoding(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Encoding> {
        let attributes = ["sizeInBits", "encoding", "changeThreshold", "bitOrder", "byteOrder"];
        let children = ["DefaultCalibrator", "ContextCalibratorList", "ByteOrderList"];
        self.only(node, place, &attributes, &children)?;
        let bits = self.size(node, place, 8, &|bits| (1..=64).contains(&bits))?;
        let coding = self.attribute(node, place, "encoding", |word| match word {
            "unsigned" => Some(IntegerCoding::Unsigned),
            // XTCE 1.1 spells them with an i.
            "twosComplement" | "twosCompliment" => Some(IntegerCoding::TwosComplement),
            "onesComplement" | "onesCompliment" => Some(IntegerCoding::OnesComplement),
            "signMagnitude" => Some(IntegerCoding::SignMagnitude),
            "BCD" => Some(IntegerCoding::Bcd),
            "packedBCD" => Some(IntegerCoding::PackedBcd),
            _ => None,
        })?;
        let coding = coding.unwrap_or(IntegerCoding::Unsigned);
        if coding == IntegerCoding::Bcd && bits % 8 != 0
            || coding == IntegerCoding::PackedBcd && bits % 4 != 0
        {
            return Err(self.refuse(
                node,
                place.name,
                format!("{bits} bits hold no whole number of BCD digits"),
            ));
        }
        let order = self.order(node, place, bits)?;
        let calibration = self.calibration(node, place)?;
        Ok(Encoding::Integer { bits, coding, order, calibration })
    }

    fn float_encoding(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Encoding> {
        let attributes = ["sizeInBits", "encoding", "changeThreshold", "bitOrder", "byteOrder"];
        let children = ["DefaultCalibrator", "ContextCalibratorList", "ByteOrderList"];
        self.only(node, place, &attributes, &children)?;
        let coding = self.attribute(node, place, "encoding", |word| match word {
            "IEEE754_1985" | "IEEE754" => Some(FloatCoding::Ieee754),
            "MILSTD_1750A" => Some(FloatCoding::MilStd1750A),
            _ => None,
        })?;
        let coding = coding.unwrap_or(FloatCoding::Ieee754);
        let sizes: &[i128] = match coding {
            FloatCoding::Ieee754 => &[16, 32, 64],
            FloatCoding::MilStd1750A => &[32, 48],
        };
        let bits = self.size(node, place, 32, &|bits| sizes.contains(&bits))?;
        let order = self.order(node, place, bits)?;
        let calibration = self.calibration(node, place)?;
        Ok(Encoding::Float { bits, coding, order, calibration })
    }

    fn size(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        default: u8,
        allowed: &dyn Fn(i128) -> bool,
    ) -> Result1<u8> {
        let size = self.attribute(node, place, "sizeInBits", |text| {
            xml::integer(text).filter(|bits| allowed(*bits)).and_then(|bits| u8::try_from(bits).ok())
        })?;
        Ok(size.unwrap_or(default))
    }

    fn order(&mut self, node: Node<'a>, place: Place<'_>, bits: u8) -> Result1<Order> {
        let bits_reversed = self.attribute(node, place, "bitOrder", |word| match word {
            "mostSignificantBitFirst" => Some(false),
            "leastSignificantBitFirst" => Some(true),
            _ => None,
        })?;
        let octets = usize::from(bits.div_ceil(8));
        // XTCE 1.2 gives the list as an attribute, 1.1 as elements.
        let list = match (node.attribute("byteOrder"), xml::child(node, "ByteOrderList")) {
            (Some("mostSignificantByteFirst"), None) | (None, None) => None,
            (Some("leastSignificantByteFirst"), None) => Some((0..octets as i128).collect()),
            (Some(text), None) => text.split(',').map(xml::integer).collect::<Option<Vec<i128>>>(),
            (_, Some(list)) => {
                self.only(list, place, &[], &["Byte"])?;
                for byte in xml::named(list, "Byte") {
                    self.only(byte, place, &["byteSignificance"], &[])?;
                }
                xml::named(list, "Byte")
                    .map(|byte| byte.attribute("byteSignificance").and_then(xml::integer))
                    .collect()
            }
        };
        let given = node.has_attribute("byteOrder") || xml::child(node, "ByteOrderList").is_some();
        let plain = node.attribute("byteOrder") == Some("mostSignificantByteFirst");
        let octets = match list {
            None if given && !plain => return Err(self.bad_order(node, place)),
            None => OctetOrder::MostSignificantFirst,
            Some(list) if list.iter().rev().copied().eq(0..octets as i128) => {
                OctetOrder::MostSignificantFirst
            }
            Some(list) if list.iter().copied().eq(0..octets as i128) => OctetOrder::LeastSignificantFirst,
            Some(list) => {
                let mut sorted = list.clone();
                sorted.sort_unstable();
                if !sorted.into_iter().eq(0..octets as i128) || !bits.is_multiple_of(8) {
                    return Err(self.bad_order(node, place));
                }
                let mut significance = [0; 8];
                for (at, value) in significance.iter_mut().zip(list) {
                    *at = value as u8;
                }
                OctetOrder::List(significance)
            }
        };
        let octets = if bits <= 8 { OctetOrder::MostSignificantFirst } else { octets };
        Ok(Order { octets, bits_reversed: bits_reversed.unwrap_or(false) })
    }

    fn bad_order(&mut self, node: Node<'a>, place: Place<'_>) -> Refused {
        let order = node.attribute("byteOrder").unwrap_or("ByteOrderList").to_owned();
        self.refuse(node, place.name, format!("the byte order `{order}` does not fit the size"))
    }

    fn string_encoding(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Encoding> {
        let attributes = ["encoding", "bitOrder", "byteOrder"];
        self.only(node, place, &attributes, &["SizeInBits", "Variable"])?;
        self.plain_bits(node, place)?;
        let charset = self.attribute(node, place, "encoding", |word| match word {
            "US-ASCII" => Some(Charset::UsAscii),
            "ISO-8859-1" => Some(Charset::Iso8859_1),
            "Windows-1252" => Some(Charset::Windows1252),
            "UTF-8" => Some(Charset::Utf8),
            "UTF-16" => Some(Charset::Utf16),
            "UTF-16LE" => Some(Charset::Utf16Le),
            "UTF-16BE" => Some(Charset::Utf16Be),
            "UTF-32" => Some(Charset::Utf32),
            "UTF-32LE" => Some(Charset::Utf32Le),
            "UTF-32BE" => Some(Charset::Utf32Be),
            _ => None,
        })?;
        let mut coding = StringCoding {
            buffer: None,
            leading_size: None,
            termination: None,
            max_bits: None,
            charset: charset.unwrap_or(Charset::Utf8),
        };
        let (size, variable) = match (xml::child(node, "SizeInBits"), xml::child(node, "Variable")) {
            (Some(size), None) => (size, false),
            (None, Some(variable)) => (variable, true),
            _ => return Err(self.refuse(node, place.name, "a string needs SizeInBits or Variable")),
        };
        let known: &[&str] = if variable {
            &["DynamicValue", "DiscreteLookupList", "LeadingSize", "TerminationChar"]
        } else {
            &["Fixed", "LeadingSize", "TerminationChar"]
        };
        self.only(size, place, &["maxSizeInBits"], known)?;
        let positive = |text: &str| {
            xml::integer(text).and_then(|bits| u64::try_from(bits).ok()).filter(|bits| *bits > 0)
        };
        coding.max_bits = self.attribute(size, place, "maxSizeInBits", positive)?;
        self.choice(size, place, &["Fixed", "DynamicValue", "DiscreteLookupList"])?;
        if let Some(fixed) = xml::child(size, "Fixed") {
            // XTCE 1.2 has FixedValue here; 1.1 lets the other forms in.
            coding.buffer = Some(self.bits_value(fixed, place)?);
        } else if xml::child(size, "DynamicValue")
            .or_else(|| xml::child(size, "DiscreteLookupList"))
            .is_some()
        {
            coding.buffer = Some(self.integer_value_of(size, place)?);
        }
        if let Some(leading) = xml::child(size, "LeadingSize") {
            self.only(leading, place, &["sizeInBitsOfSizeTag"], &[])?;
            let tag = self.attribute(leading, place, "sizeInBitsOfSizeTag", |text| {
                xml::integer(text).filter(|bits| (1..=32).contains(bits)).map(|bits| bits as u8)
            })?;
            coding.leading_size = Some(tag.unwrap_or(16));
        }
        if let Some(termination) = xml::child(size, "TerminationChar") {
            let octets = match &*xml::text(termination) {
                "" => Some(vec![0]),
                text => xml::hexadecimal(text).filter(|octets| (1..=8).contains(&octets.len())),
            };
            let Some(octets) = octets else {
                return Err(self.refuse(
                    termination,
                    place.name,
                    "the TerminationChar is no octets in hexadecimal",
                ));
            };
            // "If a LeadingSize is specified, then the TerminationChar element does not have a functional meaning."
            if coding.leading_size.is_none() {
                coding.termination = Some(octets);
            }
        }
        if coding.buffer.is_none() && coding.leading_size.is_none() && coding.termination.is_none() {
            return Err(self.refuse(size, place.name, "nothing says where the string ends"));
        }
        Ok(Encoding::String(coding))
    }

    fn binary_encoding(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<Encoding> {
        // A ToBinaryTransformAlgorithm only matters for what is sent.
        self.only(node, place, &["bitOrder", "byteOrder"], &["SizeInBits", "ToBinaryTransformAlgorithm"])?;
        self.plain_bits(node, place)?;
        let Some(size) = xml::child(node, "SizeInBits") else {
            return Err(self.refuse(node, place.name, "the SizeInBits of the BinaryDataEncoding is missing"));
        };
        Ok(Encoding::Binary { size: self.bits_value(size, place)? })
    }

    /// Octet strings keep the order of transmission: any other order is refused.
    fn plain_bits(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<()> {
        let reversed = node.attribute("bitOrder") == Some("leastSignificantBitFirst");
        let swapped = node.attribute("byteOrder").is_some_and(|order| order != "mostSignificantByteFirst");
        if reversed || swapped && node.tag_name().name() == "BinaryDataEncoding" {
            return Err(self.refuse(
                node,
                place.name,
                "bitOrder and byteOrder of octet strings are not supported",
            ));
        }
        if swapped {
            // UTF-16LE and UTF-16BE say it in the character set; elsewhere octets have no order.
            self.notice(node, place.name, "byteOrder of a string is passed over: its encoding decides");
        }
        Ok(())
    }

    /// An IntegerValueType that is a size in bits.
    fn bits_value(&mut self, node: Node<'a>, place: Place<'_>) -> Result1<IntegerValue> {
        let value = self.integer_value(node, place)?;
        if let IntegerValue::Fixed(bits) = value
            && !(0..=limits::MAX_PACKET_OCTETS as i64 * 8).contains(&bits)
        {
            return Err(self.refuse(node, place.name, format!("a size of {bits} bits")));
        }
        Ok(value)
    }

    /// Refuses what does not go together: a text as a number, a float as octets.
    pub(super) fn check_encoding(
        &mut self,
        node: Node<'a>,
        place: Place<'_>,
        engineering: &Engineering,
        encoding: &Encoding,
    ) -> Result1<()> {
        let fits = match (engineering, encoding) {
            (Engineering::Enumerated(_), Encoding::Integer { .. } | Encoding::Float { .. }) => true,
            (
                Engineering::Integer { .. } | Engineering::Float | Engineering::Boolean { .. },
                Encoding::Integer { .. } | Encoding::Float { .. },
            ) => true,
            // A number written as text is read as one; "true" and the two strings make a boolean.
            (
                Engineering::Integer { .. } | Engineering::Float | Engineering::Boolean { .. },
                Encoding::String(_),
            ) => true,
            (Engineering::String, Encoding::String(_)) => true,
            (Engineering::Binary, Encoding::Binary { .. }) => true,
            (
                Engineering::AbsoluteTime(_) | Engineering::RelativeTime(_),
                Encoding::Integer { .. } | Encoding::Float { .. },
            ) => true,
            (Engineering::AbsoluteTime(_), Encoding::String(_)) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let what = format!("{} in {} is not supported", encoding_name(encoding), node.tag_name().name());
        Err(self.refuse(node, place.name, what))
    }
}

fn encoding_name(encoding: &Encoding) -> &'static str {
    match encoding {
        Encoding::Integer { .. } => "IntegerDataEncoding",
        Encoding::Float { .. } => "FloatDataEncoding",
        Encoding::String(_) => "StringDataEncoding",
        Encoding::Binary { .. } => "BinaryDataEncoding",
    }
}
