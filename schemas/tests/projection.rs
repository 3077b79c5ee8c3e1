//! The quick readers accept exactly what interpretation accepts, with equal fields: on well-formed events, on mangled
//! documents, on mangled bytes.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod oracle;

use oracle::events::{decision, document};
use oracle::{apache_datum, event};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use verdict_schemas::{
    Body, DecisionProjection, Interpretation, Kind, KnownSchemas, Projection, TenantId, check_log,
    encode_single_object, fingerprint, interpret, project,
};

/// Both readings of a value say the same.
fn agree(value: &[u8]) -> Result<(), TestCaseError> {
    let shown = || String::from_utf8_lossy(value).into_owned();
    match (
        interpret(value, None, &KnownSchemas),
        project(value, None, &KnownSchemas),
    ) {
        (Interpretation::Event(event), Projection::Decision(decision)) => {
            prop_assert_eq!(DecisionProjection::of(&event), Some(decision.clone()), "{}", shown());
            for log in ["acme", "t-1", "_platform"] {
                let log = TenantId::parse(log).unwrap();
                prop_assert_eq!(check_log(&event, &log), decision.check_log(&log));
            }
        }
        (Interpretation::Event(event), Projection::Other(_)) => {
            prop_assert!(!matches!(event.body, Body::Decision(_)), "{}", shown());
        }
        (Interpretation::Malformed(why), Projection::Malformed(too)) => prop_assert_eq!(why, too, "{}", shown()),
        (Interpretation::AwaitingSchema(which), Projection::AwaitingSchema(too)) => prop_assert_eq!(which, too),
        (interpreted, projected) => prop_assert!(false, "{interpreted:?} is not {projected:?} of {}", shown()),
    }
    Ok(())
}

/// The single-object encoding of a decision as apache-avro writes it.
fn single(document: &Value) -> Vec<u8> {
    let fingerprint = fingerprint(Kind::Decision).unwrap().to_le_bytes();
    [&[0xC3, 1], fingerprint.as_slice(), &apache_datum(document)].concat()
}

/// Replaces, removes, adds or repeats something somewhere in a document. Repeated keys need text, so that is returned.
fn mangle(document: &mut Value, path: &[Index], how: usize, with: &Value) -> String {
    let mut at = &mut *document;
    for (depth, index) in path.iter().enumerate() {
        let last = depth + 1 == path.len();
        at = match at {
            Value::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(index.index(fields.len())).unwrap().clone();
                if last || !(fields[&key].is_object() || fields[&key].is_array()) {
                    match how {
                        0 => drop(fields.remove(&key)),
                        1 => drop(fields.insert(key, with.clone())),
                        2 => drop(fields.insert(format!("{key}x"), with.clone())),
                        3 => drop(fields.insert(key, Value::Null)),
                        4 => {
                            let values = fields.values().cloned().collect();
                            *at = Value::Array(values);
                        }
                        _ => {
                            // The same key again, right after the first.
                            let value = fields[&key].clone();
                            fields.insert(format!("{key}\u{1}again"), value);
                        }
                    }
                    return document.to_string().replace("\\u0001again", "");
                }
                at.get_mut(&key).unwrap()
            }
            Value::Array(items) if !items.is_empty() => {
                let i = index.index(items.len());
                if last || !(items[i].is_object() || items[i].is_array()) {
                    items[i] = with.clone();
                    return document.to_string();
                }
                &mut items[i]
            }
            _ => break,
        };
    }
    document.to_string()
}

fn anything() -> impl Strategy<Value = Value> {
    select(vec![
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e3),
        json!(u64::MAX),
        json!(""),
        json!("*"),
        json!("allow"),
        json!("_platform"),
        json!("tenant"),
        json!("2026-03-01T00:00:00Z"),
        json!("1969-12-31T23:59:59Z"),
        json!("018f2d5c7b2e7c4a9d3e012345678901"),
        json!(true),
        json!([]),
        json!([null]),
        json!({}),
        json!({"a": "b", "c": null}),
        json!({"layer": "global"}),
        json!("\u{e9}\n"),
        Value::Null,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn of_events_as_they_are(document in document()) {
        agree(document.to_string().as_bytes())?;
        agree(&encode_single_object(&event(document.to_string().as_bytes())).unwrap())?;
    }

    #[test]
    fn of_mangled_documents(
        mut document in decision(),
        path in proptest::collection::vec(any::<Index>(), 1..6),
        how in 0..6_usize,
        with in anything(),
    ) {
        agree(mangle(&mut document, &path, how, &with).as_bytes())?;
    }

    #[test]
    fn of_mangled_json_bytes(document in decision(), at in any::<Index>(), byte in any::<u8>(), how in 0..3_u8) {
        let mut bytes = document.to_string().into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => bytes.truncate(at),
        }
        agree(&bytes)?;
    }

    #[test]
    fn of_mangled_avro_bytes_of_any_kind(document in document(), at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = encode_single_object(&event(document.to_string().as_bytes())).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agree(&bytes)?;
    }

    #[test]
    fn of_mangled_avro_bytes(document in decision(), at in any::<Index>(), byte in any::<u8>(), how in 0..3_u8) {
        let mut bytes = single(&document);
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => bytes.truncate(at),
        }
        agree(&bytes)?;
    }

    #[test]
    fn of_noise(noise in proptest::collection::vec(any::<u8>(), 0..60), framing in 0..4_usize) {
        let fingerprint = fingerprint(Kind::Decision).unwrap().to_le_bytes();
        let front: Vec<u8> = match framing {
            0 => vec![],
            1 => b"{\"kind\":\"decision\",".to_vec(),
            2 => vec![0, 0, 0, 0, 1],
            _ => [&[0xC3, 1], fingerprint.as_slice()].concat(),
        };
        agree(&[front, noise].concat())?;
    }
}

/// What chance seldom finds.
#[test]
fn of_known_traps() {
    let plain = include_str!("../golden/v1/decision.json");
    for (found, put) in [
        ("\"zone\":", "\"region\":\"x\",\"zone\":"),
        ("\"zone\":", "\"region\":null,\"zone\":"),
        ("\"zone\":", "\"\\ud800\":\"x\",\"zone\":"),
        ("\"agent\":", "\"\\ud800\":\"x\",\"agent\":"),
        ("\"agent\":", "\"agent\":null,\"agent\":"),
        ("\"agent\":", "\"more\":\"\\ud800\",\"agent\":"),
        ("\"agent\":\"opa-payments\"", "\"agent\":\"\\ud800\""),
        ("\"duration_us\":183", "\"duration_us\":1.83e2"),
        ("\"duration_us\":183", "\"duration_us\":-0"),
        ("\"duration_us\":183", "\"duration_us\":9223372036854775808"),
        ("\"duration_us\":183", "\"duration_us\":1e400"),
        (
            "\"layer\":\"global\"",
            "\"layer\":\"global\",\"tenant\":7,\"workload\":[]",
        ),
        ("\"input\":{", "\"input\":{\"a\":1,\"a\":2,"),
        ("\"input\":{", "\"input\":null,\"input\":{"),
        ("\"kind\":\"decision\",", ""),
        ("\"kind\":\"decision\"", "\"kind\":\"decisions\""),
        ("\"kind\":\"decision\"", "\"specversion\":\"1.0\",\"kind\":\"decision\""),
        ("\"kind\":\"decision\"", "\"kind\":\"d\\u0065cision\""),
    ] {
        let text = plain.replacen(found, put, 1);
        assert_ne!(text, plain, "{found}");
        agree(text.as_bytes()).unwrap();
        agree(format!("\n\t {text}").as_bytes()).unwrap();
    }
    // Avro may hold a key of a map twice.
    let datum = encode_single_object(&event(plain.as_bytes())).unwrap();
    let text = String::from_utf8_lossy(&datum).into_owned();
    let at = datum
        .windows(7)
        .position(|window| window == b"\x0cregion")
        .unwrap_or_else(|| panic!("{text}"));
    let twice = [&datum[..at - 1], &[6], b"\x0cregion\x02x", &datum[at..]].concat();
    agree(&twice).unwrap();
    assert!(matches!(project(&twice, None, &KnownSchemas), Projection::Malformed(why) if why.rule == "duplicate_key"));
}

/// What is usual goes the quick way: its strings are borrowed, not copied.
#[test]
fn plain_decisions_are_borrowed() {
    let json = include_str!("../golden/v1/decision.json");
    let avro = encode_single_object(&event(json.as_bytes())).unwrap();
    for value in [json.as_bytes(), &avro] {
        let Projection::Decision(decision) = project(value, None, &KnownSchemas) else {
            panic!("no decision")
        };
        for text in [
            &decision.tenant,
            &decision.actor_id,
            &decision.decision_id,
            &decision.policies[2].policy,
        ] {
            assert!(matches!(text, std::borrow::Cow::Borrowed(_)), "{text}");
        }
    }
}
