//! What the fuzz target runs, and the test that replays its corpus. Not part of the interface.

use perigee_part::Timestamp;
use perigee_xtce::{Severity, Value};

use crate::archive::blocks;
use crate::archive::lane::Lane;
use crate::archive::segment::{Cell, Column, OpenSegment, ParameterKey, decode_column, decode_times};
use crate::archive::summary::Summary;
use crate::archive::wire::Reader;

/// A block as it stands in a file that may be damaged: the first octet says of which kind, two more how many rows or
/// values the table beside it claims. What can be read is read, and can be written and read again.
pub fn archive_block(data: &[u8]) {
    let Some((&[kind, high, low], block)) = data.split_first_chunk::<3>() else { return };
    let count = usize::from(u16::from_be_bytes([high, low]));
    match kind % 6 {
        0 => records(block),
        1 => times(block, count),
        2 => column(block, count),
        3 => journal(block, count),
        4 => summary(block),
        _ => lane(block, count),
    }
}

/// Frames or packets.
fn records(block: &[u8]) {
    let mut octets = 0;
    for record in blocks::read(block) {
        let Ok(record) = record else { break };
        octets += record.octets.len() + 3;
    }
    assert!(octets <= block.len(), "more octets than there are");
}

fn times(block: &[u8], rows: usize) {
    let Ok((generated, received)) = decode_times(block, rows) else { return };
    assert_eq!((generated.len(), received.len()), (rows, rows));
    let mut segment = OpenSegment::default();
    for (generated, received) in generated.iter().zip(&received) {
        segment.begin_row(Timestamp(*generated), Timestamp(*received));
    }
    assert_eq!(decode_times(&segment.finished_times(), rows), Ok((generated, received)));
}

fn column(block: &[u8], rows: usize) {
    let Ok(column) = decode_column(ParameterKey(7), block, rows) else { return };
    same_again(&column, rows);
    let generated: Vec<i64> = (0..rows as i64).collect();
    let summary = Summary::of(&column, &generated);
    assert_eq!(summary.count, column.len() as u64);
    let found = Summary::decode(&summary.encode()).map(|found| found.count);
    assert_eq!(found, Ok(summary.count));
}

/// Two blocks of one journal, cut at `cut`, as the station reads them when it starts; then it goes on.
fn journal(block: &[u8], cut: usize) {
    let mut segment = OpenSegment::default();
    let (first, second) = block.split_at(cut.min(block.len()));
    for block in [first, second].into_iter().filter(|block| !block.is_empty()) {
        let before = segment.rows();
        if segment.recover(block).is_err() {
            // A journal that is damaged is not gone on with.
            return;
        }
        assert!(segment.rows() >= before && segment.is_journaled());
    }
    for round in 0..2 {
        let keys: Vec<ParameterKey> = segment.columns().iter().map(|column| column.key).collect();
        let mut row = segment.begin_row(Timestamp(round), Timestamp(round));
        for key in keys {
            row.push(key, Value::Unsigned(1), Value::Float(2.0), Severity::Watch, &[]);
        }
        let mut written = Vec::new();
        segment.encode_journal(&mut written);
        segment.mark_journaled();
        let mut alone = OpenSegment::default();
        assert_eq!((alone.recover(&written), alone.rows()), (Ok(()), 1));
    }
    assert_eq!(
        decode_times(&segment.finished_times(), segment.rows()),
        Ok((segment.generated().to_vec(), segment.received().to_vec()))
    );
    for column in segment.columns() {
        same_again(column, segment.rows());
    }
}

fn summary(block: &[u8]) {
    let Ok(mut summary) = Summary::decode(block) else { return };
    let again = Summary::decode(&summary.encode()).expect("what was just written");
    assert_eq!((again.count, again.worst, again.last_at), (summary.count, summary.worst, summary.last_at));
    summary.merge(&again);
    summary.merge(&again);
}

fn lane(block: &[u8], count: usize) {
    let mut lane = Lane::default();
    if lane.decode(count, &mut Reader::new(block)).is_err() {
        return;
    }
    assert_eq!(lane.len(), count);
    for small in [false, true] {
        let mut written = Vec::new();
        lane.encode(0, small, &mut written);
        let mut again = Lane::default();
        assert_eq!(again.decode(count, &mut Reader::new(&written)), Ok(()));
        assert!(lane.same(&again, 0), "{lane:?} became {again:?}");
    }
}

/// A column that is written and read again has the same values.
fn same_again(column: &Column, rows: usize) {
    let cells = |column: &Column| {
        let mut cells = Vec::new();
        column.cells(&mut Vec::new(), |cell, octets| cells.push(text(cell, octets)));
        cells
    };
    let again = decode_column(column.key, &column.finished(), rows).expect("what was just written");
    assert_eq!(cells(column), cells(&again));
}

/// The cell as text: floats by their bits, as NaN is not itself, and octets by what they are.
fn text(cell: Cell, octets: &[u8]) -> String {
    let bits = |value: Value| match (value, value.span()) {
        (Value::Float(number), _) => format!("{:x}", number.to_bits()),
        (Value::Text(_), Some(span)) => format!("text {:x?}", span.of(octets)),
        (Value::Binary(_), Some(span)) => format!("octets {:x?}", span.of(octets)),
        (_, Some(span)) => format!("structure {:x?}", span.of(octets)),
        (value, None) => format!("{value:?}"),
    };
    format!("{} {} {} {:?}", cell.row, bits(cell.raw), bits(cell.eng), cell.severity)
}
