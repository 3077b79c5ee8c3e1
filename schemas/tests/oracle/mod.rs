//! What the tests of this crate share: an oracle that writes Avro through apache-avro, and events to try.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod events;

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::Value as Json;
use verdict_schemas::{Event, Interpretation, Kind, KnownSchemas, Rejection, Timestamp, avro_schema, interpret};

/// The event in these bytes.
pub fn event(value: &[u8]) -> Event {
    match interpret(value, None, &KnownSchemas) {
        Interpretation::Event(event) => event,
        other => panic!("{other:?} of {}", String::from_utf8_lossy(value)),
    }
}

/// Why these bytes are malformed.
pub fn rejection(value: &[u8]) -> Rejection {
    match interpret(value, None, &KnownSchemas) {
        Interpretation::Malformed(rejection) => rejection,
        other => panic!("{other:?} of {}", String::from_utf8_lossy(value)),
    }
}

/// An event in JSON as the value that apache-avro writes by our schema: an encoder that shares nothing with ours.
pub fn apache_value(document: &Json) -> Value {
    let kind = Kind::parse(document["kind"].as_str().unwrap()).unwrap();
    let Schema::Record(record) = Schema::parse_str(avro_schema(kind).unwrap()).unwrap() else {
        panic!("no record")
    };
    let mut named = Vec::new();
    collect(&Schema::Record(record.clone()), &mut named);
    let fields = record.fields.iter().map(|field| {
        let json = if field.name == "meta" {
            &document["meta"]
        } else {
            &document["body"][&field.name]
        };
        (
            field.name.clone(),
            value(
                &field.schema,
                json,
                field.default.as_ref(),
                field.doc.as_deref(),
                &named,
            ),
        )
    });
    Value::Record(fields.collect())
}

/// The datum that apache-avro writes.
pub fn apache_datum(document: &Json) -> Vec<u8> {
    let kind = Kind::parse(document["kind"].as_str().unwrap()).unwrap();
    let schema = Schema::parse_str(avro_schema(kind).unwrap()).unwrap();
    GenericDatumWriter::builder(&schema)
        .build()
        .unwrap()
        .write_value_to_vec(apache_value(document))
        .unwrap()
}

fn collect(schema: &Schema, named: &mut Vec<RecordSchema>) {
    match schema {
        Schema::Record(record) => {
            named.push(record.clone());
            record.fields.iter().for_each(|field| collect(&field.schema, named));
        }
        Schema::Union(union) => union.variants().iter().for_each(|variant| collect(variant, named)),
        Schema::Array(array) => collect(&array.items, named),
        Schema::Map(map) => collect(&map.types, named),
        _ => {}
    }
}

fn value(schema: &Schema, json: &Json, default: Option<&Json>, doc: Option<&str>, named: &[RecordSchema]) -> Value {
    let holds_json = doc.is_some_and(|doc| doc.contains("JSON, as a string"));
    let json = if json.is_null() {
        default.unwrap_or(&Json::Null)
    } else {
        json
    };
    match schema {
        Schema::Union(_) if json.is_null() => Value::Union(0, Box::new(Value::Null)),
        Schema::Union(union) => Value::Union(1, Box::new(value(&union.variants()[1], json, None, doc, named))),
        Schema::String if holds_json => Value::String(json.to_string()),
        Schema::String => Value::String(json.as_str().unwrap().to_owned()),
        Schema::Long => Value::Long(json.as_i64().unwrap()),
        Schema::TimestampMicros => {
            Value::TimestampMicros(Timestamp::parse(json.as_str().unwrap()).unwrap().as_micros())
        }
        Schema::Boolean => Value::Boolean(json.as_bool().unwrap()),
        Schema::Array(array) => Value::Array(
            json.as_array()
                .unwrap()
                .iter()
                .map(|item| value(&array.items, item, None, None, named))
                .collect(),
        ),
        Schema::Map(map) => Value::Map(
            json.as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (k.clone(), value(&map.types, v, None, None, named)))
                .collect(),
        ),
        Schema::Record(record) => fields(record, json, named),
        Schema::Ref { name } => fields(named.iter().find(|record| record.name == *name).unwrap(), json, named),
        other => panic!("{other:?}"),
    }
}

fn fields(record: &RecordSchema, json: &Json, named: &[RecordSchema]) -> Value {
    let fields = record.fields.iter().map(|field| {
        let doc = field.doc.as_deref();
        (
            field.name.clone(),
            value(&field.schema, &json[&field.name], field.default.as_ref(), doc, named),
        )
    });
    Value::Record(fields.collect())
}
