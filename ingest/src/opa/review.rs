//! Requests of Kubernetes, in the shapes in which an OPA is asked about them: the `request` of an AdmissionReview,
//! Gatekeeper's `review`, a SubjectAccessReview, and a manifest itself, as Conftest reads it.
//!
//! A resource is `{type: kind, id: namespace/name}`, the kind with its group before it unless that is the core's
//! (`Pod`, `apps/Deployment`); its properties say the same apart.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::document::{Document, scalar};
use super::found::{Found, Named};

/// Where the request of an admission is.
const REQUESTS: [&str; 2] = ["/input/request", "/input/review"];
/// What a SubjectAccessReview asks about.
const ATTRIBUTES: &str = "/input/spec/resourceAttributes";
const OTHER_ATTRIBUTES: &str = "/input/spec/nonResourceAttributes";

/// Whoever asked the API server.
pub(crate) fn actor<'a>(event: &Document<'a>) -> Option<Found<Named<'a>>> {
    let mut places: Vec<_> = REQUESTS
        .iter()
        .map(|request| (format!("{request}/userInfo/username"), format!("{request}/userInfo")))
        .collect();
    if is_access_review(event) {
        places.push(("/input/spec/user".to_owned(), String::new()));
    }
    places.into_iter().find_map(|(pointer, whole)| {
        let id = event.find(&pointer).and_then(scalar)?;
        let properties = (!whole.is_empty()).then(|| event.find(&whole)).flatten();
        Some(Found {
            value: Named {
                kind: "user".into(),
                id,
                properties: properties.map(Cow::Borrowed),
            },
            by: pointer,
        })
    })
}

/// What was asked of the API server: `CREATE`, or a verb.
pub(crate) fn action<'a>(event: &Document<'a>) -> Option<Found<Cow<'a, str>>> {
    let mut pointers = REQUESTS.map(|request| format!("{request}/operation")).to_vec();
    if is_access_review(event) {
        pointers.extend([ATTRIBUTES, OTHER_ATTRIBUTES].map(|attributes| format!("{attributes}/verb")));
    }
    pointers.into_iter().find_map(|by| {
        let value = event.find(&by).and_then(scalar)?;
        Some(Found { value, by })
    })
}

/// The object that it is about.
pub(crate) fn resource<'a>(event: &Document<'a>) -> Option<Found<Named<'a>>> {
    let word = |pointer: String| event.find(&pointer).and_then(scalar);
    for request in REQUESTS {
        let kind = word(format!("{request}/kind/kind")).or_else(|| word(format!("{request}/resource/resource")));
        let Some(kind) = kind else { continue };
        let name = word(format!("{request}/name"))
            .or_else(|| word(format!("{request}/object/metadata/name")))
            .or_else(|| word(format!("{request}/oldObject/metadata/name")))
            // A name that the API server will make of it.
            .or_else(|| {
                word(format!("{request}/object/metadata/generateName")).map(|prefix| format!("{prefix}*").into())
            });
        let parts = Parts {
            group: word(format!("{request}/kind/group")).or_else(|| word(format!("{request}/resource/group"))),
            kind,
            namespace: word(format!("{request}/namespace"))
                .or_else(|| word(format!("{request}/object/metadata/namespace"))),
            name,
            subresource: word(format!("{request}/subResource")),
        };
        return Some(parts.found(request));
    }
    if is_access_review(event) {
        if let Some(path) = word(format!("{OTHER_ATTRIBUTES}/path")) {
            let value = Named {
                kind: "path".into(),
                id: path,
                properties: None,
            };
            let by = format!("{OTHER_ATTRIBUTES}/path");
            return Some(Found { value, by });
        }
        let parts = Parts {
            group: word(format!("{ATTRIBUTES}/group")),
            kind: word(format!("{ATTRIBUTES}/resource"))?,
            namespace: word(format!("{ATTRIBUTES}/namespace")),
            name: word(format!("{ATTRIBUTES}/name")),
            subresource: word(format!("{ATTRIBUTES}/subresource")),
        };
        return Some(parts.found(ATTRIBUTES));
    }
    manifest(event)
}

fn is_access_review(event: &Document<'_>) -> bool {
    let kind = event.find("/input/kind").and_then(scalar);
    kind.is_some_and(|kind| kind.ends_with("SubjectAccessReview"))
}

/// A manifest: what is there under `apiVersion`, `kind` and `metadata`.
fn manifest<'a>(event: &Document<'a>) -> Option<Found<Named<'a>>> {
    let word = |pointer: &str| event.find(pointer).and_then(scalar);
    let version = word("/input/apiVersion")?;
    let parts = Parts {
        group: version.split_once('/').map(|(group, _)| group.to_owned().into()),
        kind: word("/input/kind")?,
        namespace: word("/input/metadata/namespace"),
        name: Some(word("/input/metadata/name")?),
        subresource: None,
    };
    Some(parts.found("/input"))
}

/// What names an object.
struct Parts<'a> {
    group: Option<Cow<'a, str>>,
    kind: Cow<'a, str>,
    namespace: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    subresource: Option<Cow<'a, str>>,
}

impl<'a> Parts<'a> {
    fn found(self, by: &str) -> Found<Named<'a>> {
        let named = |group: &Cow<'_, str>| format!("{group}/{}", self.kind);
        let kind = self.group.as_ref().map_or_else(|| self.kind.to_string(), named);
        // Without a name a whole namespace, or the whole cluster, is meant.
        let name = self.name.as_deref().unwrap_or("*");
        let id = match self.namespace.as_deref() {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        let properties = [
            ("group", &self.group),
            ("kind", &Some(self.kind.clone())),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("subresource", &self.subresource),
        ];
        let properties: Map<String, Value> = properties
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.as_deref()?.into())))
            .collect();
        let properties: Option<Box<RawValue>> = to_raw_value(&properties).ok();
        Found {
            value: Named {
                kind: kind.into(),
                id: id.into(),
                properties: properties.map(Cow::Owned),
            },
            by: by.to_owned(),
        }
    }
}
