//! The link file: managed parameters in TOML. Unknown keys, wrong values and parameters that do not fit each
//! other are errors that name the key and the line.

use core::fmt;

use serde::Deserialize;

use super::{
    AsmParameters, ChannelParameters, Fecf, FrameParameters, FrameType, LinkParameters, PacketParameters,
    PacketTime, ParameterError, ReedSolomonParameters, Service, Symbols, check,
};
use crate::coding::convolutional::Rate;
use crate::coding::randomizer::Randomizer;
use crate::coding::reed_solomon::{Basis, Code};
use crate::frame::ScidBits;
use crate::packet::SpaceHeader;
use crate::sync::Alignment;
use crate::time::{AsciiA, Calendar, CcsFormat, CdsFormat, CucFormat, Epoch, Submillisecond, Time, TimeCode};

/// Why a link file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFileError {
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The key, with dots; empty where the text is no TOML.
    pub key: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for LinkFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

impl core::error::Error for LinkFileError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    input: Input,
    sync: Option<Sync>,
    #[serde(default)]
    coding: Coding,
    frame: Frame,
    #[serde(default)]
    vc: Vec<Channel>,
    #[serde(default)]
    packet: Packet,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Input {
    /// octets | bits (one to an octet) | i8 | f32 (soft, positive for 1, f32 little-endian).
    symbols: SymbolsKey,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SymbolsKey {
    #[default]
    Octets,
    Bits,
    I8,
    F32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sync {
    /// Marker in hexadecimal; left out: frames stand back to back.
    asm: Option<String>,
    /// Bits of the marker that may be wrong.
    max_errors: Option<u32>,
    /// Markers that must follow the first in their places before lock.
    verify: Option<u32>,
    /// Markers that may be missed in a row before the search begins anew.
    flywheel: Option<u32>,
    /// octet | bit: where frames may begin in octets.
    alignment: Option<AlignmentKey>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AlignmentKey {
    Octet,
    Bit,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Coding {
    /// none | 255 | 131071.
    randomizer: RandomizerKey,
    reed_solomon: Option<ReedSolomonTable>,
    convolutional: Option<Convolutional>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum RandomizerKey {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "255")]
    Period255,
    #[serde(rename = "131071")]
    Period131071,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReedSolomonTable {
    /// "255,223" (E = 16) | "255,239" (E = 8).
    #[serde(default)]
    code: CodeKey,
    /// 1, 2, 3, 4, 5 or 8 codewords in a block.
    interleave: usize,
    /// dual | conventional.
    #[serde(default)]
    basis: BasisKey,
    /// Symbols of fill, in each codeword or in the whole block; the frame length decides, this confirms it.
    virtual_fill: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum CodeKey {
    #[default]
    #[serde(rename = "255,223")]
    E16,
    #[serde(rename = "255,239")]
    E8,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BasisKey {
    #[default]
    Dual,
    Conventional,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Convolutional {
    rate: RateKey,
}

#[derive(Clone, Copy, Deserialize)]
enum RateKey {
    #[serde(rename = "1/2")]
    R1_2,
    #[serde(rename = "2/3")]
    R2_3,
    #[serde(rename = "3/4")]
    R3_4,
    #[serde(rename = "5/6")]
    R5_6,
    #[serde(rename = "7/8")]
    R7_8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    /// tm | aos | uslp.
    r#type: TypeKey,
    /// Octets of the transfer frame, FECF and OCF included.
    length: usize,
    /// Filter when receiving, value when sending.
    scid: Option<u16>,
    /// false | true (CRC-16) | "crc32" (USLP).
    #[serde(default)]
    fecf: FecfKey,
    #[serde(default)]
    ocf: bool,
    /// Octets, AOS and USLP.
    #[serde(default)]
    insert_zone: usize,
    /// AOS.
    header_error_control: Option<bool>,
    /// AOS: 8 (issue B-4) or 10 (B-5).
    scid_bits: Option<u8>,
    /// TM, sending: octets of the secondary header, identification included.
    secondary_header: Option<usize>,
    /// USLP: octets of truncated frames.
    truncated_length: Option<usize>,
    /// USLP, sending: octets of the virtual channel frame count.
    vcfc_length: Option<u8>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypeKey {
    Tm,
    Aos,
    Uslp,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected false, true or \"crc32\"")]
enum FecfKey {
    Flag(bool),
    Word(FecfWord),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FecfWord {
    Crc16,
    Crc32,
}

impl Default for FecfKey {
    fn default() -> Self {
        Self::Flag(false)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    id: u8,
    #[serde(default)]
    service: ServiceKey,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ServiceKey {
    #[default]
    MPdu,
    BPdu,
    Vca,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Packet {
    /// Longer packets are refused. Space packets have at most 65542 octets.
    max_length: Option<usize>,
    time: Option<PacketTimeTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PacketTimeTable {
    /// cuc | cds | ccs | ascii-a | ascii-b | p-field (the code is told by a P-field in front of it).
    code: TimeCodeKey,
    /// Octets between the primary header of the packet and the code.
    #[serde(default)]
    offset: usize,
    /// Where counts begin, UTC as in ASCII code A; left out: 1958-01-01.
    epoch: Option<String>,
    /// CUC: octets of whole seconds.
    coarse: Option<u8>,
    /// CUC: octets of the fraction.
    fine: Option<u8>,
    /// CDS: octets of the day, 2 or 3.
    day: Option<u8>,
    /// CDS: none | us | ps.
    submillisecond: Option<SubmillisecondKey>,
    /// CCS: month-day | day-of-year.
    calendar: Option<CalendarKey>,
    /// CCS: octets below the second.
    subseconds: Option<u8>,
    /// ASCII: characters.
    length: Option<usize>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TimeCodeKey {
    Cuc,
    Cds,
    Ccs,
    AsciiA,
    AsciiB,
    PField,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubmillisecondKey {
    None,
    Us,
    Ps,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CalendarKey {
    MonthDay,
    DayOfYear,
}

impl LinkParameters {
    /// Reads a link file.
    ///
    /// # Errors
    /// No TOML, an unknown key, a wrong value, or parameters that do not fit each other; key and line are named.
    pub fn from_toml(text: &str) -> Result<Self, LinkFileError> {
        let file: File = toml::from_str(text).map_err(|error| from_syntax(text, &error))?;
        file.resolve().map_err(|error| LinkFileError {
            line: line_of(text, error.key, error.item),
            key: error.key.to_owned(),
            problem: error.problem,
        })
    }
}

fn wrong(key: &'static str, problem: impl Into<String>) -> ParameterError {
    ParameterError { key, item: 0, problem: problem.into() }
}

impl File {
    fn resolve(self) -> Result<LinkParameters, ParameterError> {
        let frame = self.frame.resolve()?;
        let reed_solomon = self.coding.reed_solomon.map(|table| table.resolve(frame.length)).transpose()?;
        let octetwise =
            self.sync.as_ref().is_some_and(|sync| matches!(sync.alignment, Some(AlignmentKey::Octet)));
        let channels = self.vc.iter().map(|channel| ChannelParameters {
            vcid: channel.id,
            service: match channel.service {
                ServiceKey::MPdu => Service::MPdu,
                ServiceKey::BPdu => Service::BPdu,
                ServiceKey::Vca => Service::Vca,
            },
        });
        let link = LinkParameters {
            symbols: match self.input.symbols {
                SymbolsKey::Octets => Symbols::Octets,
                SymbolsKey::Bits => Symbols::Bits,
                SymbolsKey::I8 => Symbols::I8,
                SymbolsKey::F32 => Symbols::F32,
            },
            asm: self.sync.map(Sync::resolve).transpose()?.flatten(),
            randomizer: match self.coding.randomizer {
                RandomizerKey::None => None,
                RandomizerKey::Period255 => Some(Randomizer::Period255),
                RandomizerKey::Period131071 => Some(Randomizer::Period131071),
            },
            reed_solomon,
            convolutional: self.coding.convolutional.map(|table| match table.rate {
                RateKey::R1_2 => Rate::R1_2,
                RateKey::R2_3 => Rate::R2_3,
                RateKey::R3_4 => Rate::R3_4,
                RateKey::R5_6 => Rate::R5_6,
                RateKey::R7_8 => Rate::R7_8,
            }),
            frame,
            channels: channels.collect(),
            packet: PacketParameters {
                max_length: self.packet.max_length.unwrap_or(SpaceHeader::PACKET_MAX),
                time: self.packet.time.map(PacketTimeTable::resolve).transpose()?,
            },
        };
        if octetwise && (link.convolutional.is_some() || link.symbols != Symbols::Octets) {
            return Err(wrong("sync.alignment", "\"octet\": single symbols are searched at every bit"));
        }
        link.check()?;
        Ok(link)
    }
}

impl Sync {
    fn resolve(self) -> Result<Option<AsmParameters>, ParameterError> {
        let default = AsmParameters::default();
        let Some(asm) = self.asm else {
            let lone = self.max_errors.is_some()
                || self.verify.is_some()
                || self.flywheel.is_some()
                || self.alignment.is_some();
            return if lone {
                Err(wrong("sync", "says how to look for a marker, but names no asm"))
            } else {
                Ok(None)
            };
        };
        Ok(Some(AsmParameters {
            asm: hex(&asm).ok_or_else(|| wrong("sync.asm", "must be whole octets in hexadecimal"))?,
            max_errors: self.max_errors.unwrap_or(default.max_errors),
            verify: self.verify.unwrap_or(default.verify),
            flywheel: self.flywheel.unwrap_or(default.flywheel),
            alignment: match self.alignment {
                Some(AlignmentKey::Bit) => Alignment::Bit,
                _ => Alignment::Octet,
            },
        }))
    }
}

impl ReedSolomonTable {
    fn resolve(self, frame_length: usize) -> Result<ReedSolomonParameters, ParameterError> {
        let parameters = ReedSolomonParameters {
            code: match self.code {
                CodeKey::E16 => Code::Rs255_223,
                CodeKey::E8 => Code::Rs255_239,
            },
            interleave: self.interleave,
            basis: match self.basis {
                BasisKey::Dual => Basis::Dual,
                BasisKey::Conventional => Basis::Conventional,
            },
        };
        if !matches!(self.interleave, 1..=5 | 8) {
            return Err(wrong(
                "coding.reed_solomon",
                format!("interleave {}; 1, 2, 3, 4, 5 and 8 are possible", self.interleave),
            ));
        }
        let fill = check::virtual_fill(&parameters, frame_length)?;
        match self.virtual_fill {
            Some(said) if said != fill && said != fill * self.interleave => Err(wrong(
                "coding.reed_solomon",
                format!(
                    "virtual_fill {said} contradicts frame.length {frame_length}, which leaves {fill} symbols of \
                     fill in each of {} codewords",
                    self.interleave
                ),
            )),
            _ => Ok(parameters),
        }
    }
}

impl Frame {
    fn resolve(self) -> Result<FrameParameters, ParameterError> {
        let only = |given: bool, key, of| {
            if given { Err(wrong(key, format!("is for {of} frames"))) } else { Ok(()) }
        };
        if !matches!(self.r#type, TypeKey::Tm) {
            only(self.secondary_header.is_some(), "frame.secondary_header", "tm")?;
        }
        if !matches!(self.r#type, TypeKey::Aos) {
            only(self.header_error_control == Some(true), "frame.header_error_control", "aos")?;
            only(self.scid_bits.is_some(), "frame.scid_bits", "aos")?;
        }
        if !matches!(self.r#type, TypeKey::Uslp) {
            only(self.truncated_length.is_some(), "frame.truncated_length", "uslp")?;
            only(self.vcfc_length.is_some(), "frame.vcfc_length", "uslp")?;
        }
        let frame_type = match self.r#type {
            TypeKey::Tm => FrameType::Tm { secondary_header: self.secondary_header.unwrap_or(0) },
            TypeKey::Aos => FrameType::Aos {
                scid_bits: match self.scid_bits {
                    None | Some(8) => ScidBits::Eight,
                    Some(10) => ScidBits::Ten,
                    Some(bits) => return Err(wrong("frame.scid_bits", format!("{bits}; it is 8 or 10"))),
                },
                header_error_control: self.header_error_control.unwrap_or(false),
            },
            TypeKey::Uslp => FrameType::Uslp {
                truncated_length: self.truncated_length,
                count_length: self.vcfc_length.unwrap_or(4),
            },
        };
        Ok(FrameParameters {
            frame_type,
            length: self.length,
            scid: self.scid,
            fecf: match self.fecf {
                FecfKey::Flag(false) => Fecf::None,
                FecfKey::Flag(true) | FecfKey::Word(FecfWord::Crc16) => Fecf::Crc16,
                FecfKey::Word(FecfWord::Crc32) => Fecf::Crc32,
            },
            ocf: self.ocf,
            insert_zone: self.insert_zone,
        })
    }
}

impl PacketTimeTable {
    fn resolve(self) -> Result<PacketTime, ParameterError> {
        self.check_keys()?;
        let agency = match &self.epoch {
            None => None,
            Some(text) => {
                let utc = AsciiA::parse(text.as_bytes()).map_err(|error| {
                    wrong("packet.time.epoch", format!("{error}; such a time is 2000-01-01T12:00:00Z"))
                })?;
                Some(Time::from(utc.0))
            }
        };
        let epoch = agency.map_or(Epoch::Ccsds, Epoch::Agency);
        let code = match self.code {
            TimeCodeKey::Cuc => {
                let format =
                    CucFormat { epoch, coarse: self.coarse.unwrap_or(4), fine: self.fine.unwrap_or(3) };
                format.check().map_err(|error| wrong("packet.time", error.to_string()))?;
                TimeCode::Cuc(format)
            }
            TimeCodeKey::Cds => TimeCode::Cds(CdsFormat {
                epoch,
                long_day: match self.day {
                    None | Some(2) => false,
                    Some(3) => true,
                    Some(day) => {
                        return Err(wrong("packet.time.day", format!("{day} octets; it has 2 or 3")));
                    }
                },
                submillisecond: match self.submillisecond {
                    None | Some(SubmillisecondKey::Us) => Submillisecond::Microseconds,
                    Some(SubmillisecondKey::None) => Submillisecond::None,
                    Some(SubmillisecondKey::Ps) => Submillisecond::Picoseconds,
                },
            }),
            TimeCodeKey::Ccs => {
                let calendar = match self.calendar {
                    Some(CalendarKey::DayOfYear) => Calendar::DayOfYear,
                    _ => Calendar::MonthDay,
                };
                let format = CcsFormat { calendar, subseconds: self.subseconds.unwrap_or(0) };
                format.p_field().map_err(|error| wrong("packet.time.subseconds", error.to_string()))?;
                TimeCode::Ccs(format)
            }
            TimeCodeKey::AsciiA => TimeCode::AsciiA(self.length.unwrap_or(20)),
            TimeCodeKey::AsciiB => TimeCode::AsciiB(self.length.unwrap_or(18)),
            TimeCodeKey::PField => TimeCode::PField(agency.unwrap_or(Time::CCSDS_EPOCH)),
        };
        Ok(PacketTime { code, offset: self.offset })
    }

    /// Refuses keys that belong to another code.
    fn check_keys(&self) -> Result<(), ParameterError> {
        use TimeCodeKey::{AsciiA, AsciiB, Ccs, Cds, Cuc, PField};
        let rules: [(bool, &'static str, &[TimeCodeKey]); 8] = [
            (self.epoch.is_some(), "packet.time.epoch", &[Cuc, Cds, PField]),
            (self.coarse.is_some(), "packet.time.coarse", &[Cuc]),
            (self.fine.is_some(), "packet.time.fine", &[Cuc]),
            (self.day.is_some(), "packet.time.day", &[Cds]),
            (self.submillisecond.is_some(), "packet.time.submillisecond", &[Cds]),
            (self.calendar.is_some(), "packet.time.calendar", &[Ccs]),
            (self.subseconds.is_some(), "packet.time.subseconds", &[Ccs]),
            (self.length.is_some(), "packet.time.length", &[AsciiA, AsciiB]),
        ];
        for (given, key, codes) in rules {
            if given && !codes.iter().any(|code| *code as u8 == self.code as u8) {
                return Err(wrong(key, "does not belong to this time code"));
            }
        }
        Ok(())
    }
}

/// Whole octets in hexadecimal.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// What the TOML reader has to say, with the key that stands where it points.
fn from_syntax(text: &str, error: &toml::de::Error) -> LinkFileError {
    let span = error.span();
    let line = span.as_ref().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let source = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let key = source.split('=').next().unwrap_or_default().trim().trim_matches(['[', ']']).trim();
    let unknown = error.message().strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    LinkFileError {
        line,
        key: unknown.unwrap_or(key).to_owned(),
        problem: match unknown {
            Some(_) => {
                let known = error.message().split_once(", ").map_or("", |(_, rest)| rest);
                format!("unknown key; {known}")
            }
            None => error.message().to_owned(),
        },
    }
}

/// The line on which a key with dots stands, or its table where the key is missing; `item` says in which of several
/// tables of that name.
fn line_of(text: &str, key: &str, item: usize) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut at = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else { break };
        at = Some(name.span().start);
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => table = inner,
            toml::de::DeValue::Array(items) => match items.get(item) {
                Some(one) => match one.get_ref() {
                    toml::de::DeValue::Table(inner) => {
                        at = Some(one.span().start);
                        table = inner;
                    }
                    _ => break,
                },
                None => break,
            },
            _ => break,
        }
    }
    at.map(|start| text[..start].matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPSS: &str = r#"
[input]
symbols = "octets"
[sync]
asm = "1ACFFC1D"
max_errors = 1
[coding]
randomizer = "255"
reed_solomon = { code = "255,223", interleave = 4, basis = "dual", virtual_fill = 0 }
[frame]
type = "aos"
length = 892
scid = 157
fecf = false
ocf = false
insert_zone = 0
header_error_control = false
scid_bits = 8
[[vc]]
id = 16
service = "m_pdu"
[packet.time]
code = "cds"
"#;

    #[test]
    fn every_key_of_the_example_is_read() {
        let link = LinkParameters::from_toml(JPSS).unwrap();
        assert_eq!(link.block_length(), 1020);
        assert_eq!(link.asm.unwrap().asm, [0x1A, 0xCF, 0xFC, 0x1D]);
        assert_eq!(link.randomizer, Some(Randomizer::Period255));
        assert_eq!(link.frame.scid, Some(157));
        assert_eq!(link.channels, [ChannelParameters { vcid: 16, service: Service::MPdu }]);
        assert!(matches!(link.packet.time, Some(PacketTime { code: TimeCode::Cds(_), offset: 0 })));
    }

    /// Replaces a piece of the example; the error must be the one expected.
    fn refuses(from: &str, to: &str, expected: &str) {
        let text = JPSS.replace(from, to);
        assert_ne!(text, JPSS, "{from}");
        let error = LinkParameters::from_toml(&text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nexpected {expected}");
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        refuses("max_errors = 1", "max_error = 1", "line 6: max_error: unknown key; expected one of `asm`");
        refuses("[coding]", "[codling]", "line 7: codling: unknown key");
        refuses("\"aos\"", "\"ax25\"", "line 11: type: unknown variant `ax25`");
        refuses(
            "length = 892",
            "length = 893",
            "line 9: coding.reed_solomon: a frame of 893 octets does not fit",
        );
        refuses(
            "length = 892",
            "length = 890",
            "line 9: coding.reed_solomon: a frame of 890 octets cannot be",
        );
        refuses(
            "virtual_fill = 0",
            "virtual_fill = 3",
            "line 9: coding.reed_solomon: virtual_fill 3 contradicts",
        );
        refuses("interleave = 4", "interleave = 6", "line 9: coding.reed_solomon: interleave 6;");
        refuses("scid = 157", "scid = 300", "line 13: frame.scid: does not fit into 8 bits");
        refuses("fecf = false", "fecf = \"crc32\"", "line 14: frame.fecf: \"crc32\" is for uslp frames");
        refuses("fecf = false", "fecf = 7", "line 14: fecf: expected false, true or \"crc32\"");
        refuses("1ACFFC1D", "1ACFFC1", "line 5: sync.asm: must be whole octets");
        refuses("asm = \"1ACFFC1D\"", "", "line 4: sync: says how to look for a marker");
        refuses("id = 16", "id = 64", "line 20: vc.id: 64 does not fit into 6 bits");
        refuses(
            "code = \"cds\"",
            "code = \"cds\"\ncoarse = 4",
            "line 24: packet.time.coarse: does not belong",
        );
        let twice = "id = 16\nservice = \"m_pdu\"\n[[vc]]\nid = 16";
        refuses("id = 16", twice, "line 23: vc.id: 16 is named twice");
        refuses(
            "max_errors = 1",
            "max_errors = 1073741825",
            "line 6: sync.max_errors: 1073741825 of 32 bits",
        );
        refuses(
            "\"octets\"\n[sync]",
            "\"i8\"\n[sync]\nalignment = \"octet\"",
            "line 5: sync.alignment: \"octet\": single symbols",
        );
        refuses("scid_bits = 8", "vcfc_length = 8", "line 18: frame.vcfc_length: is for uslp frames");
        refuses("[frame]", "[frame", "line 10: frame: ");
    }

    #[test]
    fn virtual_fill_may_count_a_codeword_or_the_block() {
        for fill in ["3", "12"] {
            let text = JPSS.replace("length = 892", "length = 880");
            let text = text.replace("virtual_fill = 0", &format!("virtual_fill = {fill}"));
            assert_eq!(LinkParameters::from_toml(&text).unwrap().block_length(), 1008);
        }
    }
}
