//! Records there and back.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::record::head;

fn any_record() -> impl Strategy<Value = Record<'static>> {
    let who =
        (".{0,20}", prop::option::of(any::<u128>()), any::<Option<u32>>(), any::<Option<u32>>(), 0..6usize);
    let when = (any::<u64>(), 0..253_402_300_799_999_999i64, any::<u64>(), any::<u128>());
    let what = (0..8u8, any::<Option<u8>>(), ".{0,9}", vec(any::<u8>(), 0..80), any::<bool>());
    let fields = prop::collection::btree_map("[A-Z_]{1,8}", vec(any::<u8>(), 0..9), 0..4);
    (who, when, what, fields).prop_map(|(who, when, what, fields)| Record {
        sequence: when.0,
        time: Time(when.1),
        monotonic: when.2,
        boot: Id(when.3),
        unit: Cow::Owned(who.0),
        invocation: who.1.map(Id),
        pid: who.2,
        uid: who.3,
        source: Source::ALL[who.4],
        priority: Priority::new(what.0),
        facility: what.1,
        identifier: Cow::Owned(what.2),
        message: Cow::Owned(what.3),
        cut: what.4,
        fields: Cow::Owned(fields.into_iter().collect()),
    })
}

proptest! {
    #[test]
    fn a_record_is_one_line_and_reads_back(record in any_record()) {
        let mut line = Vec::new();
        record.encode(&mut line);
        prop_assert_eq!(line.iter().filter(|octet| **octet == b'\n').count(), 1);
        prop_assert_eq!(head(&line), Some((record.sequence, record.time)));
        prop_assert_eq!(Record::decode(&line).expect("a record").into_owned(), record);
        // What is torn is no record.
        for end in [1, line.len() / 2, line.len() - 2] {
            prop_assert!(Record::decode(&line[..end]).is_err());
        }
    }
}

#[test]
fn the_line_is_what_is_documented() {
    let mut record = Record::new("nginx.service", Source::Stderr, Priority::ERROR, b"caf\xe9 \"x\"\x1b");
    record.sequence = 7;
    record.time = Time(1_798_761_599_999_999);
    record.monotonic = 12;
    record.boot = Id(0xab);
    record.invocation = Some(Id(1));
    record.pid = Some(3);
    record.uid = Some(0);
    record.identifier = "nginx".into();
    record.fields = vec![("SITE".to_owned(), b"Kiruna".to_vec())].into();
    let mut line = Vec::new();
    record.encode(&mut line);
    let expected = concat!(
        r#"{"seq":7,"time":"2026-12-31T23:59:59.999999Z","mono":12,"boot":"000000000000000000000000000000ab","#,
        r#""unit":"nginx.service","run":"00000000000000000000000000000001","pid":3,"uid":0,"from":"stderr","prio":3,"#,
        "\"id\":\"nginx\",\"msg\":\"caf\u{fffd} \\\"x\\\"\\u001b\",\"msg_base64\":\"Y2Fm6SAieCIb\",",
        r#""fields":{"SITE":"Kiruna"}}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line).expect("UTF-8"), expected);
}

#[test]
fn priorities_by_name_and_number() {
    for (number, name) in (0..).zip(NAMES) {
        assert_eq!(name.parse(), Ok(Priority(number)));
        assert_eq!(number.to_string().parse(), Ok(Priority(number)));
    }
    assert_eq!("8".parse::<Priority>(), Err(PriorityError));
    assert_eq!("loud".parse::<Priority>(), Err(PriorityError));
}
