//! The layouts, read and bent.

use super::cursor::*;
use super::*;
use proptest::prelude::*;
use verdict_store::TreeSize;

use verdict_schemas::TenantId;

fn tenant(name: &str) -> LogName {
    LogName::Tenant(TenantId::parse(name).unwrap())
}

fn sample(tenant: &LogName) -> AsOf {
    let time = |micros| Timestamp::from_micros(micros).unwrap();
    let pin = |n: u8| Pin {
        cut: LogCut {
            size: TreeSize(u64::from(n)),
            late: 2,
        },
        chain: [n + 1; 8],
        root: Hash([n; 32]),
    };
    let platform = has_platform(tenant).then(|| pin(9));
    let moments = Moments {
        known_at: time(1_772_323_250_001_000),
        at: time(5),
        horizon: time(1_772_323_250_000_000),
    };
    AsOf::new(tenant, moments, pin(7), platform)
}

#[test]
fn a_token_of_the_first_release_is_read_for_ever() {
    let token = concat!(
        "AQABAAZL6ym-VGgAAAAAAAAABcqwZcB8Qd8VAgAAAAAAAAAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcAAAAAAAAACQkJ",
        "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJDsP76yM2iHI"
    );
    let read = AsOf::decode(token, &tenant("acme")).unwrap();
    let now = sample(&tenant("acme"));
    assert_eq!((read.rules, read.known_at, read.at), (1, now.known_at, now.at));
    assert_eq!((read.own.cut.size, read.own.root), (now.own.cut.size, now.own.root));
    let sizes = |as_of: &AsOf| as_of.platform.map(|pin| (pin.cut.size, pin.root));
    assert_eq!(sizes(&read), sizes(&now));
}

#[test]
fn a_token_of_the_second_is_read_and_written_for_ever() {
    let token = concat!(
        "AwACAAZL6ym-VGgAAAAAAAAABQAGS-spvlCAyrBlwHxB3xUCAAAAAAAAAAcAAAAAAAAAAggICAgICAgIBwcHBwcHBwcHBwcHBwcHBwcH",
        "BwcHBwcHBwcHBwcHBwcAAAAAAAAACQAAAAAAAAACCgoKCgoKCgoJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCafImaLCPR90"
    );
    assert_eq!(sample(&tenant("acme")).encode(), token);
    assert_eq!(AsOf::decode(token, &tenant("acme")).unwrap(), sample(&tenant("acme")));
}

#[test]
fn a_token_opens_its_own_tenant_only() {
    let token = sample(&tenant("acme")).encode();
    assert_eq!(
        AsOf::decode(&token, &tenant("acme2")).unwrap_err().code(),
        Code::ForeignAsOf
    );
    assert_eq!(
        AsOf::decode(&token, &tenant("_platform")).unwrap_err().code(),
        Code::ForeignAsOf
    );
    let platform = sample(&tenant("_platform"));
    assert_eq!(
        AsOf::decode(&platform.encode(), &tenant("_platform")).unwrap(),
        platform
    );
}

#[test]
fn a_token_of_other_rules_says_so() {
    let mut later = sample(&tenant("acme"));
    later.rules = RULES + 1;
    assert_eq!(
        AsOf::decode(&later.encode(), &tenant("acme")).unwrap_err().code(),
        Code::UnknownRules
    );
}

#[test]
fn a_cursor_goes_with_its_question() {
    let acme = tenant("acme");
    let cursor = Cursor {
        as_of: sample(&acme),
        place: place(Timestamp::MAX, 3),
    };
    let token = cursor.encode(&[("actor", "user:a")]);
    assert_eq!(Cursor::decode(&token, &acme, &[("actor", "user:a")]).unwrap(), cursor);
    assert_eq!(read_place(&cursor.place), Some((Timestamp::MAX, 3)));
    for question in [&[("actor", "user:b")][..], &[][..], &[("actoru", "ser:a")][..]] {
        assert_eq!(
            Cursor::decode(&token, &acme, question).unwrap_err().code(),
            Code::InvalidCursor
        );
    }
    assert_eq!(AsOf::decode(&token, &acme).unwrap_err().code(), Code::InvalidAsOf);
}

proptest! {
    #[test]
    fn nothing_altered_is_accepted(place in 0..194usize, to in proptest::char::range('-', 'z')) {
        let token = sample(&tenant("acme")).encode();
        let mut altered: Vec<char> = token.chars().collect();
        let place = place % altered.len();
        prop_assume!(altered[place] != to);
        altered[place] = to;
        let altered: String = altered.into_iter().collect();
        prop_assert!(AsOf::decode(&altered, &tenant("acme")).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        prop_assert!(AsOf::decode(&text, &tenant("acme")).is_err());
    }
}
