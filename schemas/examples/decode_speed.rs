//! How fast one core reads decisions: `cargo run -p verdict-schemas --example decode_speed [part of a name]`.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement for people"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use verdict_schemas::{Interpretation, KnownSchemas, Projection, encode_single_object, interpret, project};

fn main() {
    let variants: Vec<(Vec<u8>, Vec<u8>)> = (0..1000_u32)
        .map(|i| {
            let json = decision(i).into_bytes();
            let Interpretation::Event(event) = interpret(&json, None, &KnownSchemas) else {
                return (json, Vec::new());
            };
            let avro = encode_single_object(&event).unwrap_or_default();
            (json, avro)
        })
        .collect();
    let (json, avro): (Vec<_>, Vec<_>) = variants.into_iter().unzip();
    println!("JSON {} bytes, Avro {} bytes an event", mean(&json), mean(&avro));
    for (form, values) in [("JSON", &json), ("Avro", &avro)] {
        measure(&format!("{form} interpret"), values, |value| {
            assert!(matches!(
                interpret(value, None, &KnownSchemas),
                Interpretation::Event(_)
            ));
        });
        measure(&format!("{form} project"), values, |value| {
            let Projection::Decision(decision) = project(value, None, &KnownSchemas) else {
                panic!("no decision")
            };
            black_box(decision);
        });
    }
}

fn mean(values: &[Vec<u8>]) -> usize {
    values.iter().map(Vec::len).sum::<usize>() / values.len()
}

fn measure(name: &str, values: &[Vec<u8>], read: impl Fn(&[u8])) {
    if std::env::args().nth(1).is_some_and(|part| !name.contains(&part)) {
        return;
    }
    let mut best = f64::MAX;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let start = Instant::now();
        values.iter().for_each(|value| read(black_box(value)));
        best = best.min(start.elapsed().as_secs_f64() / f64::from(u32::try_from(values.len()).expect("a thousand")));
    }
    println!(
        "{name:16} {:>6.0} ns an event, {:>5.2} M events/s",
        best * 1e9,
        1e-6 / best
    );
}

/// A usual decision: 25 fields, two policies cited.
fn decision(i: u32) -> String {
    format!(
        r#"{{"kind":"decision","meta":{{"event_id":"018f2d5c-7b2e-7c4a-9d3e-{i:012x}","tenant":"acme","source":"urn:example:pdp:payments","source_sequence":{i},"event_time":"2026-03-01T12:00:{:02}.{:06}Z","environment":"prod","trace_id":"4bf92f3577b34da6a3ce929d{i:08x}","labels":{{}}}},"body":{{"decision_id":"d-{i:08x}","actor":{{"type":"user","id":"user-{i}@example.com"}},"action":"transfer","resource":{{"type":"account","id":"acct-{i}"}},"outcome":"allow","reasons":["within limit"],"policies":[{{"scope":{{"layer":"tenant","tenant":"acme","environment":"*"}},"policy":"authz","version":"v{}"}},{{"scope":{{"layer":"global"}},"policy":"baseline","version":"v3"}}],"determining_rules":["authz/allow"],"input":{{"amount":{i},"currency":"EUR"}},"agent":"opa-payments","incarnation":"boot-3","workload":"payments","mode":"normal","risk_tier":"high","duration_us":183,"policy_synced_at":"2026-03-01T11:59:30.000000Z"}}}}"#,
        i % 60,
        i * 991 % 1_000_000,
        i % 7
    )
}
