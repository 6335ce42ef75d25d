//! Limits on what a database may ask for, so that hostile XML is refused in bounded time and memory.

/// Octets of an XML document.
pub const MAX_XML_OCTETS: usize = 256 << 20;
/// Nodes (elements, texts, comments) of an XML document.
pub const MAX_XML_NODES: u32 = 16 << 20;
/// Depth of nested elements.
pub const MAX_DEPTH: usize = 256;
/// Parameters of a database, the leaves of arrays and aggregates among them.
pub const MAX_PARAMETERS: usize = 1 << 20;
/// Leaves of one array or aggregate parameter; a larger array is given as [`Structured`](crate::Value::Structured).
pub const MAX_LEAVES: usize = 4096;
/// Problems told of one database.
pub const MAX_PROBLEMS: usize = 200;
/// Notices given of one database; what is beyond them is counted.
pub const MAX_NOTICES: usize = 1000;
/// Length of an inheritance chain of types or containers, and depth of included containers.
pub const MAX_NESTING: usize = 64;
/// Steps of a compiled plan, after the included containers and fixed repeats are written out.
pub const MAX_STEPS: usize = 1 << 20;
/// Heirs that the table of a container may list, over all its values; more are tried one by one.
pub const MAX_CANDIDATES: usize = 1 << 20;
/// Octets of a description that the leaves of an aggregate or array share.
pub const MAX_LEAF_DESCRIPTION: usize = 256;
/// Octets of text or octet strings that count as one more value of a packet.
pub const OCTETS_PER_ENTRY: u64 = 128;
/// Terms, points or operations of one calibrator.
pub const MAX_CALIBRATOR_TERMS: usize = 4096;
/// How far back `instance` may point.
pub const MAX_INSTANCES: usize = 16;
/// Values that one packet may yield: repeats and dynamic arrays end here with an error.
pub const MAX_ENTRIES_PER_PACKET: usize = 1 << 20;
/// Octets of a packet: the longest space packet is 65,542, encapsulation packets are longer.
pub const MAX_PACKET_OCTETS: usize = 64 << 20;
