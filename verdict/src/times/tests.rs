//! What is read, what is refused, and that what is printed is read as what it was.

use proptest::prelude::*;

use super::*;

/// A Monday.
fn now() -> Zoned {
    "2026-03-02T09:30:00[UTC]".parse().unwrap()
}

fn at(option: &str, text: &str, now: &Zoned) -> Result<String, String> {
    read(option, text, now)
        .map(|given| given.rfc3339)
        .map_err(|failure| failure.to_string())
}

#[test]
fn words_are_worked_out_and_rfc_3339_is_passed_on() {
    for (text, expected) in [
        ("yesterday 14:00", "2026-03-01T14:00:00.000000Z"),
        ("Yesterday", "2026-03-01T00:00:00.000000Z"),
        ("today 08:15:30.25", "2026-03-02T08:15:30.250000Z"),
        ("today 23:00", "2026-03-02T23:00:00.000000Z"),
        ("tomorrow 00:00", "2026-03-03T00:00:00.000000Z"),
        ("09:00", "2026-03-02T09:00:00.000000Z"),
        ("now", "2026-03-02T09:30:00.000000Z"),
        ("10 minutes ago", "2026-03-02T09:20:00.000000Z"),
        ("1 hour ago", "2026-03-02T08:30:00.000000Z"),
        (" 2  days ago ", "2026-02-28T09:30:00.000000Z"),
        ("1 week ago", "2026-02-23T09:30:00.000000Z"),
        ("15m", "2026-03-02T09:15:00.000000Z"),
        ("-15m", "2026-03-02T09:15:00.000000Z"),
        ("15m ago", "2026-03-02T09:15:00.000000Z"),
        ("90s", "2026-03-02T09:28:30.000000Z"),
        ("2h", "2026-03-02T07:30:00.000000Z"),
        ("1h30m", "2026-03-02T08:00:00.000000Z"),
        ("24h", "2026-03-01T09:30:00.000000Z"),
        ("7d", "2026-02-23T09:30:00.000000Z"),
        ("1d12h", "2026-02-28T21:30:00.000000Z"),
        ("2w", "2026-02-16T09:30:00.000000Z"),
        ("monday", "2026-03-02T00:00:00.000000Z"),
        ("Tuesday", "2026-02-24T00:00:00.000000Z"),
        ("monday 08:00", "2026-03-02T08:00:00.000000Z"),
        ("sun 14:05", "2026-03-01T14:05:00.000000Z"),
        ("2026-03-01", "2026-03-01T00:00:00.000000Z"),
        ("2026-03-01 14:00", "2026-03-01T14:00:00.000000Z"),
        ("2026-03-01T14:00:05", "2026-03-01T14:00:05.000000Z"),
        ("2026-03-01 14:00:05Z", "2026-03-01T14:00:05.000000Z"),
        ("2026-03-01 14:00 UTC", "2026-03-01T14:00:00.000000Z"),
        ("2026-03-01 14:00 +01:00", "2026-03-01T13:00:00.000000Z"),
        ("2026-03-01t14:00+01:00", "2026-03-01T13:00:00.000000Z"),
    ] {
        let said = read("at", text, &now()).unwrap();
        assert_eq!(said.rfc3339, expected, "{text}");
        assert!(said.echo.is_some_and(|echo| echo.starts_with("2026-")), "{text}");
    }
    for given in ["2026-03-01T14:00:00.1234567Z", "2026-03-01T14:00:00+01:00"] {
        let said = read("at", given, &now()).unwrap();
        assert_eq!((said.rfc3339.as_str(), said.echo), (given, None));
    }
}

#[test]
fn a_range_is_its_start_from_there_and_its_end_up_to_there() {
    for (text, start, end) in [
        ("2026-09", "2026-09-01", "2026-10-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-Q3", "2026-07-01", "2026-10-01"),
        ("2026-q4", "2026-10-01", "2027-01-01"),
        ("yesterday", "2026-03-01", "2026-03-02"),
        ("2026-02-28", "2026-02-28", "2026-03-01"),
        ("monday", "2026-03-02", "2026-03-03"),
    ] {
        let midnight = |day: &str| Ok(format!("{day}T00:00:00.000000Z"));
        assert_eq!(at("from", text, &now()), midnight(start), "{text}");
        assert_eq!(at("to", text, &now()), midnight(end), "{text}");
    }
    let echo = |option| read(option, "2026-09", &now()).unwrap().echo.unwrap();
    assert_eq!(echo("from"), "2026-09-01T00:00:00Z, its start");
    assert_eq!(echo("to"), "2026-10-01T00:00:00Z, its end");
    // No moment of a month is the one meant.
    for option in ["at", "known-at", "with"] {
        for (text, what) in [("2026-09", "month"), ("2026-Q3", "quarter")] {
            let refused = at(option, text, &now()).unwrap_err();
            assert!(
                refused.contains(&format!("`{text}` is a {what}")) && refused.contains("`2026-10-01` for its end"),
                "{refused}"
            );
        }
    }
}

#[test]
fn nothing_is_guessed_at() {
    for text in [
        "",
        " ",
        "whenever",
        "Q3",
        "v7",
        "m",
        "z",
        "12",
        "1234",
        "2026",
        "14",
        "14:0",
        "2 pm",
        "-5 minutes ago",
        "+5 minutes ago",
        "-15m ago",
        "+15m",
        "--15m",
        "15M ago ago",
        "15x",
        "15",
        "30m1h",
        "1h1h",
        "1h 30m",
        "m15",
        "5 minutes",
        "minutes ago",
        "1e3 minutes ago",
        "5 months ago",
        "99999999999 weeks ago",
        "9999999999999999999d",
        "9223372036854775807w",
        "2026-3-1",
        "2026-13",
        "2026-00",
        "2026-Q0",
        "2026-Q5",
        "2026-W09",
        "2026-02-30",
        "2026-03-01 25:00",
        "2026-03-01 14:00 q",
        "2026-03-01 14:00Z Z",
        "2026-03-01 14:00+1",
        "2026-03-01 14:00+24:00",
        "2026-03-01T14:00[UTC]",
        "2026-03-01Z",
        "20260301",
        "03/01/2026",
        "yesterday q3",
        "yesterday 14:00Z",
        "last monday",
        "monday tuesday",
        "2026-03-01T14:00:00.Z",
        "14:00.5",
        "14:00Z",
        "2026-03-0\u{fc}",
    ] {
        let failure = at("at", text, &now()).unwrap_err();
        assert!(
            failure.starts_with(&format!("--at `{text}` is not a time")),
            "{failure}"
        );
        assert!(failure.contains("10 minutes ago"), "{failure}");
    }
}

#[test]
fn a_time_of_day_that_is_still_to_come_is_refused_with_both_days() {
    for (text, earlier, later) in [
        ("14:05", "2026-03-01 14:05:00", "2026-03-02 14:05:00"),
        ("monday 14:05", "2026-02-23 14:05:00", "2026-03-02 14:05:00"),
    ] {
        let refused = at("at", text, &now()).unwrap_err();
        assert!(
            refused.contains("still to come") && refused.contains(&format!("write `{earlier}` or `{later}`")),
            "{refused}"
        );
        for offered in [earlier, later] {
            assert!(at("at", offered, &now()).is_ok(), "{offered}");
        }
    }
}

#[test]
fn a_local_time_that_was_there_twice_or_never_is_refused_with_both_instants() {
    let berlin: Zoned = "2026-10-26T09:30:00[Europe/Berlin]".parse().unwrap();
    let said = |text: &str| at("from", text, &berlin);
    assert_eq!(said("2026-10-25 01:59").unwrap(), "2026-10-24T23:59:00.000000Z");
    let twice = said("yesterday 02:30").unwrap_err();
    assert_eq!(
        twice,
        said("2026-10-25 02:30")
            .unwrap_err()
            .replace("2026-10-25 02:30", "yesterday 02:30")
    );
    for expected in [
        "is there twice in Europe/Berlin",
        "`2026-10-25T02:30:00+02:00`",
        "`2026-10-25T02:30:00+01:00`",
    ] {
        assert!(twice.contains(expected), "{twice}");
    }
    let never = said("2026-03-29 02:30").unwrap_err();
    assert!(
        never.contains("never was in Europe/Berlin") && never.contains("+02:00"),
        "{never}"
    );
    // What is offered is taken.
    assert!(said("2026-10-25T02:30:00+02:00").is_ok());
    // Days are days of the calendar, hours are hours.
    assert_eq!(said("2 days ago").unwrap(), "2026-10-24T07:30:00.000000Z");
    assert_eq!(said("48h").unwrap(), "2026-10-24T08:30:00.000000Z");
    // A day is from its midnight to the next, be it 23 hours or 25.
    assert_eq!(said("2026-10-25").unwrap(), "2026-10-24T22:00:00.000000Z");
    assert_eq!(at("to", "2026-10-25", &berlin).unwrap(), "2026-10-25T23:00:00.000000Z");
    // A day without a midnight begins when it begins.
    let beirut: Zoned = "2024-04-02T09:30:00[Asia/Beirut]".parse().unwrap();
    assert_eq!(
        at("from", "2024-03-31", &beirut).unwrap(),
        "2024-03-30T22:00:00.000000Z"
    );
}

#[test]
fn zones_have_names() {
    assert_eq!(Zone::named("UTC").unwrap(), Zone::UTC);
    assert_eq!(Zone::named("Europe/Berlin").unwrap().name(), "Europe/Berlin");
    for unknown in ["", "Berlin", "Mars/Olympus", "+01:00"] {
        let refused = Zone::named(unknown).unwrap_err().to_string();
        assert!(refused.contains("Europe/Berlin"), "{unknown}: {refused}");
    }
}

fn zones() -> impl Strategy<Value = Zone> {
    const NAMES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "Europe/London",
        "Africa/Monrovia",
        "America/New_York",
        "Asia/Kathmandu",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];
    proptest::sample::select(NAMES).prop_map(|name| Zone::named(name).unwrap())
}

/// Any instant of which an answer speaks, whole seconds and milliseconds among them.
fn instants() -> impl Strategy<Value = Timestamp> {
    const YEARS: i64 = 200 * 366 * 86_400;
    let micros = prop_oneof![Just(0), (0..1000_i64).prop_map(|ms| ms * 1000), 0..1_000_000_i64];
    (0..YEARS, micros).prop_map(|(second, micros)| Timestamp::from_microsecond(second * 1_000_000 + micros).unwrap())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_as_what_it_was(instant in instants(), zone in zones(), asked_in in zones(), more in 0..3_u8) {
        let now = now().with_time_zone(asked_in.zone().clone());
        let digits = match more {
            0 => Digits::of(instant),
            1 => Digits::of(instant).max(Digits::Millis),
            _ => Digits::Micros,
        };
        let shown = zone.print(instant, digits);
        for text in [shown.clone(), shown.replace('T', " "), shown.to_lowercase()] {
            for option in ["at", "from", "to"] {
                let said = at(option, &text, &now).unwrap();
                prop_assert_eq!(said.parse::<Timestamp>().unwrap(), instant, "{}", &text);
            }
        }
        // So is what is echoed.
        let said = read("at", &shown.replace('T', " "), &now).unwrap();
        let echo = said.echo.unwrap();
        prop_assert_eq!(at("at", &echo, &now).unwrap().parse::<Timestamp>().unwrap(), instant, "{}", echo);
    }

    #[test]
    fn any_text_is_a_time_or_refused(text in "([a-z0-9:.+-]{0,12} ?){0,3}|\\PC{0,20}", zone in zones()) {
        let now = now().with_time_zone(zone.zone().clone());
        for option in ["at", "from", "to"] {
            match read(option, &text, &now) {
                Ok(given) => prop_assert!(given.rfc3339.parse::<Timestamp>().is_ok(), "{}", text),
                Err(failure) => prop_assert!(failure.to_string().contains(&text), "{}", failure),
            }
        }
    }

    #[test]
    fn a_local_time_is_the_instant_its_zone_shows_it_at(instant in instants(), zone in zones()) {
        let now = Timestamp::now().to_zoned(zone.zone().clone());
        let civil = zone.zone().to_datetime(instant);
        match at("at", &civil.to_string(), &now) {
            Ok(said) => prop_assert_eq!(said.parse::<Timestamp>().unwrap(), instant),
            Err(refused) => prop_assert!(refused.contains("is there twice"), "{}", refused),
        }
    }
}
