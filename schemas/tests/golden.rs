//! What was ever released decodes for ever: golden bytes of each schema, and the schemas themselves.
//!
//! `VERDICT_BLESS=1` writes the Avro bytes of a *new* release; those of an old one must never change, which the list
//! of hashes below asserts.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod oracle;

use std::fmt::Write as _;
use std::path::PathBuf;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use oracle::{event, rejection};
use sha2::{Digest as _, Sha256};
use verdict_schemas::{Kind, WriterSchema, avro_schema, encode_single_object, rule, to_json};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(golden(name)).unwrap()
}

fn datum(kind: Kind) -> Vec<u8> {
    hex::decode(
        read(&format!("v1/{}.avro.hex", kind.as_str()))
            .split_whitespace()
            .collect::<String>(),
    )
    .unwrap()
}

#[test]
fn golden_bytes_of_both_forms_say_the_same() {
    for kind in Kind::ALL {
        let json = read(&format!("v1/{}.json", kind.as_str()));
        let received = event(json.as_bytes());
        assert_eq!(received.body.kind(), kind);
        if std::env::var_os("VERDICT_BLESS").is_some() {
            let mut lines = String::new();
            for line in encode_single_object(&received).unwrap().chunks(60) {
                writeln!(lines, "{}", hex::encode(line)).unwrap();
            }
            std::fs::write(golden(&format!("v1/{}.avro.hex", kind.as_str())), lines).unwrap();
        }
        let decoded = event(&datum(kind));
        assert_eq!(to_json(&decoded), to_json(&received), "{kind:?}");
        // Nothing of the golden document is lost on the way.
        let (kept, written): (serde_json::Value, serde_json::Value) = (
            serde_json::from_str(&to_json(&decoded)).unwrap(),
            serde_json::from_str(&json).unwrap(),
        );
        assert_eq!(kept, written, "{kind:?}");
    }
}

#[test]
fn every_truncation_and_every_byte_too_many_is_rejected() {
    for kind in Kind::ALL {
        let datum = datum(kind);
        for length in 1..datum.len() {
            assert_eq!(
                rejection(&datum[..length]).rule,
                rule::TRUNCATED,
                "{kind:?} cut to {length} bytes"
            );
        }
        let longer = [datum.as_slice(), &[0]].concat();
        assert_eq!(rejection(&longer).rule, rule::TRAILING_BYTES, "{kind:?}");
        let json = read(&format!("v1/{}.json", kind.as_str()));
        let json = json.trim_end();
        for length in (1..json.len()).filter(|length| json.is_char_boundary(*length)) {
            // A number cut after its point is bad syntax wherever it stands.
            let found = rejection(&json.as_bytes()[..length]).rule;
            let cut = json[..length].ends_with(['.', 'e', '-']);
            assert_eq!(
                found,
                if cut { found } else { rule::TRUNCATED },
                "{kind:?} cut to {length} bytes"
            );
        }
        assert_eq!(
            rejection(format!("{json} x").as_bytes()).rule,
            rule::TRAILING_BYTES,
            "{kind:?}"
        );
    }
}

#[test]
fn every_released_schema_and_the_current_one_read_each_other() {
    for kind in Kind::ALL {
        let current = Schema::parse_str(avro_schema(kind).unwrap()).unwrap();
        let released = Schema::parse_str(&read(&format!("v1/{}.avsc", kind.as_str()))).unwrap();
        let compatibility = SchemaCompatibility::mutual_read(&released, &current);
        assert!(
            matches!(compatibility, Ok(Compatibility::Full)),
            "{kind:?}: {compatibility:?}"
        );
        let Schema::Record(record) = current else {
            panic!("{kind:?} is no record")
        };
        assert_eq!(record.fields[0].name, "meta", "{kind:?}: `meta` comes first");
    }
}

/// The fingerprints that emitters have in their programs.
#[test]
fn the_fingerprints_of_v1_stay() {
    let released = Kind::ALL.map(|kind| {
        let schema = WriterSchema::parse(&read(&format!("v1/{}.avsc", kind.as_str()))).unwrap();
        format!("{} {:016x}", kind.as_str(), schema.fingerprint())
    });
    assert_eq!(released.join("\n"), read("v1/FINGERPRINTS").trim_end());
}

/// A released file is never touched again: a change goes into `avro/`, and with the next release into `golden/v2`.
#[test]
fn no_released_file_has_changed() {
    let mut files: Vec<_> = std::fs::read_dir(golden("v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.file_name().unwrap() != "SHA256SUMS");
    files.sort();
    let sums = files.iter().map(|file| {
        let hash = hex::encode(Sha256::digest(std::fs::read(file).unwrap()));
        format!("{hash}  {}", file.file_name().unwrap().to_str().unwrap())
    });
    let sums = sums.collect::<Vec<_>>().join("\n");
    assert_eq!(sums, read("v1/SHA256SUMS").trim_end());
}
