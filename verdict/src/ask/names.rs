//! Whether what was asked about is there at all. An empty answer about `stagin` is no answer about `staging`: it is told
//! apart from one that holds nothing, with what is named nearly so.

use serde_json::Value;

use super::list;
use crate::client::Client;
use crate::exit::Failure;

/// The names in a question that may be misspelt.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'a> {
    pub(super) environment: Option<&'a str>,
    pub(super) policy: Option<&'a str>,
}

impl Names<'_> {
    /// What is said of an answer that holds nothing: that a name is unknown, else `otherwise`.
    pub(super) async fn missing(&self, client: &Client, tenant: &str, otherwise: &str) -> Failure {
        match self.unknown(client, tenant).await {
            Ok(Some(unknown)) => unknown,
            Ok(None) => Failure::Negative(otherwise.to_owned()),
            Err(failure) => failure,
        }
    }

    /// The first name that nothing recorded in the tenant's log, nor the platform's, has.
    pub(super) async fn unknown(&self, client: &Client, tenant: &str) -> Result<Option<Failure>, Failure> {
        let asked = [
            ("environment", "environments", self.environment),
            ("policy", "policies", self.policy),
        ];
        if asked.iter().all(|(_, _, name)| name.is_none()) {
            return Ok(None);
        }
        let known = match client.get(&["v1", "tenants", tenant, "names"], &[]).await {
            // An older release has no such path: what it answered stands.
            Err(Failure::Negative(_)) => return Ok(None),
            known => known?,
        };
        Ok(asked.into_iter().find_map(|(what, all, name)| {
            let all: Vec<&str> = list(&known.value, all).iter().filter_map(Value::as_str).collect();
            let name = name.filter(|name| !all.contains(name))?;
            Some(Failure::Unknown(format!(
                "no rollout, publication, report or citation in `{tenant}` names the {what} `{name}`{}",
                near(name, &all)
            )))
        }))
    }
}

/// What is said of a tenant that no answer is about, though there is one: the platform's policies hold for every name.
pub(super) fn unknown_tenant(value: &Value) -> Option<Failure> {
    let own = list(value, "logs").first()?;
    let tenant = value.get("tenant").and_then(Value::as_str)?;
    let empty = own.get("size").and_then(Value::as_u64) == Some(0) && tenant != "_platform";
    empty.then(|| {
        Failure::Unknown(format!(
            "nothing was recorded in `{tenant}` as of this cut: what the platform intends for every tenant is all there is"
        ))
    })
}

/// What may be meant instead.
fn near(name: &str, all: &[&str]) -> String {
    /// So many names are few enough to be told.
    const FEW: usize = 8;
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let mut close: Vec<(usize, &str)> = all.iter().map(|known| (distance(known), *known)).collect();
    close.sort_unstable();
    match close.first() {
        Some((distance, meant)) if *distance <= 1 + name.chars().count() / 4 => format!("; is `{meant}` meant?"),
        Some(_) if all.len() <= FEW => format!("; there is `{}`", all.join("`, `")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn what_is_near_is_named_and_few_are_named_all() {
        let all = ["prod", "staging", "payments-authz"];
        assert_eq!(near("stagin", &all), "; is `staging` meant?");
        assert_eq!(near("paymetns-auhtz", &all), "; is `payments-authz` meant?");
        assert_eq!(near("PROD", &all), "; is `prod` meant?");
        assert_eq!(near("qa", &all), "; there is `prod`, `staging`, `payments-authz`");
        assert_eq!(near("qa", &[]), "");
        let many: Vec<String> = (0..9).map(|n| format!("environment-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(near("qa", &many), "");
    }
}
