//! Random streams of records: a few names of everything, so that they meet, and every way of going wrong.

use proptest::prelude::*;
use verdict_schemas::Timestamp;

/// The logs of a stream.
pub(crate) const LOGS: [&str; 4] = ["acme", "globex", "_platform", "_unrouted.3"];

/// One record to come.
#[derive(Clone, Debug)]
pub(crate) struct Coming {
    pub(crate) log: usize,
    /// Seconds since the record before.
    pub(crate) later: i64,
    pub(crate) what: Says,
    pub(crate) id: u8,
    pub(crate) source: u8,
    /// Seconds from recording back to happening; may be negative.
    pub(crate) late: i64,
    pub(crate) sequence: Option<u64>,
    /// Distinguishes values of one event id.
    pub(crate) salt: u8,
}

#[derive(Clone, Debug)]
pub(crate) enum Says {
    Decision {
        actor: u8,
        versions: Vec<u8>,
        agent: Option<u8>,
        incarnation: Option<u8>,
        foreign: bool,
    },
    Seen {
        agent: u8,
        version: u8,
        lease_ms: u64,
    },
    Retired {
        agent: u8,
    },
    Started {
        rollout: u8,
        version: u8,
    },
    RolledBack {
        rollout: u8,
    },
    Published {
        version: u8,
    },
    Exception {
        id: u8,
    },
    Reported {
        id: u8,
    },
    Effect,
    Unknown,
    Mismatch,
    Garbage,
    Waiting {
        schema: u8,
    },
}

pub(crate) fn coming() -> impl Strategy<Value = Coming> {
    let what = prop_oneof![
        8 => (0u8..3, prop::collection::vec(0u8..3, 0..3), prop::option::of(0u8..3), prop::option::of(0u8..2), any::<bool>())
            .prop_map(|(actor, versions, agent, incarnation, foreign)| Says::Decision {
                actor, versions, agent, incarnation, foreign: foreign && actor == 0,
            }),
        4 => (0u8..3, 0u8..3, prop_oneof![Just(1000u64), Just(30_000), Just(86_400_000)])
            .prop_map(|(agent, version, lease_ms)| Says::Seen { agent, version, lease_ms }),
        1 => (0u8..3).prop_map(|agent| Says::Retired { agent }),
        2 => (0u8..3, 0u8..3).prop_map(|(rollout, version)| Says::Started { rollout, version }),
        1 => (0u8..3).prop_map(|rollout| Says::RolledBack { rollout }),
        1 => (0u8..3).prop_map(|version| Says::Published { version }),
        1 => (0u8..2).prop_map(|id| Says::Exception { id }),
        1 => (0u8..2).prop_map(|id| Says::Reported { id }),
        1 => Just(Says::Effect),
        1 => Just(Says::Unknown),
        1 => Just(Says::Mismatch),
        1 => Just(Says::Garbage),
        1 => (0u8..2).prop_map(|schema| Says::Waiting { schema }),
    ];
    let later = prop_oneof![6 => 0i64..90, 1 => 3600i64..90_000, 1 => 200_000i64..500_000];
    let late = prop_oneof![4 => 0i64..5, 2 => -100i64..400, 1 => 0i64..1_000_000];
    (
        0usize..LOGS.len(),
        later,
        what,
        0u8..24,
        0u8..2,
        late,
        prop::option::of(0u64..9),
        0u8..2,
    )
        .prop_map(|(log, later, what, id, source, late, sequence, salt)| Coming {
            log,
            later,
            what,
            id,
            source,
            late,
            sequence,
            salt,
        })
}

impl Coming {
    /// The value, for a record taken `recorded` seconds into the stream.
    pub(crate) fn value(&self, recorded: i64) -> Vec<u8> {
        // A repeated id mostly repeats the bytes too: they depend on the id, not on when they were sent.
        let happened = seconds(if self.salt == 0 { 0 } else { recorded } - self.late.clamp(-1000, 1_000_000));
        let tenant = if matches!(self.what, Says::Mismatch) {
            "initech"
        } else {
            LOGS[self.log].split('.').next().unwrap()
        };
        let tenant = if tenant == "_unrouted" { "acme" } else { tenant };
        let (kind, environment, body) = self.says(tenant);
        match self.what {
            Says::Garbage => return vec![b'{', self.id, self.salt],
            Says::Waiting { schema } => return vec![0, 0, 0, 0, schema, self.id],
            _ => {}
        }
        format!(
            r#"{{"kind":"{kind}","meta":{},"body":{body}}}"#,
            self.meta(tenant, happened, environment)
        )
        .into_bytes()
    }

    fn meta(&self, tenant: &str, happened: Timestamp, environment: Option<&str>) -> String {
        let sequence = self
            .sequence
            .map(|n| format!(r#","source_sequence":{n}"#))
            .unwrap_or_default();
        let environment = environment
            .map(|e| format!(r#","environment":"{e}""#))
            .unwrap_or_default();
        let trace = if self.id.is_multiple_of(3) {
            format!(r#","trace_id":"t{}""#, self.id / 6)
        } else {
            String::new()
        };
        format!(
            r#"{{"event_id":"0190b000-0000-7000-8000-0000000000{:02x}","tenant":"{tenant}","source":"urn:s{}","event_time":"{happened}"{sequence}{environment}{trace}}}"#,
            self.id, self.source
        )
    }

    fn says(&self, tenant: &str) -> (&'static str, Option<&'static str>, String) {
        let environment = Some(if self.id.is_multiple_of(5) { "dev" } else { "prod" });
        let scope = |foreign: bool| {
            let tenant = if foreign { "initech" } else { tenant };
            if tenant == "_platform" {
                r#"{"layer":"global"}"#.to_owned()
            } else {
                format!(r#"{{"layer":"tenant","tenant":"{tenant}","environment":"prod"}}"#)
            }
        };
        let cited = |version: u8, foreign: bool| {
            format!(
                r#"{{"scope":{},"policy":"access","version":"v{version}"}}"#,
                scope(foreign)
            )
        };
        match &self.what {
            Says::Decision {
                actor,
                versions,
                agent,
                incarnation,
                foreign,
            } => {
                let policies: Vec<_> = versions.iter().map(|version| cited(*version, *foreign)).collect();
                let agent = agent.map(|a| format!(r#","agent":"pdp{a}""#)).unwrap_or_default();
                let incarnation = incarnation
                    .map(|i| format!(r#","incarnation":"i{i}""#))
                    .unwrap_or_default();
                let body = format!(
                    r#"{{"decision_id":"d{}","actor":{{"type":"user","id":"u{actor}"}},"action":"read","resource":{{"type":"doc","id":"r{}"}},"outcome":"{}","policies":[{}]{agent}{incarnation}}}"#,
                    self.id / 2,
                    self.id % 4,
                    if self.salt == 0 { "allow" } else { "deny" },
                    policies.join(",")
                );
                ("decision", environment, body)
            }
            Says::Seen {
                agent,
                version,
                lease_ms,
            } => {
                let body = format!(
                    r#"{{"agent":"pdp{agent}","incarnation":"i0","lease_ms":{lease_ms},"labels":{{}},"active":[{{"scope":{},"policy":"access","version":"v{version}","status":"applied"}}]}}"#,
                    scope(false)
                );
                ("agent_seen", environment, body)
            }
            Says::Retired { agent } => {
                let body = format!(r#"{{"agent":"pdp{agent}","incarnation":"i0","final_sequence":7}}"#);
                ("agent_retired", environment, body)
            }
            Says::Started { rollout, version } => {
                let body = format!(
                    r#"{{"rollout_id":"r{rollout}","phase":"started","scope":{},"policy":"access","to_version":"v{version}","max_inconsistency_ms":60000}}"#,
                    scope(false)
                );
                ("rollout", None, body)
            }
            Says::RolledBack { rollout } => (
                "rollout",
                None,
                format!(r#"{{"rollout_id":"r{rollout}","phase":"rolled_back"}}"#),
            ),
            Says::Published { version } => {
                let body = format!(
                    r#"{{"artifact":"policy_bundle","scope":{},"policy":"access","version":"v{version}","digest":"sha256:{}","author":{{"type":"human","id":"ann"}}}}"#,
                    scope(false),
                    "ab".repeat(32)
                );
                ("artifact_published", None, body)
            }
            Says::Exception { id } => {
                let body = format!(
                    r#"{{"object":{{"kind":"credential","id":"c{id}"}},"version":"1","after":"a","by":{{"type":"human","id":"ann"}},"document":{{}}}}"#
                );
                ("object_changed", None, body)
            }
            Says::Reported { id } => {
                let body =
                    format!(r#"{{"object":{{"kind":"credential","id":"c{id}"}},"generation":1,"state":"converged"}}"#);
                ("reconciliation_reported", None, body)
            }
            Says::Effect => {
                let body = format!(
                    r#"{{"decision_id":"d{}","object":{{}},"before":null,"after":1}}"#,
                    self.id / 2
                );
                ("effect_recorded", None, body)
            }
            Says::Unknown => ("weather_changed", None, r#"{"sun":true}"#.to_owned()),
            Says::Mismatch => ("agent_retired", environment, r#"{"agent":"pdp0"}"#.to_owned()),
            Says::Garbage | Says::Waiting { .. } => ("", None, String::new()),
        }
    }
}

/// 2026-03-01T00:00:00Z and so many seconds.
pub(crate) fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_772_323_200 + seconds) * 1_000_000).unwrap()
}
