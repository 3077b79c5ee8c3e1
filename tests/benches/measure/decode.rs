//! Decode: what it costs one core to read the reference decision, beside the generic readers that a user would pick.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use apache_avro::Schema;
use bytes::Bytes;
use verdict_schemas::{Interpretation, Kind, KnownSchemas, Projection, Timestamp, avro_schema, interpret, project};

use crate::events::{Form, Ids, Source};
use crate::table::{Table, ratio, whole};

/// Enough events that no cache holds them all, as when they come from a network.
const EVENTS: u64 = 10_000;
/// For each reader.
const TIME: Duration = Duration::from_millis(1500);
/// The framing of the single-object encoding.
const FRAMING: usize = 10;

/// Events a second of a reader: the median over passes.
pub(crate) fn rate(values: &[Bytes], mut read: impl FnMut(&[u8]) -> Result<()>) -> Result<f64> {
    let (begun, mut passes) = (Instant::now(), Vec::new());
    while begun.elapsed() < TIME {
        let pass = Instant::now();
        for value in values {
            read(black_box(value))?;
        }
        passes.push(values.len() as f64 / pass.elapsed().as_secs_f64());
    }
    Ok(crate::table::percentile(&mut passes, 50))
}

pub(crate) fn run() -> Result<()> {
    let mut table = Table::new(
        "Decode, one core",
        &[
            "form",
            "bytes/event",
            "generic reader",
            "generic, events/s",
            "`interpret`, events/s",
            "ratio",
            "`project`, events/s",
            "ratio",
        ],
    );
    for form in [Form::Json, Form::Avro] {
        let source = Source::new(form, Ids::V4, Timestamp::parse("2026-03-01T12:00:00Z")?)?;
        let values: Vec<Bytes> = (0..EVENTS)
            .map(|number| Ok(source.make(number)?.value))
            .collect::<Result<_>>()?;
        let bytes: usize = values.iter().map(Bytes::len).sum();
        let interpreted = rate(&values, |value| {
            ensure!(
                matches!(
                    black_box(interpret(value, None, &KnownSchemas)),
                    Interpretation::Event(_)
                ),
                "not read"
            );
            Ok(())
        })?;
        let projected = rate(&values, |value| {
            ensure!(
                matches!(black_box(project(value, None, &KnownSchemas)), Projection::Decision(_)),
                "not read"
            );
            Ok(())
        })?;
        let (name, generic) = match form {
            Form::Json => ("serde_json `Value`", rate(&values, json_value)?),
            Form::Avro => ("apache-avro `Value`", avro_value(&values)?),
        };
        table.row([
            format!("{form:?}"),
            whole(bytes as f64 / values.len() as f64),
            name.to_owned(),
            whole(generic),
            whole(interpreted),
            ratio(interpreted, generic),
            whole(projected),
            ratio(projected, generic),
        ]);
    }
    table.note("`interpret` gives the whole event, validated; `project` what the indexes need, borrowed, accepting exactly the same.");
    table.note(
        "The generic readers check syntax only: no rule of a decision, and apache-avro's takes truncated values.",
    );
    table.print()
}

fn json_value(value: &[u8]) -> Result<()> {
    black_box(serde_json::from_slice::<serde_json::Value>(value)?);
    Ok(())
}

fn avro_value(values: &[Bytes]) -> Result<f64> {
    let schema = Schema::parse_str(avro_schema(Kind::Decision).context("decisions have a schema")?)?;
    rate(values, |value| {
        let mut datum = value.get(FRAMING..).context("a datum behind the framing")?;
        #[expect(clippy::disallowed_methods, deprecated, reason = "it is what we are compared with")]
        let read = apache_avro::from_avro_datum(&schema, &mut datum, None)?;
        black_box(read);
        Ok(())
    })
}
