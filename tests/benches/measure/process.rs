//! This program again, on cores of its own; and what the kernel says of a process and of the machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::table::say;
use crate::{alternatives, memory, store_path, tenants};

/// Clock ticks a second in /proc: the same on every Linux.
const TICKS: f64 = 100.0;

/// Runs a task in a process of its own, on these cores (`0`, or `0,1`).
pub(crate) fn child<P: Serialize, O: DeserializeOwned>(cores: &str, task: &str, plan: &P) -> Result<O> {
    let output = Command::new("taskset")
        .args(["-c", cores])
        .arg(std::env::current_exe()?)
        .args(["child", task, &serde_json::to_string(plan)?])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting this program again under `taskset` (of util-linux)")?;
    if !output.status.success() {
        bail!("the task `{task}` on cores {cores} ended with {}", output.status);
    }
    let said = String::from_utf8(output.stdout)?;
    serde_json::from_str(said.trim()).with_context(|| format!("the task `{task}` said `{said}`"))
}

/// What a process started by [`child`] does.
pub(crate) fn be_child(arguments: &[String]) -> Result<()> {
    let [task, plan] = arguments else {
        bail!("a child takes a task and its plan")
    };
    let outcome = match task.as_str() {
        "store" => serde_json::to_string(&store_path::measure(&serde_json::from_str(plan)?)?)?,
        "ndjson" => serde_json::to_string(&alternatives::measure(&serde_json::from_str(plan)?)?)?,
        "memory" => serde_json::to_string(&memory::measure(&serde_json::from_str(plan)?)?)?,
        "tenants" => serde_json::to_string(&tenants::measure()?)?,
        _ => bail!("no task is called `{task}`"),
    };
    say(&outcome)
}

/// Microseconds of CPU that this process has used, in all of its threads, those that ended too.
pub(crate) fn cpu_micros() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: state is field 3, user and system time are 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .context("/proc/self/stat")
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS * 1e6)
}

/// Bytes of memory: `VmRSS` now, `VmHWM` at most so far.
pub(crate) fn resident(field: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .context("/proc/self/status")?;
    Ok(kilobytes.parse::<f64>()? * 1024.0)
}

/// Bytes of the files in a directory and below, by extension.
pub(crate) fn disk_bytes(directory: &Path) -> Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for (extension, size) in disk_bytes(&entry.path())? {
                *sizes.entry(extension).or_default() += size;
            }
        } else {
            let extension = entry
                .path()
                .extension()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            *sizes.entry(extension).or_default() += entry.metadata()?.len();
        }
    }
    Ok(sizes)
}

/// Where and how this is measured.
pub(crate) fn machine() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let processor = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism()?;
    let load = load()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let now = format!("{:.0}", jiff::Timestamp::now());
    let checks = if cfg!(debug_assertions) { "with" } else { "without" };
    Ok(format!(
        "# Benchmarks of Verdict\n\n{now}; {cores} cores of {}; Linux {}; load at the start {load}; built {checks} debug assertions; data \
         under {}",
        processor.unwrap_or("?"),
        kernel.trim(),
        std::env::temp_dir().display()
    ))
}

/// How many processes wanted a core in the last minute, on average: numbers taken beside others are worse.
pub(crate) fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split_whitespace().next().unwrap_or("?").to_owned())
}
