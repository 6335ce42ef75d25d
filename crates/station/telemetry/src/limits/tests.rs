//! Alarms that look back at earlier values, and alarms that depend on other parameters.

use std::sync::Arc;

use perigee_xtce::{Database, LoadOptions, Plan};

use super::*;
use crate::processor::Processor;

/// Limits and packets of a mode, a value and a text of two letters; the alarms of the value are given.
struct Bench {
    processor: Processor,
    limits: Limits,
    events: Vec<(AlarmEvent, Severity)>,
}

impl Bench {
    fn new(alarms: &str) -> Self {
        let encoded = |bits: u8, coding: &str| {
            format!("<IntegerDataEncoding sizeInBits='{bits}' encoding='{coding}'/>")
        };
        let entries =
            ["Mode", "Value", "Text"].map(|name| format!("<ParameterRefEntry parameterRef='{name}'/>"));
        let declared = ["Mode", "Value", "Text"]
            .map(|name| format!("<Parameter name='{name}' parameterTypeRef='{name}'/>"));
        let xml = format!(
            "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet>
             <EnumeratedParameterType name='Mode'>{}<EnumerationList><Enumeration value='0' label='OFF'/>
             <Enumeration value='1' label='ON'/><Enumeration value='2' label='SAFE'/></EnumerationList></EnumeratedParameterType>
             <FloatParameterType name='Value'>{}{alarms}</FloatParameterType>
             <StringParameterType name='Text'><StringDataEncoding><SizeInBits><Fixed><FixedValue>16</FixedValue></Fixed></SizeInBits></StringDataEncoding></StringParameterType>
             </ParameterTypeSet><ParameterSet>{}</ParameterSet><ContainerSet><SequenceContainer name='P'><EntryList>{}</EntryList></SequenceContainer></ContainerSet></TelemetryMetaData></SpaceSystem>",
            encoded(8, "unsigned"),
            encoded(16, "twosComplement"),
            declared.concat(),
            entries.concat(),
        );
        let database =
            Database::load(&xml, LoadOptions::default()).unwrap_or_else(|error| panic!("{error}")).database;
        let plan = Plan::compile(&database, None).unwrap();
        Self {
            processor: Processor::new(Arc::new(plan)),
            limits: Limits::new(Arc::new(database)),
            events: Vec::new(),
        }
    }

    fn packet(&mut self, seconds: f64, mode: u8, value: i16, text: &str) {
        let [high, low] = value.to_be_bytes();
        let packet = [&[mode, high, low], text.as_bytes()].concat();
        self.processor.receive(&packet, Timestamp((seconds * 1e9) as i64)).unwrap();
    }

    /// Ends the batch; the severities of its values.
    fn severities(&mut self) -> Vec<Severity> {
        let Self { processor, limits, events } = self;
        let batch = processor
            .publish(|batch| limits.check(batch, |change| events.push((change.event, change.alarm.severity))))
            .unwrap();
        batch.severities.iter().skip(1).step_by(3).copied().collect()
    }

    /// Values at these seconds, in one batch.
    fn series(&mut self, series: &[(f64, i16)]) -> Vec<Severity> {
        series.iter().for_each(|(seconds, value)| self.packet(*seconds, 0, *value, "ab"));
        self.severities()
    }
}

fn change(attributes: &str, ranges: &str) -> String {
    format!("<DefaultAlarm><ChangeAlarmRanges {attributes}>{ranges}</ChangeAlarmRanges></DefaultAlarm>")
}

const OVER_EIGHT: &str = "<WatchRange maxInclusive='8'/><CriticalRange maxInclusive='50'/>";
use Severity::{Critical, Nominal, Severe, Warning, Watch};

#[test]
fn a_change_is_told_from_the_sample_before() {
    let alarm = change("changeType='changePerSample'", OVER_EIGHT);
    let series = [(0.0, 0), (1.0, 8), (1.0, 17), (9.0, 12), (9.5, -50), (10.0, -50)];
    let expected = [Nominal, Nominal, Watch, Nominal, Critical, Nominal];
    assert_eq!(Bench::new(&alarm).series(&series), expected);
    // The same in a batch for each packet: the value before may have come long ago.
    let mut bench = Bench::new(&alarm);
    let alone: Vec<Severity> = series.iter().flat_map(|sample| bench.series(&[*sample])).collect();
    assert_eq!(alone, expected);
}

#[test]
fn a_span_of_samples_looks_further_back() {
    let alarm = change("changeType='changePerSample' spanOfInterestInSamples='3'", OVER_EIGHT);
    // Against the third before: nothing for the first three, then 5, 9, 9 and 5.
    let series = [(0.0, 0), (1.0, 3), (2.0, 4), (3.0, 5), (4.0, 12), (5.0, 13), (6.0, 10)];
    assert_eq!(
        Bench::new(&alarm).series(&series),
        [Nominal, Nominal, Nominal, Nominal, Watch, Watch, Nominal]
    );
}

#[test]
fn a_change_is_told_by_the_second() {
    let alarm = change("changeType='changePerSecond'", OVER_EIGHT);
    // 10 in 2 s, 20 in 1 s, 30 in a tenth, nothing in no time, something in no time.
    let series = [(0.0, 0), (2.0, 10), (3.0, 30), (3.1, 0), (3.1, 0), (3.1, 1)];
    assert_eq!(Bench::new(&alarm).series(&series), [Nominal, Nominal, Watch, Critical, Nominal, Critical]);
}

#[test]
fn a_span_of_seconds_passes_over_what_is_younger() {
    let alarm =
        change("changeType='changePerSecond' spanOfInterestInSeconds='10'", "<WatchRange maxInclusive='2'/>");
    // Jumps within ten seconds are not seen until they are older; 30 in 10 s is 3 by the second.
    let series = [(0.0, 0), (4.0, 100), (8.0, 0), (10.0, 30), (14.0, 100), (18.0, 0), (24.0, 115)];
    assert_eq!(
        Bench::new(&alarm).series(&series),
        [Nominal, Nominal, Nominal, Watch, Nominal, Nominal, Nominal]
    );
}

#[test]
fn a_change_in_percent_is_of_the_value_before() {
    let alarm = change(
        "changeType='changePerSample' changeBasis='percentageChange'",
        "<WarningRange maxInclusive='10'/>",
    );
    // 10 %, 11.8 %, -10 of -100, all of something, nothing of nothing, something of nothing.
    let series = [(0.0, 100), (1.0, 110), (2.0, 123), (3.0, -100), (4.0, -110), (5.0, 0), (6.0, 0), (7.0, 1)];
    assert_eq!(
        Bench::new(&alarm).series(&series),
        [Nominal, Nominal, Warning, Warning, Nominal, Warning, Nominal, Warning]
    );
}

#[test]
fn changes_trip_and_clear_as_often_as_asked() {
    let alarm = change("changeType='changePerSample'", OVER_EIGHT)
        .replace("<DefaultAlarm>", "<DefaultAlarm minViolations='2' minConformance='3'>");
    let mut bench = Bench::new(&alarm);
    bench.series(&[(0.0, 0), (1.0, 20), (2.0, 20), (3.0, 40)]);
    assert_eq!(bench.events, [], "never two in a row");
    bench.series(&[(4.0, 60)]);
    assert_eq!(bench.events, [(AlarmEvent::Raised, Watch)]);
    bench.series(&[(5.0, 60), (6.0, 60), (7.0, 160), (8.0, 160), (9.0, 160)]);
    // A violation in between is a worse one, and the count of good values starts again.
    assert_eq!(bench.events[1..], [(AlarmEvent::Worsened, Critical)]);
    bench.series(&[(10.0, 160)]);
    assert_eq!(bench.events[2..], [(AlarmEvent::Cleared, Critical)]);
}

/// Nominal from 0 to 10; while SAFE from 0 to 5 and severe beyond; while ON or with text `zz` from 0 to 100.
fn contexts() -> String {
    let ranges = |name: &str, high: u8| {
        format!("<StaticAlarmRanges><{name} minInclusive='0' maxInclusive='{high}'/></StaticAlarmRanges>")
    };
    let context = |attributes: &str, ranges: String, matches: &str| {
        format!("<ContextAlarm {attributes}>{ranges}<ContextMatch>{matches}</ContextMatch></ContextAlarm>")
    };
    format!(
        "<DefaultAlarm>{}</DefaultAlarm><ContextAlarmList>{}{}{}</ContextAlarmList>",
        ranges("WarningRange", 10),
        context("", ranges("SevereRange", 5), "<Comparison parameterRef='Mode' value='SAFE'/>"),
        context(
            "minViolations='2'",
            ranges("WatchRange", 100),
            "<Comparison parameterRef='Mode' value='ON'/>"
        ),
        context("", ranges("WatchRange", 100), "<Comparison parameterRef='Text' value='zz'/>"),
    )
}

#[test]
fn the_first_context_that_matches_decides() {
    let mut bench = Bench::new(&contexts());
    let cases = [
        (0, 7, "ab", Nominal),
        (0, 11, "ab", Warning),
        (2, 7, "ab", Severe),
        (2, 5, "ab", Nominal),
        (1, 11, "ab", Nominal),
        (1, 101, "ab", Watch),
        // SAFE stands before the text.
        (2, 7, "zz", Severe),
        // The text comes behind the value in the packet, and counts all the same.
        (0, 11, "zz", Nominal),
        (0, 11, "zy", Warning),
        // A raw value without a label matches no context.
        (9, 11, "ab", Warning),
    ];
    for (mode, value, text, _) in cases {
        bench.packet(0.0, mode, value, text);
    }
    assert_eq!(bench.severities(), cases.map(|(.., severity)| severity));
}

#[test]
fn a_context_has_counts_of_its_own() {
    let mut bench = Bench::new(&contexts());
    bench.packet(0.0, 1, 200, "ab");
    bench.severities();
    assert_eq!(bench.events, [], "two in a row while ON");
    // The second violation is of another context, which asks for one.
    bench.packet(1.0, 2, 200, "ab");
    bench.severities();
    assert_eq!(bench.events, [(AlarmEvent::Raised, Severe)]);
    // The same value is good where the limits are wider; as many good ones are asked for as bad ones.
    bench.packet(2.0, 1, 50, "ab");
    bench.severities();
    assert_eq!(bench.events[1..], []);
    bench.packet(3.0, 1, 50, "ab");
    bench.severities();
    assert_eq!(bench.events[1..], [(AlarmEvent::Cleared, Severe)]);
}

#[test]
fn a_context_may_look_at_the_packet_before() {
    let before = "<ContextMatch><Comparison parameterRef='Mode' instance='-1' useCalibratedValue='false' value='2'/></ContextMatch>";
    let alarm = format!(
        "<ContextAlarmList><ContextAlarm><StaticAlarmRanges><SevereRange maxInclusive='5'/></StaticAlarmRanges>{before}</ContextAlarm></ContextAlarmList>"
    );
    let mut bench = Bench::new(&alarm);
    for (mode, batch_ends) in [(2, false), (0, false), (2, true), (1, false), (0, true)] {
        bench.packet(0.0, mode, 6, "ab");
        if batch_ends {
            let expected: &[Severity] =
                if mode == 2 { &[Nominal, Severe, Nominal] } else { &[Severe, Nominal] };
            assert_eq!(bench.severities(), expected);
        }
    }
}
