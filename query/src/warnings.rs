//! What an answer warns of: statements that are true and say less than they seem to.

use verdict_schemas::{PolicyName, Timestamp, Version};

/// Warns of policies that are said to run since the beginning of time: nothing that a broker stamped acts then (E5).
pub(crate) fn since_1970<'a>(since: impl Iterator<Item = (&'a PolicyName, Option<Timestamp>)>) -> Vec<String> {
    let mut policies: Vec<&PolicyName> = since
        .filter(|(_, since)| *since == Some(Timestamp::MIN))
        .map(|(policy, _)| policy)
        .collect();
    policies.sort_unstable();
    policies.dedup();
    let warning = |policy: &PolicyName| {
        format!(
            "what is said of `{policy}` rests on records that Kafka did not stamp, from before its topic was set to \
             LogAppendTime: they act in 1970 and not when they happened (`quarantine?flag=no_append_time` lists them)"
        )
    };
    policies.into_iter().map(warning).collect()
}

/// Warns of each policy that runs in a version which has no name: whoever reads `unversioned` is told what is meant and
/// how it is mended.
pub(crate) fn unversioned<'a>(running: impl Iterator<Item = (&'a PolicyName, Option<&'a Version>)>) -> Vec<String> {
    let unversioned = |(policy, version): (&'a PolicyName, Option<&'a Version>)| {
        version.is_some_and(Version::is_unversioned).then_some(policy)
    };
    let mut policies: Vec<&PolicyName> = running.filter_map(unversioned).collect();
    policies.sort_unstable();
    policies.dedup();
    let warning = |policy: &PolicyName| {
        format!(
            "agents report `{policy}` as a bundle without a revision: what they run can not be told from what they ran \
             before; build it with `opa build --revision`"
        )
    };
    policies.into_iter().map(warning).collect()
}
