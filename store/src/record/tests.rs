//! Rows as they stand for ever, and rows of every sort.

use super::*;
use proptest::prelude::*;

fn kafka_record() -> Record {
    Record {
        index: LeafIndex(3),
        source: SourcePosition::Kafka {
            cluster: "c1".into(),
            topic: "verdict.events.v1".into(),
            partition: 5,
            offset: 300,
        },
        raw_time: Timestamp::parse("2026-03-01T00:00:00Z").unwrap(),
        raw_time_kind: RawTimeKind::Broker,
        recorded_time: Timestamp::parse("2026-03-01T00:00:00.000128Z").unwrap(),
        provenance: Provenance::Authenticated {
            principal: Some("emitter".into()),
        },
        route: Some(RouteFlag::NoKey),
        headers: vec![
            ("content-type".to_owned(), Some(Bytes::from_static(b"a/b"))),
            ("x".to_owned(), None),
        ],
        key: Some(Bytes::from_static(b"acme")),
        value: Bytes::from_static(b"{}"),
    }
}

/// Version 1 as the first release wrote it.
const GOLDEN_1: &str = "013980c08db6b2fd9203800102633111766572646963742e6576656e74732e763105ac0207656d6974746572\
                        0561636d65020c636f6e74656e742d7479706504612f620178007b7d";
/// The same record in version 2.
const GOLDEN_2: &str = "023980c18db6b2fd920380020002633111766572646963742e6576656e74732e763105ac0207656d69747465\
                        720561636d65020c636f6e74656e742d7479706504612f620178007b7d";
/// In version 2, an hour ahead of when it was recorded by the emitter's clock, which version 1 could not hold.
const GOLDEN_2_EMITTER: &str = "02b980c18db6b2fd9203ff8f9de91a0002633111766572646963742e6576656e74732e763105ac0207\
                                656d69747465720561636d65020c636f6e74656e742d7479706504612f620178007b7d";

/// In version 2, its sender named by a header, as every intake of ours has it since.
const GOLDEN_2_PRINCIPAL: &str = "023580c18db6b2fd920380020002633111766572646963742e6576656e74732e763105ac020561636d650111766572646963\
     742d7072696e636970616c08656d69747465727b7d";

fn read(row: &str) -> Result<Record, Damaged> {
    Record::decode(LeafIndex(3), &Bytes::from(hex::decode(row).unwrap()))
}

fn written(record: &Record) -> String {
    let mut row = Vec::new();
    record.encode(&mut row);
    hex::encode(&row)
}

#[test]
fn version_1_is_read_for_ever_and_version_2_written() {
    assert_eq!(read(GOLDEN_1), Ok(kafka_record()));
    assert_eq!(read(GOLDEN_2), Ok(kafka_record()));
    assert_eq!(written(&kafka_record()), GOLDEN_2);
    let ahead = Record {
        raw_time: Timestamp::parse("2026-03-01T01:00:00.000128Z").unwrap(),
        raw_time_kind: RawTimeKind::Emitter,
        ..kafka_record()
    };
    assert_eq!(written(&ahead), GOLDEN_2_EMITTER);
    assert_eq!(read(GOLDEN_2_EMITTER), Ok(ahead));
}

/// Nothing is recorded before the broker or the intake had it: the log's time is theirs, or later.
#[test]
fn only_an_emitters_time_may_be_later_than_the_recorded_one() {
    // The difference stands behind the recorded time: 128 us, and then the other way.
    let later = GOLDEN_2.replacen("92038002", "9203ff01", 1);
    assert_ne!(later, GOLDEN_2);
    assert_eq!(
        read(&later),
        Err(Damaged("a record was recorded before the broker or the intake had it"))
    );
    let intake = "027980c18db6b2fd9203ff01";
    let rest = "0002633111766572646963742e6576656e74732e763105ac0207656d697474657200000000";
    assert!(read(&format!("{intake}{rest}")).is_err());
    let emitter = read(&later.replacen("0239", "02b9", 1)).unwrap();
    assert_eq!(emitter.raw_time.as_micros() - emitter.recorded_time.as_micros(), 128);
}

/// The sender is named under the leaf; the row says only that an intake put it there.
#[test]
fn a_sender_is_named_once() {
    let header = |name: &'static str| (PRINCIPAL_HEADER.to_owned(), Some(Bytes::from_static(name.as_bytes())));
    let named = Record {
        headers: vec![header("emitter")],
        ..kafka_record()
    };
    assert_eq!(written(&named), GOLDEN_2_PRINCIPAL);
    assert_eq!(read(GOLDEN_2_PRINCIPAL), Ok(named.clone()));
    // As the first release had it, beside a header that says the same: which of the two would be meant?
    let twice = GOLDEN_2_PRINCIPAL
        .replacen("0235", "0239", 1)
        .replacen("05ac02", "05ac0207656d6974746572", 1);
    assert_eq!(read(&twice), Err(Damaged("the sender of the record is named twice")));
    // What a claim says of its sender is its own word.
    let claimed = Record {
        provenance: Provenance::Claimed,
        headers: vec![header("the auditor")],
        ..kafka_record()
    };
    assert_eq!(read(&written(&claimed)).unwrap().provenance, Provenance::Claimed);
}

#[test]
fn a_row_of_version_1_was_stamped_by_the_broker_or_by_the_intake() {
    // An intake's record: times, no key, no headers, `{}`.
    let intake = read("010080c08db6b2fd9203800100007b7d").unwrap();
    assert_eq!(intake.raw_time_kind, RawTimeKind::Intake);
    assert_eq!(read(GOLDEN_1).unwrap().raw_time_kind, RawTimeKind::Broker);
}

#[test]
fn a_field_of_a_later_release_is_refused_and_not_passed_over() {
    // The number of further fields stands behind the two times.
    let later = GOLDEN_2.replacen("8002000263", "8002010263", 1);
    assert_ne!(later, GOLDEN_2);
    assert_eq!(read(&later), Err(Damaged("the record has fields of a later release")));
}

#[test]
fn what_is_cut_short_before_the_value_is_refused() {
    let mut row = Vec::new();
    kafka_record().encode(&mut row);
    for length in 0..row.len() - 2 {
        assert!(
            Record::decode(LeafIndex(3), &Bytes::copy_from_slice(&row[..length])).is_err(),
            "{length}"
        );
    }
    let unknown = Bytes::from([&[3], &row[1..]].concat());
    assert!(Record::decode(LeafIndex(3), &unknown).is_err());
}

proptest! {
    #[test]
    fn any_record_comes_back(
        kafka in any::<Option<(u32, u64)>>(),
        raw in 0_i64..=Timestamp::MAX.as_micros(),
        recorded in 0_i64..=Timestamp::MAX.as_micros(),
        kind in 0_usize..4,
        who in 0_u8..4,
        key in any::<Option<Vec<u8>>>(),
        headers in prop::collection::vec((".{0,8}", any::<Option<Vec<u8>>>()), 0..4),
        value in any::<Vec<u8>>(),
    ) {
        let recorded_time = Timestamp::from_micros(recorded).unwrap();
        let raw_time_kind = [
            RawTimeKind::Broker, RawTimeKind::Intake, RawTimeKind::Emitter, RawTimeKind::Absent,
        ][kind];
        let raw_time = match raw_time_kind {
            RawTimeKind::Absent => recorded_time,
            RawTimeKind::Broker | RawTimeKind::Intake => Timestamp::from_micros(raw.min(recorded)).unwrap(),
            _ => Timestamp::from_micros(raw).unwrap(),
        };
        let record = Record {
            index: LeafIndex(1),
            source: kafka.map_or(SourcePosition::Intake, |(partition, offset)| SourcePosition::Kafka {
                cluster: "c".into(), topic: "t".into(), partition, offset,
            }),
            raw_time,
            raw_time_kind,
            recorded_time,
            provenance: match who {
                0 => Provenance::Claimed,
                1 => Provenance::Authenticated { principal: None },
                2 => Provenance::Authenticated { principal: Some("é".into()) },
                _ => Provenance::Signed,
            },
            route: (who == 0).then_some(RouteFlag::InvalidTenant),
            headers: headers.into_iter().map(|(name, value)| (name, value.map(Bytes::from))).collect(),
            key: key.map(Bytes::from),
            value: Bytes::from(value),
        };
        let mut row = Vec::new();
        record.encode(&mut row);
        prop_assert_eq!(Record::decode(LeafIndex(1), &Bytes::from(row)), Ok(record));
    }

    #[test]
    fn any_bytes_are_read_or_refused(row: Vec<u8>) {
        let row = Bytes::from(row);
        if let Ok(record) = Record::decode(LeafIndex(0), &row) {
            let mut again = Vec::new();
            record.encode(&mut again);
            // What version 1 wrote is written as version 2 would.
            prop_assert!(row[0] == FIRST_VERSION || row == again, "a row has one form");
        }
    }
}
