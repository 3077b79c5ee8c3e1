//! Who did what to what, found in a foreign event by JSON Pointers. (What was decided: `outcome`.)
//!
//! A `binding` names the pointers of its bundle; where it names none, the defaults below are tried in their order. A
//! pointer of a binding that finds nothing ends the search: someone said where it is, and it is not there. What nothing
//! finds is `unmapped`; which pointer did find it goes along with the event, so nobody has to guess afterwards.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::document::{Document, elements, scalar};
use super::found::{Found, Named};
use super::review;

/// The version of the mapping, recorded with whatever it mapped (`mapped/version`): what it said stays as it was said.
/// Records that name none are of version 1, which read every `true` as a permission.
pub(crate) const VERSION: &str = "2";

/// What stands where no pointer finds anything.
pub(crate) const UNMAPPED: &str = "unmapped";

/// Default pointers to the actor, with the type of one that does not name its own.
pub(crate) const ACTORS: &[(&str, &str)] = &[
    ("/input/subject", "subject"),
    ("/input/actor", "actor"),
    ("/input/principal", "principal"),
    ("/input/user", "user"),
    ("/input/identity", "identity"),
    ("/input/username", "user"),
    ("/input/user_id", "user"),
    ("/input/sub", "subject"),
    ("/input/attributes/source/principal", "principal"),
];

/// Default pointers to the action.
pub(crate) const ACTIONS: &[&str] = &[
    "/input/action",
    "/input/operation",
    "/input/verb",
    "/input/method",
    "/input/permission",
    "/input/attributes/request/http/method",
    "/input/request/method",
];

/// Default pointers to the resource, with the type of one that does not name its own.
pub(crate) const RESOURCES: &[(&str, &str)] = &[
    ("/input/resource", "resource"),
    ("/input/object", "object"),
    ("/input/resource_id", "resource"),
    ("/input/parsed_path", "path"),
    ("/input/path", "path"),
    ("/input/attributes/request/http/path", "path"),
    ("/input/request/path", "path"),
    ("/input/url", "url"),
    ("/input/uri", "url"),
];

/// Fields of an object that name it, in the order in which they are tried.
const IDS: &[&str] = &["id", "uid", "sub", "name", "username", "email", "path"];

/// The actor.
pub(crate) fn actor<'a>(event: &Document<'a>, bound: Option<&str>) -> Option<Found<Named<'a>>> {
    named(event, bound, ACTORS, review::actor)
}

/// The resource.
pub(crate) fn resource<'a>(event: &Document<'a>, bound: Option<&str>) -> Option<Found<Named<'a>>> {
    named(event, bound, RESOURCES, review::resource)
}

/// The action: a string, or an object that has a `name`, as AuthZEN's.
pub(crate) fn action<'a>(event: &Document<'a>, bound: Option<&str>) -> Option<Found<Cow<'a, str>>> {
    let read = |pointer: &str| {
        let found = event.find(pointer)?;
        let value = scalar(found).or_else(|| {
            let named = ["name", "id"]
                .iter()
                .find_map(|field| event.find(&format!("{pointer}/{field}")));
            named.and_then(scalar)
        })?;
        Some(Found {
            value,
            by: pointer.to_owned(),
        })
    };
    match bound {
        Some(pointer) => read(pointer),
        None => ACTIONS
            .iter()
            .find_map(|pointer| read(pointer))
            .or_else(|| review::action(event)),
    }
}

fn named<'a>(
    event: &Document<'a>,
    bound: Option<&str>,
    defaults: &[(&str, &'static str)],
    of_review: fn(&Document<'a>) -> Option<Found<Named<'a>>>,
) -> Option<Found<Named<'a>>> {
    let read = |pointer: &str, kind: Cow<'a, str>| {
        one(event, pointer, kind).map(|value| Found {
            value,
            by: pointer.to_owned(),
        })
    };
    match bound {
        Some(pointer) => read(pointer, Cow::Owned(kind_of(pointer))),
        None => defaults
            .iter()
            .find_map(|(pointer, kind)| read(pointer, Cow::Borrowed(kind)))
            .or_else(|| of_review(event)),
    }
}

fn one<'a>(event: &Document<'a>, pointer: &str, kind: Cow<'a, str>) -> Option<Named<'a>> {
    let found = event.find(pointer)?;
    match found.get().as_bytes().first() {
        Some(b'{') => {
            let field = |name: &str| event.find(&format!("{pointer}/{name}")).and_then(scalar);
            let id = IDS.iter().find_map(|name| field(name))?;
            Some(Named {
                kind: field("type").unwrap_or(kind),
                id,
                properties: Some(Cow::Borrowed(found)),
            })
        }
        Some(b'[') => Some(Named {
            kind,
            id: path(found)?.into(),
            properties: None,
        }),
        _ => Some(Named {
            kind,
            id: scalar(found)?,
            properties: None,
        }),
    }
}

/// `["salary", "bob"]` is `/salary/bob`.
fn path(raw: &RawValue) -> Option<String> {
    let segments: Option<Vec<_>> = elements(raw)?.into_iter().map(scalar).collect();
    let segments = segments.filter(|segments| !segments.is_empty())?;
    Some(
        segments
            .iter()
            .fold(String::new(), |path, segment| path + "/" + segment),
    )
}

/// What a pointer's own words say about the type: `/input/user` and `/input/user/id` are both a `user`.
fn kind_of(pointer: &str) -> String {
    let mut segments = pointer.rsplit('/').filter(|segment| !segment.is_empty());
    let last = segments.next().unwrap_or(UNMAPPED);
    let said = if IDS.contains(&last) {
        segments.next().unwrap_or(last)
    } else {
        last
    };
    said.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(event: &str, read: impl Fn(&Document<'_>) -> T) -> T {
        read(&Document::new(serde_json::from_str(event).unwrap()))
    }

    fn actor_of(event: &str, bound: Option<&str>) -> Option<(String, String, String)> {
        let told = |found: Found<Named<'_>>| (found.value.kind.into_owned(), found.value.id.into_owned(), found.by);
        with(event, |event| actor(event, bound).map(told))
    }

    fn some(kind: &str, id: &str, by: &str) -> Option<(String, String, String)> {
        Some((kind.to_owned(), id.to_owned(), by.to_owned()))
    }

    #[test]
    fn an_actor_is_a_string_a_number_or_an_object_that_names_itself() {
        assert_eq!(
            actor_of(r#"{"input":{"user":"alice"}}"#, None),
            some("user", "alice", "/input/user")
        );
        assert_eq!(
            actor_of(r#"{"input":{"user_id":17}}"#, None),
            some("user", "17", "/input/user_id")
        );
        let authzen = r#"{"input":{"subject":{"type":"service","id":"s1","properties":{}}}}"#;
        assert_eq!(actor_of(authzen, None), some("service", "s1", "/input/subject"));
        // An object without a name of its own is passed over.
        let nameless = r#"{"input":{"subject":{"roles":["admin"]},"user":"bob"}}"#;
        assert_eq!(actor_of(nameless, None), some("user", "bob", "/input/user"));
        assert_eq!(actor_of(r#"{"input":{"user":" "}}"#, None), None);
        assert_eq!(actor_of(r#"{"input":{"user":true}}"#, None), None);
    }

    #[test]
    fn a_bound_pointer_is_the_only_one_tried() {
        let event = r#"{"input":{"user":"alice","who":{"account":{"id":"a-1"}}}}"#;
        assert_eq!(
            actor_of(event, Some("/input/who/account/id")),
            some("account", "a-1", "/input/who/account/id")
        );
        assert_eq!(actor_of(event, Some("/input/nobody")), None);
    }

    #[test]
    fn a_path_is_joined() {
        let resource_of = |event: &str| with(event, |event| resource(event, None).map(|f| f.value.id.into_owned()));
        assert_eq!(
            resource_of(r#"{"input":{"path":["salary","bob"]}}"#).as_deref(),
            Some("/salary/bob")
        );
        assert_eq!(resource_of(r#"{"input":{"path":[]}}"#), None);
    }
}
