//! What a user would pick instead of the store, if questions mattered and proofs did not: a table of PostgreSQL with
//! the same indexes, filled by COPY in transactions of 10,000. Only where PostgreSQL is installed; else that is said.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use verdict_schemas::{DecisionProjection, KnownSchemas, Projection, project};

use crate::events::{Form, Ids, Source};
use crate::store_path::{KAFKA_GROUP, now};
use crate::table::{Table, ratio, say, whole};

/// It is slow enough that fewer events tell as much.
const EVENTS: u64 = 200_000;

/// One index for each way in which the store finds a decision: by time, actor, resource, agent, version, trace, decision
/// id; and by event id, which is what keeps duplicates out.
const SCHEMA: &str = "
CREATE TABLE decisions (tenant text, event_id uuid, source text, event_time timestamptz, actor text, resource text, agent text,
  policy text, version text, trace_id text, decision_id text, payload text);
CREATE UNIQUE INDEX ON decisions (tenant, source, event_id);
CREATE INDEX ON decisions (tenant, event_time);
CREATE INDEX ON decisions (tenant, actor, event_time);
CREATE INDEX ON decisions (tenant, resource, event_time);
CREATE INDEX ON decisions (tenant, agent, event_time);
CREATE INDEX ON decisions (tenant, policy, version, event_time);
CREATE INDEX ON decisions (tenant, trace_id);
CREATE INDEX ON decisions (tenant, decision_id);
";

/// As much memory as the store gives its block cache; durable, as it is by default.
const SETTINGS: [&str; 5] = [
    "listen_addresses=",
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "fsync=on",
    "synchronous_commit=on",
];

/// `ours`: events a second of the store, by feed and cores.
pub(crate) fn run(ours: &BTreeMap<(String, &str), f64>) -> Result<()> {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(reason) => return say(&format!("\nInstead: PostgreSQL: not run: {reason:#}")),
    };
    let mut table = Table::new(
        "Instead: PostgreSQL, a table with eight indexes, COPY of 10,000 a transaction",
        &[
            "cores",
            "payload B",
            "events/s",
            "disk B/event",
            "Verdict's speed to its",
        ],
    );
    for (feed, cores) in ours.keys().filter(|(feed, _)| feed == "Http") {
        let (payload, rate, disk) = measure(&tools, cores)?;
        let ours = ours.get(&(feed.clone(), *cores)).copied().unwrap_or(f64::NAN);
        let count = cores.split(',').count().to_string();
        table.row([count, whole(payload), whole(rate), whole(disk), ratio(ours, rate)]);
    }
    table.note(format!(
        "{}; {} events, JSON kept as text; {}. Server and psql share the cores. Its log (WAL) is not counted as disk.",
        tools.version()?,
        whole(EVENTS as f64),
        SETTINGS[1..].join(", ")
    ));
    table.note("The ratio is to the store fed as over HTTP (the same JSON), random ids.");
    table.print()
}

/// Payload, events a second, bytes of the table with its indexes an event.
fn measure(tools: &Tools, cores: &str) -> Result<(f64, f64, f64)> {
    let source = Source::new(Form::Json, Ids::V4, now()?)?;
    let mut script = Vec::with_capacity(usize::try_from(EVENTS)? * 1400);
    let mut payload = 0;
    for number in 0..EVENTS {
        if number % KAFKA_GROUP as u64 == 0 {
            script.extend_from_slice(if number == 0 { b"" } else { b"\\.\n" });
            script.extend_from_slice(b"COPY decisions FROM STDIN;\n");
        }
        let made = source.make(number)?;
        let Projection::Decision(decision) = project(&made.value, None, &KnownSchemas) else {
            bail!("not a decision")
        };
        payload += made.value.len();
        put_row(&mut script, &decision, &made.value)?;
    }
    script.extend_from_slice(b"\\.\n");

    let server = Server::start(tools, cores)?;
    server.psql(cores, SCHEMA.as_bytes())?;
    let begun = Instant::now();
    server.psql(cores, &script)?;
    let seconds = begun.elapsed().as_secs_f64();
    let said = server.psql(
        cores,
        b"CHECKPOINT; SELECT count(*), pg_total_relation_size('decisions') FROM decisions;",
    )?;
    let (count, bytes) = said
        .trim()
        .rsplit('\n')
        .next()
        .and_then(|line| line.split_once('|'))
        .context("two numbers")?;
    ensure!(count.parse::<u64>()? == EVENTS, "{count} rows are there, not {EVENTS}");
    let events = EVENTS as f64;
    Ok((
        payload as f64 / events,
        events / seconds,
        bytes.parse::<f64>()? / events,
    ))
}

fn put_row(out: &mut Vec<u8>, decision: &DecisionProjection<'_>, value: &[u8]) -> Result<()> {
    let cited = decision.policies.first().context("a policy is cited")?;
    write!(
        out,
        "{}\t{}\t{}\t{}\t{}:{}\t{}:{}\t{}\t{}\t{}\t{}\t{}\t",
        decision.tenant,
        decision.event_id,
        decision.source,
        decision.event_time,
        decision.actor_type,
        decision.actor_id,
        decision.resource_type,
        decision.resource_id,
        decision.agent.as_deref().unwrap_or_default(),
        cited.policy,
        cited.version,
        decision.trace_id.as_deref().unwrap_or_default(),
        decision.decision_id,
    )?;
    out.extend_from_slice(value);
    out.push(b'\n');
    Ok(())
}

/// The programs, and the account that they run under: PostgreSQL refuses root.
struct Tools {
    initdb: PathBuf,
    postgres: PathBuf,
    psql: PathBuf,
    account: Option<(u32, u32)>,
}

impl Tools {
    fn find() -> Result<Self> {
        let id =
            |arguments: &[&str]| -> Result<u32> { Ok(said(Command::new("id").args(arguments), b"")?.trim().parse()?) };
        let account = if id(&["-u"])? == 0 {
            Some((id(&["-u", "nobody"])?, id(&["-g", "nobody"])?))
        } else {
            None
        };
        Ok(Self {
            initdb: on_path("initdb")?,
            postgres: on_path("postgres")?,
            psql: on_path("psql")?,
            account,
        })
    }

    fn version(&self) -> Result<String> {
        Ok(said(Command::new(&self.postgres).arg("--version"), b"")?
            .trim()
            .to_owned())
    }

    /// A program on these cores, under the account.
    fn command(&self, cores: &str, program: &Path) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]);
        if let Some((user, group)) = self.account {
            command.args([
                "setpriv",
                &format!("--reuid={user}"),
                &format!("--regid={group}"),
                "--clear-groups",
            ]);
        }
        command.arg(program).env("LC_ALL", "C").current_dir("/");
        command
    }
}

fn on_path(name: &str) -> Result<PathBuf> {
    let paths = env::var_os("PATH").context("no PATH")?;
    let found = env::split_paths(&paths)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("`{name}` is not on the PATH"))
}

/// A server with a folder of its own; it ends with this.
struct Server<'t> {
    tools: &'t Tools,
    folder: TempDir,
    process: Child,
}

impl<'t> Server<'t> {
    fn start(tools: &'t Tools, cores: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("verdict-postgres-").tempdir()?;
        if let Some((user, group)) = tools.account {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let mut make = tools.command(cores, &tools.initdb);
        make.args(["-A", "trust", "-U", "bench", "-E", "UTF8", "--no-locale", "-D"])
            .arg(&data);
        said(&mut make, b"")?;
        let log = File::create(folder.path().join("log"))?;
        let mut start = tools.command(cores, &tools.postgres);
        start.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in SETTINGS {
            start.args(["-c", setting]);
        }
        let process = start
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let server = Self { tools, folder, process };
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(error) = server.psql(cores, b"SELECT 1") {
            if Instant::now() > end {
                let log = std::fs::read_to_string(server.folder.path().join("log"))?;
                return Err(error.context(format!("PostgreSQL did not come up: {log}")));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(server)
    }

    fn psql(&self, cores: &str, script: &[u8]) -> Result<String> {
        let mut command = self.tools.command(cores, &self.tools.psql);
        command.args([
            "-q",
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "bench",
            "-d",
            "postgres",
            "-h",
        ]);
        said(command.arg(self.folder.path()), script)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // SIGQUIT: at once, with all of its processes; there is nothing to keep.
        let _gone = Command::new("kill")
            .args(["-QUIT", &self.process.id().to_string()])
            .status();
        let _ended = self.process.wait();
    }
}

/// What a program said, once it succeeded.
fn said(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let fed = std::thread::scope(|scope| {
        let feeding = scope.spawn(move || stdin.write_all(input));
        let output = child.wait_with_output();
        // A program that fails may close its input early; then its own words matter more.
        let _fed = feeding.join();
        output
    });
    let output = fed?;
    ensure!(
        output.status.success(),
        "`{command:?}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
