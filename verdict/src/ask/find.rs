//! `verdict find`: where an id occurs, with the command that shows it, to be pasted into a shell.

use std::fmt::Write as _;

use super::list;
use crate::cli::{DEFAULT_SERVER, FindArgs, ServerArgs};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{answer, cell, must, room, table, text};
use crate::visible::is_hidden;

/// `verdict find`
pub(crate) async fn find(args: &FindArgs) -> Result<(), Failure> {
    let found = Client::new(&args.server)?
        .get(&["v1", "find"], &[("id", args.id.clone())])
        .await?;
    let items = list(&found.value, "items");
    let form = args.server.output;
    answer(form, &found, "items", |_| {
        let mut rows = table(&[must("tenant"), room("index", 1), must("is"), must("ask")]);
        for item in items {
            let href = text(item, "/href");
            rows.add_row([
                cell(item, "/tenant"),
                cell(item, "/index"),
                cell(item, "/what"),
                command(&href, &args.server).unwrap_or(href).into(),
            ]);
        }
        if items.is_empty() && form.is_for_people() {
            Ok(())
        } else {
            rows.print(form)
        }
    })?;
    if items.is_empty() {
        return Err(Failure::Negative(format!(
            "`{}` was not found in any tenant that you may read: it is no event, decision, rollout, trace, correlation id or \
             agent there",
            args.id
        )));
    }
    Ok(())
}

/// The command that asks what a path of this service does; `None` for one that no command asks for.
fn command(href: &str, server: &ServerArgs) -> Option<String> {
    let url = reqwest::Url::parse("http://server")
        .and_then(|base| base.join(href))
        .ok()?;
    let decoded = |segment: &str| {
        // A segment is encoded as a query is, but for the blank.
        let query = format!("s={}", segment.replace('+', "%2B"));
        let url = reqwest::Url::parse(&format!("http://server/?{query}")).ok()?;
        url.query_pairs().next().map(|(_, text)| text.into_owned())
    };
    let segments: Vec<String> = url.path_segments()?.map(decoded).collect::<Option<_>>()?;
    let parameter = url.query_pairs().next();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let asked = match (parts.as_slice(), &parameter) {
        (
            [
                "v1",
                "tenants",
                tenant,
                what @ ("events" | "decisions" | "rollouts"),
                id,
            ],
            None,
        ) => show(tenant, what.strip_suffix('s')?, id),
        (["v1", "tenants", tenant, what @ ("decision" | "rollout")], Some((name, id))) if name == "id" => {
            show(tenant, what, id)
        }
        (["v1", "tenants", tenant, "decisions"], Some((name, id))) => {
            format!("decisions {} --{}={}", shell(tenant), name.replace('_', "-"), shell(id))
        }
        _ => return None,
    };
    // Whoever named a server in the environment has it there; a token is never repeated.
    let elsewhere = server.server != DEFAULT_SERVER && std::env::var_os("VERDICT_SERVER").is_none();
    let mut command = "verdict".to_owned();
    if elsewhere {
        command.push_str(" --server ");
        command.push_str(&shell(&server.server));
    }
    for (option, variable, file) in [
        ("--ca-file", "VERDICT_CA_FILE", &server.ca_file),
        ("--cert-file", "VERDICT_CERT_FILE", &server.cert_file),
        ("--key-file", "VERDICT_KEY_FILE", &server.key_file),
    ] {
        if let Some(file) = file.as_ref().filter(|_| std::env::var_os(variable).is_none()) {
            command.push_str(&format!(" {option} {}", shell(&file.to_string_lossy())));
        }
    }
    Some(format!("{command} {asked}"))
}

fn show(tenant: &str, what: &str, id: &str) -> String {
    // What begins like an option is none behind two hyphens.
    let plainly = if id.starts_with('-') { "-- " } else { "" };
    format!("show {plainly}{} {what} {}", shell(tenant), shell(id))
}

/// A word as a shell reads it, of characters that can be seen. What can not be seen, or would not stay what it is in a table, is
/// written as its number between the quotes that bash, zsh and ksh know: `$'\u001b'`.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@' | '+' | '=' | ',');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let odd = |c: char| is_hidden(c) || (c.is_whitespace() && c != ' ');
    let blanks = word.contains("  ") || word.starts_with(' ') || word.ends_with(' ');
    if !word.contains(odd) && !blanks && !word.contains("\\u{") {
        return format!("'{}'", word.replace('\'', "'\\''"));
    }
    let mut quoted = String::from("$'");
    for c in word.chars() {
        let number = u32::from(c);
        // Writing to a string does not fail.
        let _infallible = match c {
            '\'' => quoted.write_str("\\'"),
            // By its number too: what stands before `u{` is not shown as it is.
            '\\' => quoted.write_str("\\u005c"),
            _ if (odd(c) || c == ' ') && number > 0xffff => write!(quoted, "\\U{number:08x}"),
            _ if odd(c) || c == ' ' => write!(quoted, "\\u{number:04x}"),
            _ => write!(quoted, "{c}"),
        };
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::visible::visible_cell;

    #[test]
    fn each_place_has_its_command() {
        let server = ServerArgs::at(DEFAULT_SERVER.to_owned());
        for (href, expected) in [
            ("/v1/tenants/acme/events/01a1", "verdict show acme event 01a1"),
            (
                "/v1/tenants/acme/decisions/a%20b%2Bc+d",
                "verdict show acme decision 'a b+c+d'",
            ),
            ("/v1/tenants/acme/decision?id=..", "verdict show acme decision .."),
            ("/v1/tenants/acme/rollouts/-r", "verdict show -- acme rollout -r"),
            (
                "/v1/tenants/acme/decisions?trace_id=9c1f",
                "verdict decisions acme --trace-id=9c1f",
            ),
            (
                "/v1/tenants/acme/decisions?agent=it%27s",
                "verdict decisions acme --agent='it'\\''s'",
            ),
        ] {
            assert_eq!(command(href, &server).unwrap(), expected);
        }
        assert_eq!(command("/v1/elsewhere", &server), None);
        assert_eq!(shell("\\u{1b}'\u{1b}"), "$'\\u005cu{1b}\\'\\u001b'");
        let other = ServerArgs::at("http://127.0.0.1:9".to_owned());
        let asked = command("/v1/tenants/acme/events/01a1", &other).unwrap();
        assert_eq!(asked, "verdict --server http://127.0.0.1:9 show acme event 01a1");
    }

    proptest! {
        #[test]
        fn a_word_is_the_same_in_a_shell_and_in_a_table(word in "[^\\x00]{0,12}|[ \\\\'$u{}\"\\x1b\\u{9b}\\u{202e}\\u{e0041}a]{0,12}") {
            let quoted = shell(&word);
            prop_assert_eq!(visible_cell(&quoted), quoted.clone());
            let told = std::process::Command::new("bash")
                .args(["-c", &format!("printf %s {quoted}")])
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            prop_assert_eq!(String::from_utf8_lossy(&told.stdout), word, "{}", quoted);
        }
    }
}
