//! A schema that refers to others, made whole: each type that it names and does not define is put where it is first named.
//!
//! A registry keeps such schemas apart and says which others one refers to; evidence is decoded by one text, which has to
//! say everything by itself. Nothing else is changed: names, logical types and the order of fields stay as written, so
//! that the canonical form is that of the schema its writer had.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::InvalidSchema;

/// How large a schema may be with all that it refers to. A few types that each name the next twice stay small here, since
/// each type is put in once.
const MOST: usize = 1 << 20;
/// How deep types may stand within each other.
const DEEPEST: usize = 64;

/// `json` with the types of `others` that it refers to.
///
/// # Errors
/// [`InvalidSchema`] for what is no JSON, too deep or too large. A name that nobody defines is left: the parser says so.
pub(crate) fn whole(json: &str, others: &[String]) -> Result<String, InvalidSchema> {
    let mut types = Types::default();
    for other in others {
        types.collect(&read(other)?, "", 0)?;
    }
    let mut schema = read(json)?;
    // What it defines itself stays where it is.
    let mut own = Types::default();
    own.collect(&schema, "", 0)?;
    types.placed.extend(own.found.into_keys());
    types.place(&mut schema, "", 0)?;
    let text = schema.to_string();
    if text.len() > MOST {
        return Err(InvalidSchema::TooLarge { most: MOST });
    }
    Ok(text)
}

fn read(json: &str) -> Result<Value, InvalidSchema> {
    match serde_json::from_str(json) {
        Ok(value) => Ok(value),
        // The name of a type by itself, as some registries keep it.
        Err(_) if is_name(json.trim()) => Ok(Value::String(json.trim().to_owned())),
        Err(error) => Err(InvalidSchema::Syntax(error.to_string())),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Types by their full names.
#[derive(Default)]
struct Types {
    /// As written, but under their full names.
    found: HashMap<String, Value>,
    /// Those that stand in the schema already, or will.
    placed: HashSet<String>,
}

impl Types {
    /// Takes note of every type that a schema defines.
    fn collect(&mut self, schema: &Value, namespace: &str, depth: usize) -> Result<(), InvalidSchema> {
        check(depth)?;
        match schema {
            Value::Array(branches) => branches
                .iter()
                .try_for_each(|branch| self.collect(branch, namespace, depth + 1)),
            Value::Object(object) => {
                let (name, inner) = names(object, namespace);
                if let Some(name) = name {
                    let mut under_full_name = object.clone();
                    let (space, short) = name.rsplit_once('.').unwrap_or(("", &name));
                    under_full_name.insert("name".to_owned(), short.into());
                    under_full_name.insert("namespace".to_owned(), space.into());
                    self.found.entry(name).or_insert(Value::Object(under_full_name));
                }
                parts(object).try_for_each(|part| self.collect(part, &inner, depth + 1))
            }
            _ => Ok(()),
        }
    }

    /// Puts types where they are first named.
    fn place(&mut self, schema: &mut Value, namespace: &str, depth: usize) -> Result<(), InvalidSchema> {
        check(depth)?;
        match schema {
            Value::String(name) => {
                let full = full_name(name, namespace);
                // An unqualified name that its namespace does not have is one without a namespace.
                let full = if self.found.contains_key(&full) {
                    full
                } else {
                    name.clone()
                };
                if let Some(found) = self.found.get(&full) {
                    if self.placed.insert(full.clone()) {
                        let mut found = found.clone();
                        self.place(&mut found, "", depth + 1)?;
                        *schema = found;
                    } else if full.contains('.') || namespace.is_empty() {
                        *name = full;
                    } else {
                        // Without a namespace, named from within one.
                        *name = format!(".{full}");
                    }
                }
                Ok(())
            }
            Value::Array(branches) => branches
                .iter_mut()
                .try_for_each(|branch| self.place(branch, namespace, depth + 1)),
            Value::Object(object) => {
                let (_, inner) = names(object, namespace);
                if let Some(fields) = object.get_mut("fields").and_then(Value::as_array_mut) {
                    for of in fields.iter_mut().filter_map(|field| field.get_mut("type")) {
                        self.place(of, &inner, depth + 1)?;
                    }
                }
                for part in ["items", "values"] {
                    if let Some(of) = object.get_mut(part) {
                        self.place(of, &inner, depth + 1)?;
                    }
                }
                match object.get_mut("type") {
                    Some(of) if !is_keyword(of) => self.place(of, &inner, depth + 1),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

fn check(depth: usize) -> Result<(), InvalidSchema> {
    if depth > DEEPEST {
        return Err(InvalidSchema::Syntax(format!(
            "types stand deeper than {DEEPEST} in each other"
        )));
    }
    Ok(())
}

/// The full name of the type that an object defines, if it defines one, and the namespace within it.
fn names(object: &Map<String, Value>, namespace: &str) -> (Option<String>, String) {
    let text = |member| object.get(member).and_then(Value::as_str);
    let defines = matches!(text("type"), Some("record" | "error" | "enum" | "fixed"));
    let Some(name) = text("name").filter(|_| defines) else {
        return (None, namespace.to_owned());
    };
    let full = full_name(name, text("namespace").unwrap_or(namespace));
    let inner = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
    (Some(full), inner)
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.trim_start_matches('.').to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

/// The schemas within a schema.
fn parts(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let fields = object.get("fields").and_then(Value::as_array);
    let fields = fields.into_iter().flatten().filter_map(|field| field.get("type"));
    let others = ["items", "values", "type"]
        .into_iter()
        .filter_map(|part| object.get(part));
    fields.chain(others.filter(|part| !is_keyword(part)))
}

/// A `type` that says what an object is, and names none.
fn is_keyword(of: &Value) -> bool {
    let known = [
        "record", "error", "enum", "fixed", "array", "map", "null", "boolean", "int", "long", "float", "double",
        "bytes", "string",
    ];
    of.as_str().is_some_and(|of| known.contains(&of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WriterSchema;

    const TREE: &str = r#"{"type": "record", "name": "Tree", "namespace": "a.b", "fields": [
        {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "leaf", "type": "Leaf"}, {"name": "more", "type": {"type": "array", "items": "Tree"}}]}"#;
    const LEAF: &str = r#"{"type": "enum", "name": "a.b.Leaf", "symbols": ["x"]}"#;

    fn parse(json: &str, others: &[&str]) -> Result<WriterSchema, InvalidSchema> {
        let others: Vec<_> = others.iter().map(|other| (*other).to_owned()).collect();
        WriterSchema::parse_with(json, &others)
    }

    #[test]
    fn types_stand_where_they_are_first_named_and_the_schema_is_the_same_as_in_one_piece() {
        let root = r#"{"type": "record", "name": "Root", "namespace": "c", "fields": [
            {"name": "one", "type": ["null", "a.b.Tree"]}, {"name": "two", "type": "a.b.Tree"},
            {"name": "three", "type": {"type": "map", "values": "a.b.Leaf"}}]}"#;
        let found = parse(root, &[LEAF, TREE]).unwrap();
        let in_one_piece = r#"{"type": "record", "name": "Root", "namespace": "c", "fields": [
            {"name": "one", "type": ["null", {"type": "record", "name": "a.b.Tree", "fields": [
                {"name": "seen", "type": {"type": "long", "logicalType": "timestamp-micros"}},
                {"name": "leaf", "type": {"type": "enum", "name": "a.b.Leaf", "symbols": ["x"]}},
                {"name": "more", "type": {"type": "array", "items": "a.b.Tree"}}]}]},
            {"name": "two", "type": "a.b.Tree"}, {"name": "three", "type": {"type": "map", "values": "a.b.Leaf"}}]}"#;
        let whole = WriterSchema::parse(in_one_piece).unwrap();
        assert_eq!(found.fingerprint(), whole.fingerprint());
        assert_eq!(found.compiled(), whole.compiled(), "logical types included");
        // It says everything by itself.
        assert_eq!(WriterSchema::parse(found.json()).unwrap().compiled(), whole.compiled());
    }

    #[test]
    fn a_type_without_a_namespace_is_found_from_within_one() {
        let plain = r#"{"type": "fixed", "name": "Plain", "size": 2}"#;
        let root = r#"{"type": "record", "name": "c.Root", "fields": [
            {"name": "one", "type": "Plain"}, {"name": "two", "type": {"type": "Plain"}}]}"#;
        let found = parse(root, &[plain]);
        assert!(found.is_ok(), "{found:?}");
        // A union of references is a schema, too, and one name by itself.
        assert!(parse(r#"["null", "Plain"]"#, &[plain]).is_ok());
        assert!(parse("Plain", &[plain]).is_ok());
    }

    #[test]
    fn what_nobody_defines_and_what_is_too_deep_is_refused() {
        let root = r#"{"type": "record", "name": "Root", "fields": [{"name": "one", "type": "Nowhere"}]}"#;
        assert!(parse(root, &[LEAF]).is_err());
        let deep = format!("{}{}", r#"{"type": "array", "items": "#.repeat(100), "\"int\"");
        let deep = deep + &"}".repeat(100);
        assert!(matches!(parse(&deep, &[LEAF]), Err(InvalidSchema::Syntax(_))));
        assert!(parse("{", &[LEAF]).is_err());
    }

    #[test]
    fn a_schema_of_another_language_says_so_after_it_was_archived_as_well() {
        let schema = WriterSchema::unsupported("PROTOBUF");
        let again = WriterSchema::parse(schema.json()).unwrap();
        assert_eq!(again.fingerprint(), schema.fingerprint());
        for schema in [schema, again] {
            let why = schema.event(b"").unwrap_err();
            assert_eq!(why.rule, crate::rule::UNSUPPORTED_SCHEMA);
            assert!(why.detail.contains("PROTOBUF"), "{why}");
        }
    }
}
