//! The model as XTCE.

use super::containers::{Condition, Container, Entry, Model, Place, Times, What};
use super::types::{Coding, End, Form, LABELS, Meaning, Octets, Order, Scalar, Size, Type, ZERO_AND_ONE};

const COUNT: &str = "<DynamicValue><ParameterInstanceRef parameterRef='Count'/>{}</DynamicValue>";

impl Model {
    pub(super) fn xtce(&self) -> String {
        let (mut types, mut parameters, mut containers) = (String::new(), String::new(), String::new());
        for parameter in &self.parameters {
            let (name, own) = (&parameter.name, format!("T{}", parameter.name));
            declare(&parameter.own, &own, &mut types);
            let validity = parameter.validity.as_ref().map_or(String::new(), |condition| {
                let condition = criteria(condition);
                format!(
                    "<ParameterProperties><ValidityCondition>{condition}</ValidityCondition></ParameterProperties>"
                )
            });
            parameters +=
                &format!("<Parameter name='{name}' parameterTypeRef='{own}'>{validity}</Parameter>\n");
        }
        self.container(&self.root, "", &mut containers);
        format!(
            "<SpaceSystem name='S'><TelemetryMetaData><ParameterTypeSet>{types}</ParameterTypeSet>\n<ParameterSet>{parameters}\
             </ParameterSet>\n<ContainerSet>{containers}</ContainerSet></TelemetryMetaData></SpaceSystem>"
        )
    }

    fn container(&self, container: &Container, base: &str, out: &mut String) {
        let entries: String = container.entries.iter().map(|entry| self.entry(entry, out)).collect();
        let Container { name, is_abstract, heirs, .. } = container;
        *out += &format!(
            "<SequenceContainer name='{name}' abstract='{is_abstract}'><EntryList>{entries}</EntryList>{base}</SequenceContainer>\n"
        );
        for (condition, heir) in heirs {
            let restriction = condition.as_ref().map_or(String::new(), |condition| {
                format!("<RestrictionCriteria>{}</RestrictionCriteria>", criteria(condition))
            });
            self.container(
                heir,
                &format!("<BaseContainer containerRef='{name}'>{restriction}</BaseContainer>"),
                out,
            );
        }
    }

    fn entry(&self, entry: &Entry, out: &mut String) -> String {
        let location = |from: &str, bits: usize| {
            format!(
                "<LocationInContainerInBits referenceLocation='{from}'><FixedValue>{bits}</FixedValue></LocationInContainerInBits>"
            )
        };
        let location = match entry.place {
            Place::Next => String::new(),
            Place::After(bits) => location("previousEntry", bits),
            Place::At(bits) => location("containerStart", bits),
        };
        let repeat = entry.repeat.map_or(String::new(), |(times, gap)| {
            let times = match times {
                Times::Fixed(times) => format!("<FixedValue>{times}</FixedValue>"),
                Times::Count => COUNT.replace("{}", ""),
            };
            let gap = if gap == 0 {
                String::new()
            } else {
                format!("<Offset><FixedValue>{gap}</FixedValue></Offset>")
            };
            format!("<RepeatEntry><Count>{times}</Count>{gap}</RepeatEntry>")
        });
        let include = entry.include.as_ref().map_or(String::new(), |condition| {
            format!("<IncludeCondition>{}</IncludeCondition>", criteria(condition))
        });
        let inside = location + &repeat + &include;
        match &entry.what {
            What::Parameter(at) => {
                let name = &self.parameters[*at].name;
                format!("<ParameterRefEntry parameterRef='{name}'>{inside}</ParameterRefEntry>")
            }
            What::Container(container) => {
                self.container(container, "", out);
                format!("<ContainerRefEntry containerRef='{}'>{inside}</ContainerRefEntry>", container.name)
            }
        }
    }
}

/// The element of MatchCriteriaType for a condition.
fn criteria(condition: &Condition) -> String {
    match condition {
        Condition::Compare { .. } => comparison(condition),
        Condition::All(parts) if parts.iter().all(|part| matches!(part, Condition::Compare { .. })) => {
            let parts: String = parts.iter().map(comparison).collect();
            format!("<ComparisonList>{parts}</ComparisonList>")
        }
        _ => format!("<BooleanExpression>{}</BooleanExpression>", expression(condition)),
    }
}

fn comparison(condition: &Condition) -> String {
    let Condition::Compare { parameter, instance, calibrated, operator, value } = condition else {
        return String::new();
    };
    let (operator, instance) = (operator.replace('<', "&lt;"), -(*instance as i64));
    format!(
        "<Comparison parameterRef='{parameter}' instance='{instance}' useCalibratedValue='{calibrated}' comparisonOperator='{operator}' value='{value}'/>"
    )
}

fn expression(condition: &Condition) -> String {
    let several = |parts: &[Condition]| parts.iter().map(expression).collect::<String>();
    match condition {
        Condition::Compare { parameter, instance, calibrated, operator, value } => {
            let (operator, instance) = (operator.replace('<', "&lt;"), -(*instance as i64));
            format!(
                "<Condition><ParameterInstanceRef parameterRef='{parameter}' instance='{instance}' useCalibratedValue='{calibrated}'/>\
                 <ComparisonOperator>{operator}</ComparisonOperator><Value>{value}</Value></Condition>"
            )
        }
        Condition::All(parts) => format!("<ANDedConditions>{}</ANDedConditions>", several(parts)),
        Condition::Any(parts) => format!("<ORedConditions>{}</ORedConditions>", several(parts)),
    }
}

/// The elements of a type, those that it refers to first.
fn declare(own: &Type, name: &str, out: &mut String) {
    match own {
        Type::Scalar(own) => *out += &scalar(own, name),
        Type::Aggregate(members) => {
            let mut list = String::new();
            for (member, letter) in members.iter().zip('a'..) {
                let own = format!("{name}{letter}");
                declare(member, &own, out);
                list += &format!("<Member name='{letter}' typeRef='{own}'/>");
            }
            *out += &format!(
                "<AggregateParameterType name='{name}'><MemberList>{list}</MemberList></AggregateParameterType>\n"
            );
        }
        Type::Array(sizes, element) => {
            declare(element, &format!("{name}e"), out);
            let last: Vec<String> =
                sizes.iter().map(|size| format!("<FixedValue>{}</FixedValue>", size - 1)).collect();
            *out += &array(name, &last);
        }
        Type::List(element) => {
            *out += &scalar(element, &format!("{name}e"));
            *out += &array(name, &[COUNT.replace("{}", "<LinearAdjustment intercept='-1'/>")]);
        }
    }
}

fn array(name: &str, last: &[String]) -> String {
    let dimensions: String = last
        .iter()
        .map(|last| format!("<Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex><EndingIndex>{last}</EndingIndex></Dimension>"))
        .collect();
    format!(
        "<ArrayParameterType name='{name}' arrayTypeRef='{name}e'><DimensionList>{dimensions}</DimensionList></ArrayParameterType>\n"
    )
}

fn scalar(own: &Scalar, name: &str) -> String {
    let terms: String = (0..)
        .zip(&own.calibrator)
        .map(|(exponent, coefficient)| format!("<Term coefficient='{coefficient}' exponent='{exponent}'/>"))
        .collect();
    let calibrator = if terms.is_empty() {
        terms
    } else {
        format!("<DefaultCalibrator><PolynomialCalibrator>{terms}</PolynomialCalibrator></DefaultCalibrator>")
    };
    let encoding = match &own.coding {
        Coding::Integer { bits, form, order } => {
            let form = match form {
                Form::Unsigned => "unsigned",
                Form::Twos => "twosComplement",
                Form::Ones => "onesComplement",
                Form::Magnitude => "signMagnitude",
                Form::Bcd => "BCD",
                Form::Packed => "packedBCD",
            };
            let order = attributes(order);
            format!(
                "<IntegerDataEncoding sizeInBits='{bits}' encoding='{form}' {order}>{calibrator}</IntegerDataEncoding>"
            )
        }
        Coding::Float { bits, mil, order } => {
            let (form, order) = (if *mil { "MILSTD_1750A" } else { "IEEE754" }, attributes(order));
            format!(
                "<FloatDataEncoding sizeInBits='{bits}' encoding='{form}' {order}>{calibrator}</FloatDataEncoding>"
            )
        }
        Coding::Text { charset, end } => {
            let wide = charset.starts_with("UTF-16");
            let zero = if wide { "0000" } else { "00" };
            let terminator = format!("<TerminationChar>{zero}</TerminationChar>");
            let size = match end {
                End::Fixed { units, terminated } => {
                    let bits = units * if wide { 16 } else { 8 };
                    let terminator = if *terminated { &*terminator } else { "" };
                    format!(
                        "<SizeInBits><Fixed><FixedValue>{bits}</FixedValue></Fixed>{terminator}</SizeInBits>"
                    )
                }
                End::Leading(bits) => {
                    format!(
                        "<Variable maxSizeInBits='800'><LeadingSize sizeInBitsOfSizeTag='{bits}'/></Variable>"
                    )
                }
                End::Terminated => format!("<Variable maxSizeInBits='800'>{terminator}</Variable>"),
                End::Count => {
                    let count = COUNT.replace("{}", "<LinearAdjustment slope='32'/>");
                    format!("<Variable maxSizeInBits='800'>{count}</Variable>")
                }
            };
            format!("<StringDataEncoding encoding='{charset}'>{size}</StringDataEncoding>")
        }
        Coding::Octets(size) => {
            let size = match size {
                Size::Fixed(bits) => format!("<FixedValue>{bits}</FixedValue>"),
                Size::Count { slope, intercept } => COUNT
                    .replace("{}", &format!("<LinearAdjustment slope='{slope}' intercept='{intercept}'/>")),
                Size::Lookup(sizes) => {
                    let [none, one, two, more] = sizes;
                    let lookup = |size: &usize, operator: &str, count: usize| {
                        format!(
                            "<DiscreteLookup value='{size}'><Comparison parameterRef='Count' comparisonOperator='{operator}' value='{count}'/></DiscreteLookup>"
                        )
                    };
                    format!(
                        "<DiscreteLookupList>{}{}{}{}</DiscreteLookupList>",
                        lookup(none, "==", 0),
                        lookup(one, "==", 1),
                        lookup(two, "&lt;", 3),
                        lookup(more, "!=", 9)
                    )
                }
            };
            format!("<BinaryDataEncoding><SizeInBits>{size}</SizeInBits></BinaryDataEncoding>")
        }
    };
    let [zero, one] = ZERO_AND_ONE;
    match own.meaning {
        Meaning::Integer { signed } => {
            format!(
                "<IntegerParameterType name='{name}' signed='{signed}'>{encoding}</IntegerParameterType>\n"
            )
        }
        Meaning::Float => format!("<FloatParameterType name='{name}'>{encoding}</FloatParameterType>\n"),
        Meaning::Boolean => format!(
            "<BooleanParameterType name='{name}' zeroStringValue='{zero}' oneStringValue='{one}'>{encoding}</BooleanParameterType>\n"
        ),
        Meaning::Label => {
            let list: String = LABELS
                .iter()
                .map(|(first, last, label)| {
                    format!("<Enumeration value='{first}' maxValue='{last}' label='{label}'/>")
                })
                .collect();
            format!(
                "<EnumeratedParameterType name='{name}'>{encoding}<EnumerationList>{list}</EnumerationList></EnumeratedParameterType>\n"
            )
        }
        Meaning::Text => format!("<StringParameterType name='{name}'>{encoding}</StringParameterType>\n"),
        Meaning::Octets => format!("<BinaryParameterType name='{name}'>{encoding}</BinaryParameterType>\n"),
        Meaning::Time => format!(
            "<AbsoluteTimeParameterType name='{name}'><Encoding>{encoding}</Encoding><ReferenceTime><Epoch>UNIX</Epoch></ReferenceTime></AbsoluteTimeParameterType>\n"
        ),
        Meaning::Span => format!(
            "<RelativeTimeParameterType name='{name}'><Encoding scale='0.5' offset='1'>{encoding}</Encoding></RelativeTimeParameterType>\n"
        ),
    }
}

fn attributes(order: &Order) -> String {
    let bits = if order.reversed { "leastSignificantBitFirst" } else { "mostSignificantBitFirst" };
    let octets = match &order.octets {
        Octets::MostFirst => "mostSignificantByteFirst".to_owned(),
        Octets::LeastFirst => "leastSignificantByteFirst".to_owned(),
        Octets::List(list) => list.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
    };
    format!("bitOrder='{bits}' byteOrder='{octets}'")
}
