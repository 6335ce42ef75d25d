//! What is refused, by name and line; what a lenient load leaves out; names, inheritance and alarms.

use std::sync::Arc;

use perigee_xtce::{
    Column, Columns, Database, Decoder, Earlier, LoadOptions, Lookup, ParameterId, Plan, Reading, Severity,
    Value, Values, evaluate,
};

/// A database of one system.
fn system(types: &str, parameters: &str, containers: &str) -> String {
    format!(
        "<SpaceSystem name=\"S\" xmlns=\"http://www.omg.org/spec/XTCE/20180204\">\n<TelemetryMetaData>\n\
         <ParameterTypeSet>\n{types}\n</ParameterTypeSet>\n<ParameterSet>\n{parameters}\n</ParameterSet>\n\
         <ContainerSet>\n{containers}\n</ContainerSet>\n</TelemetryMetaData>\n</SpaceSystem>"
    )
}

const U8: &str =
    "<IntegerParameterType name='u8' signed='false'><IntegerDataEncoding/></IntegerParameterType>";
const A: &str = "<Parameter name='A' parameterTypeRef='u8'/>";
const P: &str = "<SequenceContainer name='P'><EntryList><ParameterRefEntry parameterRef='A'/></EntryList></SequenceContainer>";

#[test]
fn what_is_not_supported_is_refused_by_name_and_line() {
    let entry = |inner: &str| {
        format!(
            "<SequenceContainer name='P'>\n<EntryList>\n<ParameterRefEntry parameterRef='A'>{inner}</ParameterRefEntry></EntryList></SequenceContainer>"
        )
    };
    let ty = |inner: &str| format!("{U8}<IntegerParameterType name='X'>\n{inner}</IntegerParameterType>");
    let float = |inner: &str| format!("{U8}<FloatParameterType name='X'>\n{inner}</FloatParameterType>");
    let cases: Vec<(String, &str, u32, &str)> = vec![
        (system(&ty("<IntegerDataEncoding sizeInBits='65'/>"), A, P), "/S/X", 5, "65"),
        (system(&ty("<IntegerDataEncoding encoding='gray'/>"), A, P), "/S/X", 5, "gray"),
        (system(&ty("<IntegerDataEncoding colour='red'/>"), A, P), "/S/X", 5, "colour"),
        (
            system(&ty("<IntegerDataEncoding byteOrder='1,1' sizeInBits='16'/>"), A, P),
            "/S/X",
            5,
            "byte order",
        ),
        (
            system(&ty("<IntegerDataEncoding><ErrorDetectCorrect/></IntegerDataEncoding>"), A, P),
            "/S/X",
            5,
            "ErrorDetectCorrect",
        ),
        (system(&float("<FloatDataEncoding sizeInBits='80'/>"), A, P), "/S/X", 5, "80"),
        (system(&float("<FloatDataEncoding encoding='IBM'/>"), A, P), "/S/X", 5, "IBM"),
        (
            system(
                &float(
                    "<IntegerDataEncoding><DefaultCalibrator><SplineCalibrator order='2'><SplinePoint raw='0' calibrated='0'/></SplineCalibrator></DefaultCalibrator></IntegerDataEncoding>",
                ),
                A,
                P,
            ),
            "/S/X",
            5,
            "order",
        ),
        (
            system(
                &float(
                    "<IntegerDataEncoding><DefaultCalibrator><MathOperationCalibrator><Operator>+</Operator></MathOperationCalibrator></DefaultCalibrator></IntegerDataEncoding>",
                ),
                A,
                P,
            ),
            "/S/X",
            5,
            "too few operands",
        ),
        (system(&ty("<DefaultAlarm><CustomAlarm/></DefaultAlarm>"), A, P), "/S/X", 5, "CustomAlarm"),
        (
            system(&format!("{U8}\n<IntegerParameterType name='X' baseType='X'/>"), A, P),
            "/S/X",
            5,
            "baseType",
        ),
        (system(U8, "<Parameter name='A' parameterTypeRef='nothing'/>", ""), "/S/A", 7, "nothing"),
        (system(U8, &format!("{A}\n{A}"), ""), "/S/A", 8, "another parameter"),
        (
            system(
                U8,
                A,
                "\n<SequenceContainer name='P'><EntryList><ParameterRefEntry parameterRef='B'/></EntryList></SequenceContainer>",
            ),
            "/S/P",
            11,
            "`B`",
        ),
        (
            system(U8, A, &entry("<IncludeCondition><CustomAlgorithm/></IncludeCondition>")),
            "/S/P",
            12,
            "CustomAlgorithm",
        ),
        (
            system(
                U8,
                A,
                &entry("<IncludeCondition><Comparison parameterRef='A' value='red'/></IncludeCondition>"),
            ),
            "/S/P",
            12,
            "red",
        ),
        (
            system(
                U8,
                A,
                &entry(
                    "<LocationInContainerInBits referenceLocation='nextEntry'><FixedValue>0</FixedValue></LocationInContainerInBits>",
                ),
            ),
            "/S/P",
            10,
            "placed by its end",
        ),
        (
            system(
                U8,
                A,
                "<SequenceContainer name='P'><EntryList><StreamSegmentEntry/></EntryList></SequenceContainer>",
            ),
            "/S/P",
            10,
            "StreamSegmentEntry",
        ),
        (
            system(
                U8,
                A,
                "<SequenceContainer name='P'><EntryList><ContainerRefEntry containerRef='P'/></EntryList></SequenceContainer>",
            ),
            "/S/P",
            10,
            "contains itself",
        ),
        (
            system(
                U8,
                A,
                "<SequenceContainer name='P'><EntryList/><BaseContainer containerRef='P'><RestrictionCriteria><NextContainer/></RestrictionCriteria></BaseContainer></SequenceContainer>",
            ),
            "/S/P",
            10,
            "NextContainer",
        ),
    ];
    for (xml, name, line, what) in cases {
        let error = Database::load(&xml, LoadOptions::default()).expect_err(&xml);
        let found = error
            .problems
            .iter()
            .any(|problem| problem.name == name && problem.line == line && problem.what.contains(what));
        assert!(found, "{name} line {line} {what}: {error}");
    }
}

#[test]
fn documents_that_are_no_xtce() {
    let refused = |xml: &str| Database::load(xml, LoadOptions { lenient: true }).expect_err(xml).to_string();
    assert!(refused("").contains("line 1"));
    assert!(refused("<SpaceSystem name='S'>").contains("line 1"));
    assert!(refused("\n<Other/>").contains("line 2"));
    assert!(refused("<SpaceSystem xmlns='urn:other' name='S'/>").contains("urn:other"));
    assert!(refused("<!DOCTYPE x [<!ENTITY a 'b'>]><SpaceSystem name='&a;'/>").contains("DTD"));
    assert!(refused(&"<a>".repeat(100_000)).contains("deeper"));
    for namespace in [
        "http://www.omg.org/space/xtce",
        "http://www.omg.org/spec/XTCE/20180204",
        "http://www.omg.org/spec/XTCE/20250214",
    ] {
        let xml = format!("<x:SpaceSystem xmlns:x='{namespace}' name='S'/>");
        assert!(Database::load(&xml, LoadOptions::default()).is_ok());
    }
}

#[test]
fn a_lenient_load_names_what_it_leaves_out() {
    let types = format!(
        "{U8}<IntegerParameterType name='huge'><IntegerDataEncoding sizeInBits='128'/></IntegerParameterType>"
    );
    let parameters = format!("{A}<Parameter name='H' parameterTypeRef='huge'/>");
    let containers = format!(
        "{P}<SequenceContainer name='Bad'><EntryList><ParameterRefEntry parameterRef='H'/></EntryList>\
         <BaseContainer containerRef='P'/></SequenceContainer>\n\
         <SequenceContainer name='Heir'><EntryList/><BaseContainer containerRef='Bad'/></SequenceContainer>\
         <SequenceContainer name='Good'><EntryList/><BaseContainer containerRef='P'>\
         <RestrictionCriteria><Comparison parameterRef='A' value='1'/></RestrictionCriteria></BaseContainer></SequenceContainer>"
    );
    let xml = system(&types, &parameters, &containers);
    assert!(Database::load(&xml, LoadOptions::default()).is_err());
    let loaded = Database::load(&xml, LoadOptions { lenient: true }).expect("loads");
    let left_out: Vec<&str> = loaded
        .notices
        .iter()
        .filter(|notice| notice.what.contains("left out"))
        .map(|notice| notice.name.as_str())
        .collect();
    assert_eq!(left_out, ["/S/Bad", "/S/Heir"]);
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    let mut values = Values::default();
    let container = Decoder::new(Arc::new(plan)).decode(&[1], &mut values).expect("decodes");
    assert_eq!(loaded.database.container(container).map(|own| own.short_name.as_str()), Some("Good"));
}

#[test]
fn references_climb_and_descend() {
    let parameter =
        |name: &str, reference: &str| format!("<Parameter name='{name}' parameterTypeRef='{reference}'/>");
    let xml = format!(
        "<SpaceSystem name='Root'><TelemetryMetaData><ParameterTypeSet>{U8}</ParameterTypeSet></TelemetryMetaData>\
         <SpaceSystem name='Bus'><TelemetryMetaData><ParameterTypeSet>{U8}</ParameterTypeSet><ParameterSet>{}{}{}</ParameterSet>\
         </TelemetryMetaData><SpaceSystem name='Power'><TelemetryMetaData><ParameterSet>{}{}</ParameterSet>\
         </TelemetryMetaData></SpaceSystem></SpaceSystem></SpaceSystem>",
        parameter("near", "u8"),
        parameter("absolute", "/Root/u8"),
        parameter("above", "../u8"),
        parameter("found", "u8"),
        parameter("path", "../../Bus/./u8"),
    );
    let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = loaded.database.parameters().iter().map(|own| own.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "/Root/Bus/near",
            "/Root/Bus/absolute",
            "/Root/Bus/above",
            "/Root/Bus/Power/found",
            "/Root/Bus/Power/path"
        ]
    );
    assert!(Plan::compile(&loaded.database, None).is_err());
}

struct Known {
    mode: ParameterId,
    safe: bool,
    before: Option<Earlier>,
}

impl Lookup for Known {
    fn value(&self, parameter: ParameterId, _: u8, _: bool) -> Reading<'_> {
        let value =
            if parameter == self.mode { Value::Label(if self.safe { 2 } else { 0 }) } else { Value::Absent };
        Reading { value, octets: &[] }
    }

    fn before(&self, _: u32, _: f64) -> Option<Earlier> {
        self.before
    }
}

#[test]
fn alarms_look_at_ranges_contexts_changes_and_labels() {
    let loaded = Database::load(perigee_xtce::fuzzing::FEATURES, LoadOptions::default()).expect("loads");
    let database = loaded.database;
    let find = |name| database.find_parameter(name).expect("there");
    let linear = database.alarm(find("Linear")).expect("an alarm");
    let mut known = Known { mode: find("Mode"), safe: false, before: None };
    let severity = |known: &Known, value: f64| evaluate(linear, Value::Float(value), known);
    assert_eq!(severity(&known, 20.0), Severity::Nominal);
    assert_eq!(severity(&known, 20.1), Severity::Warning);
    assert_eq!(severity(&known, 30.0), Severity::Critical);
    known.before = Some(Earlier { value: 1.0, seconds: 1.0, samples: 1 });
    assert_eq!(severity(&known, 10.0), Severity::Watch);
    known.safe = true;
    assert_eq!(severity(&known, 0.5), Severity::Severe);
    assert_eq!(severity(&known, 50.0), Severity::Nominal);
    assert_eq!(linear.depends_on(), [find("Mode")]);
    assert_eq!((linear.limits().len(), linear.is_static()), (2, false));
    let counts = linear.assess(Value::Float(0.0), &Known { safe: false, ..known });
    assert_eq!((counts.min_violations, counts.min_conformance), (3, 2));

    let mode = database.alarm(find("Mode")).expect("an alarm");
    assert_eq!(evaluate(mode, Value::Label(2), &perigee_xtce::NoLookup), Severity::Critical);
    assert_eq!(evaluate(mode, Value::Label(1), &perigee_xtce::NoLookup), Severity::Nominal);
    assert_eq!(evaluate(mode, Value::Absent, &perigee_xtce::NoLookup), Severity::Watch);
    assert!(database.alarm(find("Count")).is_none());
    // The leaf of an aggregate has the alarm of its type.
    assert!(database.alarm(find("Pair.b")).is_some());
}

#[test]
fn columns_hold_what_the_decoder_gives() {
    let loaded = Database::load(perigee_xtce::fuzzing::FEATURES, LoadOptions::default()).expect("loads");
    let plan = Arc::new(Plan::compile(&loaded.database, None).expect("compiles"));
    for (name, id) in [("Integers", 1u8), ("Floats", 2)] {
        let container = loaded.database.find_container(name).expect("there");
        let mut columns = Columns::new(&plan, container).expect("fixed");
        let packets: Vec<Vec<u8>> = (0..1000u32)
            .map(|seed| {
                let octets =
                    (0..60u32).map(|at| (seed.wrapping_mul(2_654_435_761).rotate_left(at) >> 7) as u8);
                std::iter::once(id).chain(octets).collect()
            })
            .collect();
        assert_eq!(columns.decode(packets.iter().map(Vec::as_slice).chain([&[1u8, 2][..]])), 1);
        let mut decoder = Decoder::new(Arc::clone(&plan));
        let mut values = Values::default();
        for (row, packet) in packets.iter().enumerate() {
            values.clear();
            decoder.decode(packet, &mut values).expect("decodes");
            for (entry, (parameter, column)) in values.entries.iter().zip(columns.columns()) {
                assert_eq!(entry.parameter, *parameter);
                let same = match (entry.raw, column.get(row)) {
                    // A digit that is none has no value; its column has the largest.
                    (Value::Absent, Value::Unsigned(value)) => value == u64::MAX,
                    (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
                    (a, b) => a == b,
                };
                assert!(same, "{name} row {row}: {:?} is not {:?}", column.get(row), entry.raw);
            }
        }
        assert!(matches!(columns.columns()[0].1, Column::U8(_)));
        columns.clear();
        assert!(columns.columns().iter().all(|(_, column)| column.is_empty()));
    }
    let texts = loaded.database.find_container("Texts").expect("there");
    assert!(Columns::new(&plan, texts).is_err());
}
