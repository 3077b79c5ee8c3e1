//! `effective`: what it costs to ask, when a thousand things were observed and when a million were, at the newest cut and
//! at old ones. The same number of agents is alive in all of them.
//!
//! Inside: one snapshot, the cut with its roots, the fold and the answer as JSON, as `verdict serve` does it, without
//! HTTP; the keys read are those that the snapshot counted. Over HTTP: `bin/verdict serve` on the loopback, client and
//! server on the same cores.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use verdict_fold::rows::{Cut, RowSeries, RowsError};
use verdict_fold::{Evidence, IntentCut, IntentLog, Observation, Question, SeriesKey, effective};
use verdict_schemas::{Environment, TenantId, Timestamp};
use verdict_store::{LogCut, LogId, LogName, ObservedAt, ObservedRows, Options, Snapshot, Store, StoreError};
use verdict_tests::server::Server;

use crate::events::mixed;
use crate::history::{self, AGENTS, ENVIRONMENT, Plan, Span, TENANT};
use crate::table::{Table, micros, percentile, ratio, whole};

/// Questions of each kind.
const INSIDE: u64 = 1_000;
const OVER_HTTP: u64 = 500;
/// Asked first and not counted.
const WARM_UP: u64 = 100;

/// What is asked about.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Timestamp,
    /// `None`: the newest cut.
    known_at: Option<Timestamp>,
}

/// What questions of one kind cost.
#[derive(Clone, Debug, Default)]
struct Cost {
    micros: Vec<f64>,
    reads: Vec<f64>,
    http: Vec<f64>,
}

impl Cost {
    fn row(&mut self, history: &str, cut: &str) -> [String; 8] {
        let p = |samples: &mut [f64], percent| whole(percentile(samples, percent));
        [
            history.to_owned(),
            cut.to_owned(),
            p(&mut self.micros, 50),
            p(&mut self.micros, 99),
            p(&mut self.http, 50),
            p(&mut self.http, 99),
            p(&mut self.reads, 50),
            p(&mut self.reads, 99),
        ]
    }
}

pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut table = Table::new(
        "`effective`",
        &[
            "history",
            "cut",
            "inside p50 us",
            "p99 us",
            "HTTP p50 us",
            "p99 us",
            "keys read p50",
            "p99",
        ],
    );
    let plain = |observations| Plan {
        observations,
        restart_every: None,
    };
    let restarts = Plan {
        observations: 200_000,
        restart_every: Some(2_000),
    };
    let (mut small, mut large) = (asked(&runtime, plain(1_000))?, asked(&runtime, plain(1_000_000))?);
    let mut churn = asked(&runtime, restarts)?;
    let kinds = ["newest", "random old"];
    for (name, costs) in [
        ("1,000 observations", &mut small),
        ("1,000,000", &mut large),
        ("200,000, each agent restarted 100 times", &mut churn),
    ] {
        costs
            .iter_mut()
            .zip(kinds)
            .for_each(|(cost, kind)| table.row(cost.row(name, kind)));
    }
    for ((small, large), kind) in small.iter_mut().zip(&mut large).zip(kinds) {
        let of = |large: &mut [f64], small: &mut [f64], percent| {
            ratio(percentile(large, percent), percentile(small, percent))
        };
        table.row([
            "1,000,000 to 1,000".to_owned(),
            kind.to_owned(),
            of(&mut large.micros, &mut small.micros, 50),
            of(&mut large.micros, &mut small.micros, 99),
            of(&mut large.http, &mut small.http, 50),
            of(&mut large.http, &mut small.http, 99),
            of(&mut large.reads, &mut small.reads, 50),
            of(&mut large.reads, &mut small.reads, 99),
        ]);
    }
    table.note(format!(
        "{AGENTS} agents alive at any moment, three policies, ten rollouts. Random old: `known_at` anywhere in the last four fifths of the \
         history, `at` anywhere up to it. {INSIDE} questions inside, {OVER_HTTP} over HTTP, each after {WARM_UP} that are not counted."
    ));
    table.note("Goals: p99 under 1,000 us at either size; keys read within a factor of two between them.");
    table.print()
}

/// Records a history and asks about it: the newest cut, then random old ones.
fn asked(runtime: &tokio::runtime::Runtime, plan: Plan) -> Result<[Cost; 2]> {
    let (mut server, data) = runtime.block_on(async {
        let mut server = Server::start::<&str>(&[]).await?;
        server.stop().await?;
        let data = server.data();
        anyhow::Ok((server, data))
    })?;
    let store = Store::open(&data, Options::default())?;
    let span = history::record(&store, plan)?;
    store.close()?;

    let mut costs = [Cost::default(), Cost::default()];
    let store = Store::open(&data, Options::default())?;
    for (old, cost) in [false, true].into_iter().zip(&mut costs) {
        for number in 0..WARM_UP + INSIDE {
            let moment = moment(span, old, number)?;
            let begun = Instant::now();
            let reads = ask(&store, moment)?;
            if number >= WARM_UP {
                cost.micros.push(micros(begun.elapsed()));
                cost.reads.push(reads as f64);
            }
        }
    }
    store.close()?;

    runtime.block_on(async {
        server.restart().await?;
        for (old, cost) in [false, true].into_iter().zip(&mut costs) {
            for number in 0..WARM_UP + OVER_HTTP {
                let Moment { at, known_at } = moment(span, old, number)?;
                let known_at = known_at.map_or_else(String::new, |known_at| format!("&known_at={known_at}"));
                let path = format!("/v1/tenants/{TENANT}/effective?environment={ENVIRONMENT}&at={at}{known_at}");
                let begun = Instant::now();
                let answer = server.get(&path).await?;
                let took = micros(begun.elapsed());
                ensure!(answer.status.is_success(), "{path}: {}", answer.text());
                if number >= WARM_UP {
                    cost.http.push(took);
                }
            }
        }
        server.stop().await
    })?;
    Ok(costs)
}

/// Question number `number`.
fn moment(span: Span, old: bool, number: u64) -> Result<Moment> {
    if !old {
        return Ok(Moment {
            at: span.end()?,
            known_at: None,
        });
    }
    let known = mixed(number) >> 48;
    let within = (known * (mixed(!number) >> 48)) >> 16;
    Ok(Moment {
        at: span.moment(u32::try_from(within)?)?,
        known_at: Some(span.moment(u32::try_from(known)?)?),
    })
}

/// Asks, and says how many keys were read.
fn ask(store: &Store, moment: Moment) -> Result<u64> {
    let tenant = TenantId::parse(TENANT)?;
    let environment = Environment::from(ENVIRONMENT);
    let horizon = store.horizon(&[&LogName::Tenant(tenant.clone()), &LogName::Tenant(TenantId::platform())]);
    let snapshot = store.snapshot();
    let (log, size) = cut(&snapshot, &tenant, moment.known_at)?.context("the history is there")?;
    let platform = cut(&snapshot, &TenantId::platform(), moment.known_at)?;
    let none = || Arc::new(IntentLog::new(TenantId::platform()));
    let platform = match platform {
        Some((log, cut)) => (snapshot.intents(log, cut)?.unwrap_or_else(none), cut.steps()),
        None => (none(), 0),
    };
    let own = snapshot.intents(log, size)?.context("a tenant's log has intent")?;
    let observed = snapshot.observed(log, &environment, size)?;
    let rows = observed.cut().map_err(|error| anyhow!("{error}"))?;
    let question = Question {
        tenant,
        environment,
        workload: None,
        at: moment.at,
        known_at: moment.known_at.unwrap_or(horizon),
    };
    let evidence = InCut {
        intents: [(own, size.steps()), platform],
        observed: &observed,
        rows: &rows,
    };
    let answer = effective(&question, &evidence).map_err(|error| anyhow!("{error}"))?;
    let text = serde_json::to_string(&answer)?;
    ensure!(
        answer.policies.len() == 3 && text.contains("\"effective\""),
        "an answer of another history: {text}"
    );
    Ok(snapshot.reads())
}

/// A log and how much of it is in the cut; with its root and last time, which every answer over HTTP tells.
fn cut(snapshot: &Snapshot<'_>, tenant: &TenantId, known_at: Option<Timestamp>) -> Result<Option<(LogId, LogCut)>> {
    let Some(info) = snapshot.log(&LogName::Tenant(tenant.clone()))? else {
        return Ok(None);
    };
    let cut = match known_at {
        Some(known_at) => snapshot.cut_at(info.id, known_at)?.0,
        None => info.visible,
    };
    if cut.size != info.size {
        snapshot.root_at(info.id, cut.size)?;
    }
    snapshot.recorded_time(info.id, info.visible.size)?;
    Ok(Some((info.id, cut)))
}

/// The fold's view of a cut. No partial is ever open in these histories.
struct InCut<'e, 's> {
    /// The tenant's and the platform's, with their sizes in the cut.
    intents: [(Arc<IntentLog>, u64); 2],
    observed: &'e ObservedAt<'s>,
    rows: &'e Cut<'e, ObservedRows<'s>>,
}

impl<'e, 's> Evidence for InCut<'e, 's> {
    type Error = RowsError<StoreError>;
    type Kept<'a>
        = RowSeries<'e, 'e, ObservedRows<'s>>
    where
        Self: 'a;

    fn intents(&self, log: &TenantId) -> Result<IntentCut<'_>, Self::Error> {
        let (intents, size) = &self.intents[usize::from(log.is_platform())];
        Ok(intents.cut(*size))
    }

    fn observed(&self, t: Timestamp) -> Result<Vec<SeriesKey>, Self::Error> {
        self.rows.series_observed(t)
    }

    fn kept(&self, series: &SeriesKey) -> Result<Self::Kept<'_>, Self::Error> {
        self.observed.series(self.rows, series)
    }

    fn facts(&self, series: &SeriesKey) -> Result<Vec<Observation>, Self::Error> {
        self.observed.facts(series)
    }
}
