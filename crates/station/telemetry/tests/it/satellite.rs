//! A satellite of a few parameters: its mission database and its packets.

/// Container `Housekeeping`, APID 1: a counter, a voltage with limits, a mode, a name, octets.
/// Container `Science`, APID 2: the same header and a temperature. Voltage = `slope` times the raw value.
pub(crate) fn database(slope: f64, modes: [&str; 3]) -> String {
    let [off, on, fault] = modes;
    let unsigned = [3, 1, 11, 2, 14, 16, 32].map(|bits| {
        format!(
            r#"<IntegerParameterType name="U{bits}" signed="false"><IntegerDataEncoding sizeInBits="{bits}"/></IntegerParameterType>"#
        )
    });
    let parameters = [
        ("Version", "U3"),
        ("Type", "U1"),
        ("Secondary", "U1"),
        ("Apid", "U11"),
        ("Flags", "U2"),
        ("Sequence", "U14"),
        ("Length", "U16"),
        ("Counter", "U32"),
        ("Voltage", "Volts"),
        ("Mode", "Mode"),
        ("Name", "Name"),
        ("Octets", "Octets"),
        ("Temperature", "F32"),
    ];
    let entries = |range: std::ops::Range<usize>| {
        let entry = |name| format!(r#"<ParameterRefEntry parameterRef="{name}"/>"#);
        parameters[range].iter().map(|(name, _)| entry(name)).collect::<String>()
    };
    let heir = |name: &str, apid: u16, entries: String| {
        format!(
            r#"<SequenceContainer name="{name}"><EntryList>{entries}</EntryList><BaseContainer containerRef="Packet">
            <RestrictionCriteria><Comparison parameterRef="Apid" value="{apid}"/></RestrictionCriteria></BaseContainer></SequenceContainer>"#
        )
    };
    let declared =
        parameters.map(|(name, kind)| format!(r#"<Parameter name="{name}" parameterTypeRef="{kind}"/>"#));
    format!(
        r##"<?xml version="1.0"?>
<SpaceSystem xmlns="http://www.omg.org/spec/XTCE/20180204" name="Sat"><TelemetryMetaData><ParameterTypeSet>
 {}
 <FloatParameterType name="Volts"><UnitSet><Unit>V</Unit></UnitSet>
  <IntegerDataEncoding sizeInBits="16"><DefaultCalibrator><PolynomialCalibrator>
   <Term coefficient="0" exponent="0"/><Term coefficient="{slope}" exponent="1"/>
  </PolynomialCalibrator></DefaultCalibrator></IntegerDataEncoding>
  <DefaultAlarm minViolations="3"><StaticAlarmRanges>
   <WarningRange minInclusive="10" maxInclusive="30"/><CriticalRange minInclusive="5" maxInclusive="35"/>
  </StaticAlarmRanges></DefaultAlarm>
 </FloatParameterType>
 <EnumeratedParameterType name="Mode"><IntegerDataEncoding sizeInBits="8"/><EnumerationList>
  <Enumeration value="0" label="{off}"/><Enumeration value="1" label="{on}"/><Enumeration value="2" label="{fault}"/>
 </EnumerationList></EnumeratedParameterType>
 <StringParameterType name="Name"><StringDataEncoding><SizeInBits><Fixed><FixedValue>32</FixedValue></Fixed></SizeInBits></StringDataEncoding></StringParameterType>
 <BinaryParameterType name="Octets"><BinaryDataEncoding><SizeInBits><FixedValue>16</FixedValue></SizeInBits></BinaryDataEncoding></BinaryParameterType>
 <FloatParameterType name="F32"><FloatDataEncoding sizeInBits="32"/></FloatParameterType>
</ParameterTypeSet><ParameterSet>{}</ParameterSet><ContainerSet>
 <SequenceContainer name="Packet" abstract="true"><EntryList>{}</EntryList></SequenceContainer>
 {}{}
</ContainerSet></TelemetryMetaData></SpaceSystem>"##,
        unsigned.concat(),
        declared.concat(),
        entries(0..7),
        heir("Housekeeping", 1, entries(7..12)),
        heir("Science", 2, entries(12..13)),
    )
}

/// Values in a packet of `Housekeeping`.
pub(crate) const VALUES: u64 = 12;

/// The database that most tests use: volts are a hundredth of the raw value.
pub(crate) fn usual() -> String {
    database(0.01, ["OFF", "ON", "FAULT"])
}

fn packet(apid: u16, sequence: u32, data: &[u8]) -> Vec<u8> {
    let mut packet = apid.to_be_bytes().to_vec();
    packet.extend((0xc000 | (sequence & 0x3fff) as u16).to_be_bytes());
    packet.extend((data.len() as u16 - 1).to_be_bytes());
    packet.extend(data);
    packet
}

/// A packet of `Housekeeping`.
pub(crate) fn housekeeping(counter: u32, centivolts: u16, mode: u8) -> Vec<u8> {
    let mut data = counter.to_be_bytes().to_vec();
    data.extend(centivolts.to_be_bytes());
    data.push(mode);
    data.extend(format!("n{:03}", counter % 1000).as_bytes());
    data.extend((counter as u16).to_le_bytes());
    packet(1, counter, &data)
}

/// A packet of `Science`.
pub(crate) fn science(counter: u32, temperature: f32) -> Vec<u8> {
    packet(2, counter, &temperature.to_be_bytes())
}

/// A packet that no container fits.
pub(crate) fn unknown(counter: u32) -> Vec<u8> {
    packet(77, counter, &[1, 2, 3])
}
