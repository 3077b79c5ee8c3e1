//! The two forms of an event, against each other and against apache-avro.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod oracle;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use oracle::events::document;
use oracle::{apache_datum, apache_value, event};
use proptest::prelude::*;
use verdict_schemas::{
    Interpretation, Kind, KnownSchemas, Resolved, SchemaRef, WriterSchema, WriterSchemas, avro_schema, encode_avro,
    encode_confluent, encode_single_object, fingerprint, interpret, json_form, to_json,
};

struct Registry(std::sync::Arc<WriterSchema>);

impl WriterSchemas for Registry {
    fn resolve(&self, reference: &SchemaRef) -> Resolved {
        (*reference == SchemaRef::Confluent(7)).then(|| self.0.clone()).into()
    }
}

fn kind(document: &serde_json::Value) -> Kind {
    Kind::parse(document["kind"].as_str().unwrap()).unwrap()
}

proptest! {
    /// JSON to event to JSON to event: nothing changes any more.
    #[test]
    fn json_comes_back(document in document()) {
        let once = to_json(&event(document.to_string().as_bytes()));
        prop_assert_eq!(to_json(&event(once.as_bytes())), once);
    }

    /// What apache-avro writes by our schemas we read, and it says what the JSON says.
    #[test]
    fn we_read_what_apache_avro_writes(document in document()) {
        let datum = apache_datum(&document);
        let single = [&[0xC3, 1], fingerprint(kind(&document)).unwrap().to_le_bytes().as_slice(), &datum].concat();
        prop_assert_eq!(to_json(&event(&single)), to_json(&event(document.to_string().as_bytes())));
    }

    /// What we write by our schemas apache-avro reads, to the last byte.
    #[test]
    fn apache_avro_reads_what_we_write(document in document()) {
        let ours = encode_avro(&event(document.to_string().as_bytes())).unwrap();
        let schema = Schema::parse_str(avro_schema(kind(&document)).unwrap()).unwrap();
        let mut rest = ours.as_slice();
        let read = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
        prop_assert_eq!(rest.len(), 0);
        prop_assert_eq!(read, apache_value(&document));
    }

    /// The framings differ in nothing but the framing.
    #[test]
    fn framings_agree(document in document()) {
        let received = event(document.to_string().as_bytes());
        let schemas = Registry(WriterSchema::parse(avro_schema(kind(&document)).unwrap()).unwrap().into());
        let Interpretation::Event(framed) = interpret(&encode_confluent(&received, 7).unwrap(), None, &schemas) else {
            panic!("not read");
        };
        prop_assert_eq!(to_json(&framed), to_json(&event(&encode_single_object(&received).unwrap())));
        let awaiting = interpret(&encode_confluent(&received, 8).unwrap(), None, &schemas);
        prop_assert!(matches!(awaiting, Interpretation::AwaitingSchema(SchemaRef::Confluent(8))));
    }
}

#[test]
fn the_json_form_of_json_is_what_was_received() {
    let received = r#" {"kind":"agent_retired","meta":{"event_id":"018F2D5C-7b2e-7c4a-9d3e-012345678901","tenant":"acme","source":"s",
        "event_time":"2026-03-01T01:00:00+01:00","environment":"prod","new":1},"body":{"agent":"a","more":[1.50]}} "#;
    let read = event(received.as_bytes());
    assert_eq!(json_form(received.as_bytes(), None, &read).get(), received.trim());
    let cloud_event = format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{received}}}"#);
    for content_type in [Some("application/cloudevents+json; charset=utf-8"), None] {
        let Interpretation::Event(read) = interpret(cloud_event.as_bytes(), content_type, &KnownSchemas) else {
            panic!("not read");
        };
        assert_eq!(
            json_form(cloud_event.as_bytes(), content_type, &read).get(),
            received.trim()
        );
    }
    let avro = encode_single_object(&read).unwrap();
    assert_eq!(json_form(&avro, None, &read).get(), to_json(&read));
    assert!(to_json(&read).contains(r#""event_time":"2026-03-01T00:00:00.000000Z""#));
}

/// A schema that is not ours: other order, other number types, logical types, an enum, aliases of shape. Its fields
/// are found by name.
#[test]
fn another_writers_schema_is_resolved_by_names() {
    let schema = r#"{"type":"record","name":"agent_retired","namespace":"com.example","fields":[
        {"name":"final_sequence","type":"int"},
        {"name":"colour","type":{"type":"enum","name":"Colour","symbols":["red","green"]}},
        {"name":"meta","type":{"type":"record","name":"M","fields":[
            {"name":"labels","type":["null",{"type":"map","values":["null","string"]}]},
            {"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"tenant","type":"string"},
            {"name":"environment","type":{"type":"enum","name":"E","symbols":["stage","prod"]}},
            {"name":"source","type":"bytes"},
            {"name":"event_id","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}}]}},
        {"name":"agent","type":"string"}]}"#;
    let schemas = Registry(WriterSchema::parse(schema).unwrap().into());
    let mut datum = vec![0, 0, 0, 0, 7, 84, 2];
    datum.extend([2, 1, 10, 2, b'k', 2, 2, b'v', 0]);
    let millis = 1_772_366_400_123_u64 << 1;
    let mut rest = millis;
    while rest >= 0x80 {
        datum.push(u8::try_from(rest & 0x7F).unwrap() | 0x80);
        rest >>= 7;
    }
    datum.push(u8::try_from(rest).unwrap());
    datum.extend([8, b'a', b'c', b'm', b'e', 2, 2, b's']);
    datum.extend([7; 16]);
    datum.extend([2, b'a']);
    let Interpretation::Event(read) = interpret(&datum, None, &schemas) else {
        panic!("{:?}", interpret(&datum, None, &schemas));
    };
    assert_eq!(
        to_json(&read),
        r#"{"kind":"agent_retired","meta":{"event_id":"07070707-0707-0707-0707-070707070707","tenant":"acme","source":"s","event_time":"2026-03-01T12:00:00.123000Z","environment":"prod","labels":{"k":"v"}},"body":{"agent":"a","final_sequence":42}}"#
    );
    // A number that does not say what it counts is no time: taken for microseconds, milliseconds would lie in 1970.
    for logical in [
        "",
        r#","logicalType":"local-timestamp-millis""#,
        r#","logicalType":"epoch-millis""#,
    ] {
        let unit = schema.replace(r#","logicalType":"timestamp-millis""#, logical);
        assert_ne!(unit, schema);
        let schemas = Registry(WriterSchema::parse(&unit).unwrap().into());
        let Interpretation::Malformed(rejection) = interpret(&datum, None, &schemas) else {
            panic!("`{logical}` was read as a time")
        };
        assert_eq!(
            (rejection.rule.as_str(), rejection.field.as_deref()),
            ("invalid_time", Some("/meta/event_time"))
        );
        assert!(rejection.detail.contains("logical type"), "{rejection}");
    }
    // A kind that nobody here knows is kept whole.
    let unknown = schema.replace("agent_retired", "AgentPromoted");
    let schemas = Registry(WriterSchema::parse(&unknown).unwrap().into());
    let Interpretation::Event(read) = interpret(&datum, None, &schemas) else {
        panic!("not read")
    };
    assert!(to_json(&read).starts_with(r#"{"kind":"agent_promoted","meta""#));
    assert!(to_json(&read).ends_with(r#""body":{"final_sequence":42,"colour":"green","agent":"a"}}"#));
}
