//! Nothing that a database says is passed over in silence: what changes decoding is read or refused,
//! the rest is told by name and line.

use std::sync::Arc;

use perigee_xtce::{Database, Decoder, LoadOptions, Plan, Value, Values, limits};

/// A database of one system, each part on a line of its own from the third on.
fn system(types: &str, parameters: &str, containers: &str) -> String {
    format!(
        "<SpaceSystem name='S'><TelemetryMetaData>\n<ParameterTypeSet>{U8}\n{types}</ParameterTypeSet><ParameterSet>\
         <Parameter name='A' parameterTypeRef='u8'/>\n{parameters}</ParameterSet><ContainerSet>\n{containers}\
         </ContainerSet></TelemetryMetaData></SpaceSystem>"
    )
}

const U8: &str =
    "<IntegerParameterType name='u8' signed='false'><IntegerDataEncoding/></IntegerParameterType>";
const P: &str = "<SequenceContainer name='P'><EntryList><ParameterRefEntry parameterRef='A'/></EntryList></SequenceContainer>";

/// A container with an entry that has these children.
fn entry(inside: &str) -> String {
    format!(
        "<SequenceContainer name='P'><EntryList><ParameterRefEntry parameterRef='A'>{inside}</ParameterRefEntry></EntryList></SequenceContainer>"
    )
}

/// A type of 8 bits with these attributes and children besides its encoding.
fn number(attributes: &str, inside: &str) -> String {
    format!(
        "<IntegerParameterType name='X' {attributes}><IntegerDataEncoding/>{inside}</IntegerParameterType>"
    )
}

fn calibrated(inside: &str) -> String {
    format!(
        "<FloatParameterType name='X'><IntegerDataEncoding><DefaultCalibrator>{inside}</DefaultCalibrator></IntegerDataEncoding></FloatParameterType>"
    )
}

#[test]
fn what_is_passed_over_is_told_by_name_and_line() {
    let pair = "<AggregateParameterType name='pair'><MemberList><Member name='a' typeRef='u8' initialValue='{}'/></MemberList></AggregateParameterType>";
    let cases: [(String, &str, u32, &str); 10] = [
        (
            system("", "", &entry("<TimeAssociation parameterRef='A'/>")),
            "/S/P",
            5,
            "TimeAssociation is passed over",
        ),
        (
            system(
                "",
                "<Parameter name='B' parameterTypeRef='u8'><ParameterProperties><TimeAssociation parameterRef='A'/></ParameterProperties></Parameter>",
                P,
            ),
            "/S/B",
            4,
            "TimeAssociation is passed over",
        ),
        (
            system(
                "",
                "",
                "<SequenceContainer name='P'><EntryList/><BinaryEncoding><SizeInBits><FixedValue>8</FixedValue></SizeInBits></BinaryEncoding></SequenceContainer>",
            ),
            "/S/P",
            5,
            "SizeInBits is passed over",
        ),
        (system("", "<Parameter name='B' parameterTypeRef='u8' initialValue='red'/>", P), "/S/B", 4, "`red`"),
        (system(&number("initialValue='1.5'", ""), "", P), "/S/X", 3, "`1.5`"),
        (system(&pair.replace("{}", "?"), "", P), "/S/pair", 3, "`?`"),
        (
            system(
                &pair.replace("{}", "1"),
                "<Parameter name='B' parameterTypeRef='pair' initialValue='1'/>",
                P,
            ),
            "/S/B",
            4,
            "aggregate or array",
        ),
        (
            system(
                "<AbsoluteTimeParameterType name='X'><Encoding><StringDataEncoding><SizeInBits><Fixed><FixedValue>160</FixedValue></Fixed></SizeInBits></StringDataEncoding></Encoding><ReferenceTime><Epoch>TAI</Epoch></ReferenceTime></AbsoluteTimeParameterType>",
                "",
                P,
            ),
            "/S/X",
            3,
            "ReferenceTime is passed over",
        ),
        (
            system(
                "<ArrayParameterType name='list' arrayTypeRef='u8'><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>",
                "<Parameter name='B' parameterTypeRef='list'/>",
                "<SequenceContainer name='P'><EntryList><ArrayParameterRefEntry parameterRef='B' lastEntryForThisArrayInstance='true'/></EntryList></SequenceContainer>",
            ),
            "/S/P",
            5,
            "lastEntryForThisArrayInstance is passed over",
        ),
        (
            system("", "", P)
                .replace("<TelemetryMetaData>", "<CommandMetaData/><ServiceSet/><TelemetryMetaData>"),
            "/S",
            1,
            "ServiceSet is passed over",
        ),
    ];
    for (xml, name, line, what) in cases {
        let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
        let told: Vec<_> = loaded
            .notices
            .iter()
            .filter(|notice| notice.name == name && notice.line == line && notice.what.contains(what))
            .collect();
        assert_eq!(told.len(), 1, "{name} line {line} {what}: {:?}", loaded.notices);
    }
}

#[test]
fn what_would_change_decoding_is_refused() {
    let two = "<Comparison parameterRef='A' value='1'/><ComparisonList><Comparison parameterRef='A' value='2'/></ComparisonList>";
    let condition = "<Condition><ParameterInstanceRef parameterRef='A'/><ComparisonOperator>==</ComparisonOperator><Value>1</Value></Condition>";
    let list = "<ArrayParameterType name='list' arrayTypeRef='u8'{}><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>1</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterType>";
    let part = "<SequenceContainer name='P'><EntryList><ArrayParameterRefEntry parameterRef='B'><DimensionList><Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex><FixedValue>2</FixedValue></EndingIndex></Dimension></DimensionList></ArrayParameterRefEntry></EntryList></SequenceContainer>";
    let member = |inside: &str| {
        format!("<AggregateParameterType name='X'><MemberList>{inside}</MemberList></AggregateParameterType>")
    };
    let heir = "<SequenceContainer name='In'><EntryList/></SequenceContainer><SequenceContainer name='Heir'><EntryList/><BaseContainer containerRef='In'/><BinaryEncoding><SizeInBits><FixedValue>8</FixedValue></SizeInBits></BinaryEncoding></SequenceContainer><SequenceContainer name='P'><EntryList><ContainerRefEntry containerRef='In'/></EntryList></SequenceContainer>";
    let plain = |types: &str| system(types, "", P);
    let cases: Vec<(String, &str)> = vec![
        (
            system("", "", P).replace(
                "<ParameterTypeSet>",
                "<include xmlns='http://www.w3.org/2001/XInclude' href='x'/><ParameterTypeSet>",
            ),
            "`include` in TelemetryMetaData",
        ),
        (system("", "", P).replace("<ParameterTypeSet>", "<ParameterTypeSet order='last'>"), "`order`"),
        (plain(&number("", "<IntegerDataEncoding/>")), "IntegerDataEncoding` comes twice"),
        (plain(&number("", "<FloatDataEncoding/>")), "IntegerDataEncoding and FloatDataEncoding"),
        (plain(&calibrated("<PolynomialCalibrator/><SplineCalibrator/>")), "in one DefaultCalibrator"),
        (
            plain(&calibrated(
                "<MathOperationCalibrator><ParameterInstanceRefOperand parameterRef='A' scale='2'/></MathOperationCalibrator>",
            )),
            "`scale`",
        ),
        (
            plain(&number(
                "",
                "<DefaultAlarm><StaticAlarmRanges timeUnits='days'><WatchRange minInclusive='1'/></StaticAlarmRanges></DefaultAlarm>",
            )),
            "timeUnits",
        ),
        (
            plain(&number(
                "",
                "<DefaultAlarm><ChangeAlarmRanges/><ChangePerSecondAlarmRanges/></DefaultAlarm>",
            )),
            "ChangeAlarmRanges and ChangePerSecondAlarmRanges",
        ),
        (
            plain(
                "<AbsoluteTimeParameterType name='X'><Encoding scale='2'><StringDataEncoding><SizeInBits><Fixed><FixedValue>8</FixedValue></Fixed></SizeInBits></StringDataEncoding></Encoding></AbsoluteTimeParameterType>",
            ),
            "`scale` of a time that is written as text",
        ),
        (plain(&member("<Member name='a' typeRef='u8' sizeInBits='4'/>")), "`sizeInBits`"),
        (plain(&member("<Spare name='a' typeRef='u8'/>")), "`Spare`"),
        (plain(&member(&"<Member name='a' typeRef='u8'/>".repeat(2))), "two members"),
        (plain(&list.replace("{}", " numberOfDimensions='2'")), "numberOfDimensions"),
        (
            system(&list.replace("{}", ""), "<Parameter name='B' parameterTypeRef='list'/>", part),
            "other dimensions",
        ),
        (system("", "<ParameterRef parameterRef='A' alias='B'/>", P), "`alias`"),
        (
            system("", "", &entry(&format!("<IncludeCondition>{two}</IncludeCondition>"))),
            "in one IncludeCondition",
        ),
        (
            system(
                "",
                "",
                &entry(&format!(
                    "<IncludeCondition><BooleanExpression>{condition}{condition}</BooleanExpression></IncludeCondition>"
                )),
            ),
            "in one BooleanExpression",
        ),
        (
            system(
                "",
                "",
                &entry(&format!(
                    "<IncludeCondition><BooleanExpression>{condition}</BooleanExpression></IncludeCondition>"
                )),
            )
            .replace(
                "<ParameterInstanceRef parameterRef='A'/>",
                &"<ParameterInstanceRef parameterRef='A'/>".repeat(3),
            ),
            "one right-hand side",
        ),
        (
            system(
                "",
                "",
                &entry(
                    "<RepeatEntry><Count><FixedValue>1</FixedValue><DynamicValue><ParameterInstanceRef parameterRef='A'/></DynamicValue></Count></RepeatEntry>",
                ),
            ),
            "in one Count",
        ),
        (
            system(
                "",
                "",
                &entry(
                    "<RepeatEntry><Count referenceLocation='containerEnd'><FixedValue>1</FixedValue></Count></RepeatEntry>",
                ),
            ),
            "`referenceLocation` of Count",
        ),
        (
            system(
                "",
                "",
                &entry(&"<RepeatEntry><Count><FixedValue>1</FixedValue></Count></RepeatEntry>".repeat(2)),
            ),
            "comes twice",
        ),
        (
            system(
                &member("<Member name='a' typeRef='u8'/>"),
                "<Parameter name='B' parameterTypeRef='X'/><Parameter name='C' parameterTypeRef='X'/>",
                &entry(&format!(
                    "<IncludeCondition><BooleanExpression>{condition}</BooleanExpression></IncludeCondition>"
                ))
                .replace(
                    "<ParameterInstanceRef parameterRef='A'/>",
                    "<ParameterInstanceRef parameterRef='B'/>",
                )
                .replace("<Value>1</Value>", "<ParameterInstanceRef parameterRef='C'/>"),
            ),
            "only its members",
        ),
        (system("", "", heir), "an heir of an included container"),
    ];
    for (xml, what) in cases {
        let error =
            Database::load(&xml, LoadOptions::default()).err().unwrap_or_else(|| panic!("loads: {xml}"));
        assert!(error.problems.iter().any(|problem| problem.what.contains(what)), "{what}: {error}");
    }
}

/// A type whose base is refused for something that it would inherit is not loaded without it.
#[test]
fn a_lenient_load_inherits_nothing_from_what_is_refused() {
    let types = "<IntegerParameterType name='X' signed='false'><IntegerDataEncoding/><Scrambled/></IntegerParameterType>\
                 <IntegerParameterType name='Y' baseType='X'/>";
    let xml = system(types, "<Parameter name='B' parameterTypeRef='Y'/>", &entry("").replace("'A'", "'B'"));
    let loaded = Database::load(&xml, LoadOptions { lenient: true }).expect("loads");
    assert!(loaded.notices.iter().any(|notice| notice.name == "/S/P" && notice.what.contains("left out")));
    assert!(Plan::compile(&loaded.database, None).is_err());
}

#[test]
fn values_may_have_comments_in_them() {
    let xml = system(
        "",
        "",
        &entry("<RepeatEntry><Count><FixedValue><!-- two -->2<!-- ? -->0</FixedValue></Count></RepeatEntry>"),
    );
    let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    let mut values = Values::default();
    Decoder::new(Arc::new(plan)).decode(&[7; 20], &mut values).expect("decodes");
    assert_eq!(values.entries.len(), 20);
}

#[test]
fn the_number_of_notices_is_bounded() {
    let entries =
        "<ParameterRefEntry parameterRef='A'><TimeAssociation parameterRef='A'/></ParameterRefEntry>";
    let xml = system(
        "",
        "",
        &format!(
            "<SequenceContainer name='P'><EntryList>{}</EntryList></SequenceContainer>",
            entries.repeat(limits::MAX_NOTICES + 5)
        ),
    );
    let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.notices.len(), limits::MAX_NOTICES + 1);
    assert!(loaded.notices.last().is_some_and(|last| last.what.contains("5 more")));
}

/// Entries whose condition looks at a parameter that no packet has brought yet.
#[test]
fn initial_values_of_every_type_are_found_by_conditions() {
    let fixed = |kind: &str| {
        format!(
            "<{kind}DataEncoding><SizeInBits>{}</SizeInBits></{kind}DataEncoding>",
            match kind {
                "String" => "<Fixed><FixedValue>16</FixedValue></Fixed>",
                _ => "<FixedValue>16</FixedValue>",
            }
        )
    };
    let time = "<Encoding><IntegerDataEncoding/></Encoding>";
    let types = [
        number("initialValue='0x10'", ""),
        "<FloatParameterType name='F' initialValue='1.5'><FloatDataEncoding/></FloatParameterType>".into(),
        "<BooleanParameterType name='B' initialValue='On' oneStringValue='On'><IntegerDataEncoding/></BooleanParameterType>".into(),
        "<EnumeratedParameterType name='E' initialValue='two'><IntegerDataEncoding/><EnumerationList><Enumeration value='2' label='two'/></EnumerationList></EnumeratedParameterType>".into(),
        format!("<StringParameterType name='T' initialValue='ab'>{}</StringParameterType>", fixed("String")),
        format!("<BinaryParameterType name='O' initialValue='00FF'>{}</BinaryParameterType>", fixed("Binary")),
        format!("<AbsoluteTimeParameterType name='At' initialValue='2020-01-01T00:00:00'>{time}<ReferenceTime><Epoch>UNIX</Epoch></ReferenceTime></AbsoluteTimeParameterType>"),
        format!("<RelativeTimeParameterType name='Rt' initialValue='PT2S'>{time}</RelativeTimeParameterType>"),
        "<AggregateParameterType name='G'><MemberList><Member name='a' typeRef='u8' initialValue='7'/></MemberList></AggregateParameterType>".into(),
    ]
    .concat();
    let names = ["X", "F", "B", "E", "T", "O", "At", "Rt", "G"];
    let parameters: String =
        names.iter().map(|name| format!("<Parameter name='p{name}' parameterTypeRef='{name}'/>")).collect();
    // The parameter's own initial value goes before that of its type.
    let parameters = parameters + "<Parameter name='pOwn' parameterTypeRef='X' initialValue='3'/>";
    let conditions = [
        ("pX", "16"),
        ("pF", "1.5"),
        ("pB", "On"),
        ("pE", "two"),
        ("pT", "ab"),
        ("pO", "00ff"),
        ("pAt", "2020-01-01"),
        ("pRt", "PT2S"),
        ("pG.a", "7"),
        ("pOwn", "3"),
        ("pT", "ac"),
        ("pG.a", "8"),
    ];
    let entries: String = conditions
        .iter()
        .map(|(name, value)| {
            format!("<ParameterRefEntry parameterRef='A'><IncludeCondition><Comparison parameterRef='{name}' value='{value}'/></IncludeCondition></ParameterRefEntry>")
        })
        .collect();
    let xml = system(
        &types,
        &parameters,
        &format!("<SequenceContainer name='P'><EntryList>{entries}</EntryList></SequenceContainer>"),
    );
    let loaded = Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    let plan = Plan::compile(&loaded.database, None).expect("compiles");
    let mut values = Values::default();
    let octets: Vec<u8> = (0..12).collect();
    Decoder::new(Arc::new(plan)).decode(&octets, &mut values).expect("decodes");
    let seen: Vec<Value> = values.entries.iter().map(|entry| entry.raw).collect();
    // Ten conditions hold, the last two do not.
    assert_eq!(seen, (0..10).map(Value::Unsigned).collect::<Vec<_>>());
}
