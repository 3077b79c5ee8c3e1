//! The reference decision: 25 fields, about 916 bytes as JSON and 484 as Avro; 200 tenants by Zipf's law, 50,000 actors,
//! 300 policy versions, a trace id of its own. Event time advances by 10 microseconds an event.
//!
//! Every event is a function of its number, so that each process makes the same ones, and none is repeated.

use anyhow::{Context, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use verdict_schemas::{Interpretation, KnownSchemas, TenantId, Timestamp, encode_single_object, interpret};

/// How many tenants.
pub(crate) const TENANTS: usize = 200;
/// How many partitions Kafka's topic would have.
pub(crate) const PARTITIONS: u32 = 12;

/// In which form the event comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    /// Our JSON form.
    Json,
    /// Avro in the single-object encoding.
    Avro,
}

/// Which UUIDs its emitter makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ids {
    /// At random: the hardest for deduplication.
    V4,
    /// Led by the time.
    V7,
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let mut x = number
        .wrapping_add(0x9E37_79B9_7F4A_7C15)
        .wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// An event, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Which tenant's: an index into [`Source::tenants`].
    pub(crate) tenant: usize,
    /// `meta.event_id`.
    pub(crate) id: Uuid,
    /// `meta.event_time`.
    pub(crate) time: Timestamp,
    /// Its bytes.
    pub(crate) value: Bytes,
}

/// Makes events.
#[derive(Debug)]
pub(crate) struct Source {
    /// By rank: the first has the most events.
    pub(crate) tenants: Vec<TenantId>,
    /// Up to which number of `u32::MAX` a rank is drawn.
    bounds: Vec<f64>,
    form: Form,
    ids: Ids,
    /// Event time of event 0, in microseconds.
    begin: i64,
}

impl Source {
    /// Events that begin at `begin`.
    pub(crate) fn new(form: Form, ids: Ids, begin: Timestamp) -> Result<Self> {
        let tenants = (0..TENANTS)
            .map(|rank| Ok(TenantId::parse(&format!("tenant-{rank:03}"))?))
            .collect::<Result<_>>()?;
        let weights: Vec<f64> = (1..=TENANTS).map(|rank| 1.0 / rank as f64).collect();
        let total: f64 = weights.iter().sum();
        let bounds = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        });
        Ok(Self {
            tenants,
            bounds: bounds.collect(),
            form,
            ids,
            begin: begin.as_micros(),
        })
    }

    /// Event number `number`.
    pub(crate) fn make(&self, number: u64) -> Result<Made> {
        let draw = mixed(number);
        let share = (draw >> 11) as f64 / (1_u64 << 53) as f64;
        let tenant = self.bounds.partition_point(|bound| *bound < share).min(TENANTS - 1);
        let (a, b) = (mixed(draw), mixed(draw ^ 0x5EED));
        let micros = self.begin + i64::try_from(number)? * 10;
        let time = Timestamp::from_micros(micros).context("a time before the year 10000")?;
        let id = match self.ids {
            Ids::V4 => {
                uuid::Builder::from_u128((u128::from(a) << 64) | u128::from(b)).with_version(uuid::Version::Random)
            }
            Ids::V7 => {
                let random = mixed(a).to_be_bytes();
                let tail: [u8; 10] = std::array::from_fn(|at| random[at % 8] ^ b.to_be_bytes()[(at + 3) % 8]);
                uuid::Builder::from_unix_timestamp_millis(u64::try_from(micros / 1000)?, &tail)
            }
        };
        let id = id.with_variant(uuid::Variant::RFC4122).into_uuid();
        let text = json(number, self.tenants[tenant].as_str(), tenant, id, time, (draw, a, b));
        let value = match self.form {
            Form::Json => text.into_bytes(),
            Form::Avro => avro(text.as_bytes())?,
        };
        Ok(Made {
            tenant,
            id,
            time,
            value: value.into(),
        })
    }
}

/// An event of ours from JSON to Avro.
pub(crate) fn avro(json: &[u8]) -> Result<Vec<u8>> {
    let Interpretation::Event(event) = interpret(json, None, &KnownSchemas) else {
        anyhow::bail!("the reference decision is malformed: {}", String::from_utf8_lossy(json));
    };
    encode_single_object(&event).context("a kind that has a schema")
}

fn json(number: u64, tenant: &str, rank: usize, id: Uuid, time: Timestamp, (draw, a, b): (u64, u64, u64)) -> String {
    let (actor, resource) = (draw % 50_000, a % 200_000);
    // Of 30 policies a tenant runs one version each, of 10: 300 versions in all.
    let policy = b % 30;
    let version = (policy + rank as u64) % 10;
    // Ten decision points a tenant.
    let agent = (b >> 32) % 10;
    let outcome = if a % 16 == 0 { "deny" } else { "allow" };
    let trace = (u128::from(mixed(a)) << 64) | u128::from(mixed(b));
    let span = mixed(number ^ 0xABCD);
    format!(
        r#"{{"kind":"decision","meta":{{"event_id":"{id}","tenant":"{tenant}","source":"spiffe://example.org/pdp/{tenant}/{agent}","source_sequence":{number},"event_time":"{time}","environment":"production","trace_id":"{trace:032x}","span_id":"{span:016x}","labels":{{"region":"eu-west-1"}}}},"body":{{"decision_id":"d-{span:016x}{number:08x}","actor":{{"type":"user","id":"user-{actor:05}@example.com"}},"action":"documents.read","resource":{{"type":"document","id":"doc-{resource:06}"}},"outcome":"{outcome}","reasons":["the owner is in the same team"],"policies":[{{"scope":{{"layer":"tenant","tenant":"{tenant}","environment":"production"}},"policy":"access-{policy:02}","version":"2026.{version:02}.1"}}],"determining_rules":["allow_team"],"input":{{"ip":"10.20.30.40"}},"agent":"pdp-{agent}","incarnation":"boot-17","workload":"documents-api","placement":"local","risk_tier":"high","duration_us":{}}}}}"#,
        100 + a % 900
    )
}
