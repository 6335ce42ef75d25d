//! Health checks: tables, and random answers against a simple model.

use super::http::Address;
use super::*;

fn check(failures: u32, successes: u32, start: u64) -> HealthCheck {
    let address = Address::tcp("127.0.0.1:1").expect("an address");
    HealthCheck {
        failures,
        successes,
        start: Duration::from_secs(start),
        ..HealthCheck::new(Probe::Tcp(address))
    }
}

/// One round: a question when it is due, and its answer a second later (`+`, `-`), or none in time (`.`).
fn round(health: &mut Health, check: &HealthCheck, answer: char) -> Option<Standing> {
    let at = health.timeout().expect("it is asked");
    let (order, changed) = health.tick(check, at);
    let Some(Order::Ask(number)) = order else { panic!("{order:?} at {at:?}") };
    assert_eq!(changed, None);
    let later = at + Duration::from_secs(1);
    match answer {
        '+' => health.answered(check, number, Ok("well".to_owned()), later),
        '-' => health.answered(check, number, Err("badly".to_owned()), later),
        _ => {
            let deadline = at + check.timeout;
            assert_eq!(health.timeout(), Some(deadline));
            let (order, changed) = health.tick(check, deadline);
            assert_eq!(order, Some(Order::GiveUp));
            assert_eq!(health.answer(), "no answer within 5 s");
            changed
        }
    }
}

#[test]
fn thresholds() {
    // Failures, successes, seconds of grace; the answers; how it is after each (s, h, u).
    for (settings, answers, expected) in [
        ((3, 1, 0), "+", "h"),
        ((3, 1, 0), "--+---", "sshhhu"),
        ((3, 1, 0), "---+", "ssuh"),
        ((3, 2, 0), "+-++", "sssh"),
        ((3, 2, 0), "---+-++", "ssuuuuh"),
        ((1, 1, 0), "-+-", "uhu"),
        ((2, 1, 0), ".-", "su"),
        ((2, 1, 0), "-.+..", "suhhu"),
        // Questions come at 1, 11, 21 s … and answers a second later: grace until 20 s covers two of them.
        ((1, 1, 20), "---", "ssu"),
        ((2, 1, 20), "----", "sssu"),
        ((2, 1, 20), "-+--", "shhu"),
        // Who has been healthy once has no grace any more.
        ((1, 1, 1000), "--+-", "sshu"),
    ] {
        let check = check(settings.0, settings.1, settings.2);
        let mut health = Health::default();
        health.begin(&check, Duration::ZERO);
        let mut seen = String::new();
        for answer in answers.chars() {
            let before = health.standing();
            let changed = round(&mut health, &check, answer);
            assert_eq!(changed.is_some(), before != health.standing());
            seen.extend(health.standing().to_string().chars().next());
        }
        assert_eq!(seen, expected, "{settings:?} {answers}");
    }
}

#[test]
fn it_is_asked_in_even_steps_one_question_at_a_time() {
    let check = HealthCheck { timeout: Duration::from_secs(25), ..check(3, 1, 0) };
    let mut health = Health::default();
    assert_eq!(health.timeout(), None);
    assert_eq!(health.tick(&check, Duration::from_secs(99)), (None, None));
    health.begin(&check, Duration::from_secs(100));
    assert_eq!(health.tick(&check, Duration::from_secs(100)), (None, None));
    assert_eq!(health.tick(&check, Duration::from_secs(101)).0, Some(Order::Ask(1)));
    assert_eq!(health.tick(&check, Duration::from_secs(112)), (None, None), "one is open");
    assert_eq!(health.tick(&check, Duration::from_secs(126)).0, Some(Order::GiveUp));
    // Late, and for nobody.
    assert_eq!(health.answered(&check, 1, Ok(String::new()), Duration::from_secs(127)), None);
    assert_eq!(health.in_a_row(), (0, 1));
    assert_eq!(health.timeout(), Some(Duration::from_secs(111)), "it is late already");
    assert_eq!(health.tick(&check, Duration::from_secs(127)).0, Some(Order::Ask(2)));
    health.answered(&check, 2, Ok(String::new()), Duration::from_secs(127));
    assert_eq!(health.timeout(), Some(Duration::from_secs(131)), "what is over is left out");
    health.end();
    assert_eq!((health.timeout(), health.standing()), (None, Standing::Healthy));
    health.begin(&check, Duration::from_secs(200));
    assert_eq!((health.standing(), health.in_a_row()), (Standing::Starting, (0, 0)));
}

/// A million answers at random: the standing is what the last answers in a row say, every change is told once, nothing is
/// asked twice at a time, and questions keep their distance.
#[test]
fn random_answers_against_the_history() {
    let mut random = 0x5EED_u64;
    let mut below = move |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for _ in 0..2_000 {
        let check = HealthCheck {
            interval: Duration::from_millis(100 + below(5_000)),
            timeout: Duration::from_millis(1 + below(8_000)),
            ..check(1 + below(4) as u32, 1 + below(4) as u32, below(30))
        };
        let (mut health, mut now) = (Health::default(), Duration::from_secs(below(100)));
        let began = now;
        health.begin(&check, now);
        // Good answers and those that counted as bad, in order.
        let mut history: Vec<bool> = Vec::new();
        let (mut standing, mut lapses, mut questions) = (Standing::Starting, 0, 0);
        for _ in 0..500 {
            now = now.max(health.timeout().expect("it is asked")) + Duration::from_millis(below(50));
            let (order, changed) = health.tick(&check, now);
            let Some(Order::Ask(number)) = order else { panic!("{order:?}") };
            assert_eq!(changed, None);
            // Each has a step of its own.
            assert!(now >= began + check.interval.min(FIRST) + check.interval * questions);
            questions += 1;
            let well = below(3) > 0;
            let takes = Duration::from_millis(below(9_000));
            let (well, changed) = if takes < check.timeout {
                now += takes;
                let answer = if well { Ok("well".to_owned()) } else { Err("badly".to_owned()) };
                (well, health.answered(&check, number, answer, now))
            } else {
                now += check.timeout;
                let (order, changed) = health.tick(&check, now);
                assert_eq!(order, Some(Order::GiveUp));
                (false, changed)
            };
            let excused = !well && standing == Standing::Starting && now < began + check.start;
            if excused {
                history.clear();
            } else {
                history.push(well);
            }
            let all = |count: u32, of: bool| {
                history.len() >= count as usize
                    && history.iter().rev().take(count as usize).all(|well| *well == of)
            };
            let before = standing;
            if all(check.successes, true) {
                standing = Standing::Healthy;
            } else if all(check.failures, false) {
                standing = Standing::Unhealthy;
            }
            lapses += u64::from(before != standing && standing == Standing::Unhealthy);
            assert_eq!((health.standing(), health.lapses()), (standing, lapses));
            assert_eq!(changed, (before != standing).then_some(standing));
        }
    }
}
