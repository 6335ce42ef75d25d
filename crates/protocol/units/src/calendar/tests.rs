//! Calendar expressions: the manual's examples, times that follow, clocks that change, and systemd itself
//! as a peer where it is installed.

use super::{Calendar, CalendarError, TimeZone};

/// 2020-01-01 00:00 UTC, a Wednesday.
const BASE: i64 = 1_577_836_800_000_000;

fn normal(text: &str) -> String {
    Calendar::parse(text).map_or_else(|error| format!("{error:?}"), |calendar| calendar.to_string())
}

/// The first times after `base`, as RFC 3339.
fn following(text: &str, base: i64, count: usize) -> Vec<String> {
    let calendar = Calendar::parse(text).expect(text);
    let mut at = base;
    std::iter::from_fn(|| {
        at = calendar.next_after(at, &TimeZone::utc())?;
        Some(jiff::Timestamp::from_microsecond(at).expect("in range").to_string())
    })
    .take(count)
    .collect()
}

/// The examples of systemd.time(7), each with its normal form.
#[test]
fn examples_of_the_manual() {
    let cases = [
        ("Sat,Thu,Mon..Wed,Sat..Sun", "Mon..Thu,Sat,Sun *-*-* 00:00:00"),
        ("Mon,Sun 12-*-* 2,1:23", "Mon,Sun 2012-*-* 01,02:23:00"),
        ("Wed *-1", "Wed *-*-01 00:00:00"),
        ("Wed..Wed,Wed *-1", "Wed *-*-01 00:00:00"),
        ("Wed, 17:48", "Wed *-*-* 17:48:00"),
        ("Wed..Sat,Tue 12-10-15 1:2:3", "Tue..Sat 2012-10-15 01:02:03"),
        ("*-*-7 0:0:0", "*-*-07 00:00:00"),
        ("10-15", "*-10-15 00:00:00"),
        ("monday *-12-* 17:00", "Mon *-12-* 17:00:00"),
        ("Mon,Fri *-*-3,1,2 *:30:45", "Mon,Fri *-*-01,02,03 *:30:45"),
        ("12,14,13,12:20,10,30", "*-*-* 12,13,14:10,20,30:00"),
        ("12..14:10,20,30", "*-*-* 12..14:10,20,30:00"),
        ("mon,fri *-1/2-1,3 *:30:45", "Mon,Fri *-01/2-01,03 *:30:45"),
        ("03-05 08:05:40", "*-03-05 08:05:40"),
        ("08:05:40", "*-*-* 08:05:40"),
        ("05:40", "*-*-* 05:40:00"),
        ("Sat,Sun 12-05 08:05:40", "Sat,Sun *-12-05 08:05:40"),
        ("Sat,Sun 08:05:40", "Sat,Sun *-*-* 08:05:40"),
        ("2003-03-05 05:40", "2003-03-05 05:40:00"),
        ("05:40:23.4200004/3.1700005", "*-*-* 05:40:23.420000/3.170001"),
        ("2003-02..04-05", "2003-02..04-05 00:00:00"),
        ("2003-03-05 05:40 UTC", "2003-03-05 05:40:00 UTC"),
        ("2003-03-05", "2003-03-05 00:00:00"),
        ("03-05", "*-03-05 00:00:00"),
        ("hourly", "*-*-* *:00:00"),
        ("daily", "*-*-* 00:00:00"),
        ("daily UTC", "*-*-* 00:00:00 UTC"),
        ("monthly", "*-*-01 00:00:00"),
        ("weekly", "Mon *-*-* 00:00:00"),
        ("yearly", "*-01-01 00:00:00"),
        ("annually", "*-01-01 00:00:00"),
        ("*:2/3", "*-*-* *:02/3:00"),
        ("*-05~07/1", "*-05~07/1 00:00:00"),
        ("@1395716396", "2014-03-25 02:59:56 UTC"),
    ];
    for (text, expected) in cases {
        assert_eq!(normal(text), expected, "{text}");
        assert_eq!(normal(expected), expected, "the normal form of {text}");
    }
}

#[test]
fn what_is_no_expression() {
    let cases = [
        ("", CalendarError::Empty),
        ("Mon..", CalendarError::WeekdayRange),
        ("Sun..Mon", CalendarError::WeekdayRange),
        ("Mon..Wed..Fri", CalendarError::WeekdayRange),
        ("Mon,Foo", CalendarError::Weekday),
        ("5", CalendarError::Date),
        ("2020-2", CalendarError::Range),
        ("1-2-3-4", CalendarError::Date),
        ("12:30:", CalendarError::Number),
        ("*-*-* 1", CalendarError::Time),
        ("*-*-* 24:00", CalendarError::Range),
        ("*-*-0", CalendarError::Range),
        ("*-*-1/0", CalendarError::Range),
        ("*:0/60", CalendarError::Range),
        ("*-05~29", CalendarError::Range),
        ("*-05~7..1", CalendarError::Range),
        ("2200-1-1", CalendarError::Range),
        ("99999999999999999999-1-1", CalendarError::Range),
        ("*:*:0.5..1", CalendarError::Range),
        ("*:*:*/2", CalendarError::Time),
        ("daily Foo/Bar", CalendarError::Number),
    ];
    for (text, expected) in cases {
        assert_eq!(Calendar::parse(text), Err(expected), "{text}");
    }
    let many = format!("{}1:0", "1,".repeat(240));
    assert_eq!(Calendar::parse(&many), Err(CalendarError::TooMany));
}

#[test]
fn times_that_follow() {
    assert_eq!(
        following("*-*~1", BASE, 3),
        ["2020-01-31T00:00:00Z", "2020-02-29T00:00:00Z", "2020-03-31T00:00:00Z"]
    );
    assert_eq!(
        following("*-05~3..9/2", BASE, 3),
        ["2020-05-23T00:00:00Z", "2020-05-25T00:00:00Z", "2020-05-27T00:00:00Z"]
    );
    assert_eq!(following("*-*~7..9", BASE, 2), ["2020-01-23T00:00:00Z", "2020-01-24T00:00:00Z"]);
    assert_eq!(following("Sun *-02-29", BASE, 2), ["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z"]);
    assert_eq!(
        following("*:*:0.5..1/0.25", BASE, 3),
        ["2020-01-01T00:00:00.5Z", "2020-01-01T00:00:00.75Z", "2020-01-01T00:00:01Z"]
    );
    assert_eq!(following("2020-01-01 00:00", BASE, 1), Vec::<String>::new(), "it is over");
    assert_eq!(following("*-02-30", BASE, 1), Vec::<String>::new(), "it never is");
    assert_eq!(Calendar::parse("daily").expect("daily").next_after(i64::MAX, &TimeZone::utc()), None);
    assert_eq!(Calendar::parse("daily").expect("daily").next_after(i64::MIN, &TimeZone::utc()), Some(0));
}

/// The time at an instant such as `2020-03-28T12:00Z`, in microseconds.
fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect(text).as_microsecond()
}

#[test]
fn clocks_that_change() {
    let Some(_) = TimeZone::named("Europe/Berlin") else {
        eprintln!("SKIPPED clocks_that_change: this machine has no time zones");
        return;
    };
    // On 29 March the clock goes from 02:00 to 03:00; there is no 02:30 on that day.
    assert_eq!(
        following("02:30 Europe/Berlin", at("2020-03-28T00:00:00Z"), 2),
        ["2020-03-28T01:30:00Z", "2020-03-30T00:30:00Z"]
    );
    // On 25 October it goes from 03:00 back to 02:00: 02:30 is twice, and elapses once.
    for before in ["2020-10-24T12:00:00Z", "2020-10-25T00:10:00Z"] {
        assert_eq!(
            following("02:30 Europe/Berlin", at(before), 2),
            ["2020-10-25T00:30:00Z", "2020-10-26T01:30:00Z"]
        );
    }
    for before in ["2020-10-25T00:30:00Z", "2020-10-25T01:00:00Z", "2020-10-25T01:10:00Z"] {
        assert_eq!(following("02:30 Europe/Berlin", at(before), 1), ["2020-10-26T01:30:00Z"]);
    }
    assert_eq!(
        following("hourly Europe/Berlin", at("2020-10-24T23:30:00Z"), 4),
        ["2020-10-25T00:00:00Z", "2020-10-25T01:00:00Z", "2020-10-25T02:00:00Z", "2020-10-25T03:00:00Z"]
    );
}

/// The normal form of an expression and the times that follow; none if it was refused.
type Made = Option<(String, Vec<String>)>;

/// What `systemd-analyze calendar` makes of the expressions: the normal form, and the first times after
/// [`BASE`]; none of an expression that it refuses. None at all where systemd is not installed.
fn peer(expressions: &[String], count: usize) -> Option<Vec<Made>> {
    let mut all = Vec::new();
    for part in expressions.chunks(200) {
        let output = std::process::Command::new("systemd-analyze")
            .args(["calendar", "--base-time=2020-01-01 00:00:00 UTC", &format!("--iterations={count}"), "--"])
            .args(part)
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let blocks: Vec<&str> = text.split("Normalized form: ").skip(1).collect();
        let refused = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut blocks = blocks.into_iter();
        for expression in part {
            if refused.contains(&format!("'{expression}'")) {
                all.push(None);
                continue;
            }
            let block = blocks.next()?;
            let form = block.lines().next().unwrap_or_default().to_owned();
            let times = block.lines().filter_map(|line| {
                let known = line.contains("Next elapse:") || line.contains("Iter. #");
                let (_, time) = line.split_once(": ").filter(|_| known)?;
                (time != "never").then(|| time.to_owned())
            });
            all.push(Some((form, times.collect())));
        }
    }
    Some(all)
}

/// As systemd writes times: `Wed 2020-01-01 00:00:00 UTC`.
fn shown(micros: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(micros).expect("in range");
    time.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Random expressions, good ones and bad ones.
fn random_expressions(count: usize) -> Vec<String> {
    let mut random = 0x5EED_u64;
    let mut below = move |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let field = move |least: u64, most: u64, below: &mut dyn FnMut(u64) -> u64| {
        if below(3) == 0 {
            return "*".to_owned();
        }
        let mut parts = Vec::new();
        for _ in 0..=below(5) / 3 {
            let value = |below: &mut dyn FnMut(u64) -> u64| least + below(most - least + 2);
            let mut part = value(below).to_string();
            if below(4) == 0 {
                part += &format!("..{}", value(below));
            }
            if below(4) == 0 {
                part += &format!("/{}", below(most.min(20)));
            }
            parts.push(part);
        }
        parts.join(",")
    };
    let days = ["Mon", "tue", "Wednesday", "Thu", "FRI", "Sat", "sun"];
    let mut expressions = Vec::new();
    while expressions.len() < count {
        let mut text = String::new();
        if below(3) == 0 {
            let separators = [",", "..", "-"];
            let (one, other) = (days[below(7) as usize], days[below(7) as usize]);
            text = match below(3) {
                0 => format!("{one} "),
                _ => format!("{one}{}{other} ", separators[below(3) as usize]),
            };
        }
        let date = below(4);
        if date > 0 {
            if date > 1 {
                text += &format!("{}-", field(2018, 2026, &mut below));
            }
            let dash = if below(4) == 0 { "~" } else { "-" };
            text += &format!("{}{dash}{}", field(1, 12, &mut below), field(1, 28, &mut below));
        }
        if date == 0 || below(2) == 0 {
            let space = if date > 0 { " " } else { "" };
            text += &format!("{space}{}:{}", field(0, 23, &mut below), field(0, 59, &mut below));
            if below(2) == 0 {
                text += &format!(":{}", field(0, 59, &mut below));
            }
        }
        if !expressions.contains(&text) {
            expressions.push(text);
        }
    }
    expressions
}

#[test]
fn as_systemd_has_it() {
    let soak = std::env::var_os("PERIGEE_SOAK").is_some();
    let expressions = random_expressions(if soak { 20_000 } else { 1_000 });
    let Some(theirs) = peer(&expressions, 3) else {
        eprintln!("SKIPPED as_systemd_has_it: systemd-analyze is not installed");
        return;
    };
    let mut differences = Vec::new();
    let mut taken = 0;
    for (text, theirs) in expressions.iter().zip(theirs) {
        let ours = Calendar::parse(text).ok().map(|calendar| {
            let mut at = BASE;
            let times = std::iter::from_fn(|| {
                at = calendar.next_after(at, &TimeZone::utc())?;
                Some(shown(at))
            });
            (calendar.to_string(), times.take(3).collect::<Vec<_>>())
        });
        taken += usize::from(ours.is_some());
        // systemd takes three days off the bound for each further value of days from the end.
        if theirs.is_none() && text.contains('~') && text.contains(',') {
            continue;
        }
        if ours != theirs {
            differences.push(format!("{text}: {ours:?}, systemd {theirs:?}"));
        }
    }
    assert!(taken > expressions.len() / 10, "only {taken} expressions were any");
    let shown = differences[..differences.len().min(20)].join("\n");
    assert!(differences.is_empty(), "{} of {}:\n{shown}", differences.len(), expressions.len());
}
