//! The fields of one object, taken by name. What nobody takes is unknown, and ignored.

use std::borrow::Cow;

use super::{Node, Read};
use crate::{Rejection, rule};

/// The fields of an object that is being interpreted.
pub(crate) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, Node<'a>)>);

impl<'a> Fields<'a> {
    /// Fields that were read elsewhere.
    pub(crate) fn of(fields: impl IntoIterator<Item = (&'static str, Node<'a>)>) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(name, node)| (Cow::Borrowed(name), node))
                .collect(),
        )
    }

    /// Takes a field; `None` when it is absent or null (E6).
    ///
    /// # Errors
    /// `duplicate_key` when the object holds it twice.
    fn take(&mut self, name: &str) -> Read<Option<Node<'a>>> {
        let mut found: Option<Node<'a>> = None;
        for (key, node) in &mut self.0 {
            if key == name {
                if found.is_some() {
                    return Err(Rejection::new(rule::DUPLICATE_KEY, "the key is there twice").under(name));
                }
                found = Some(std::mem::replace(node, Node::Null));
            }
        }
        Ok(found.filter(|node| !node.is_null()))
    }

    /// An optional field, read by `read`.
    ///
    /// # Errors
    /// Those of `read`, with the field named.
    pub(crate) fn get<T>(&mut self, name: &str, read: impl FnOnce(Node<'a>) -> Read<T>) -> Read<Option<T>> {
        self.take(name)?
            .map(read)
            .transpose()
            .map_err(|rejection| rejection.under(name))
    }

    /// A required field, read by `read`.
    ///
    /// # Errors
    /// `missing_field`, and those of `read`, with the field named.
    pub(crate) fn need<T>(&mut self, name: &str, read: impl FnOnce(Node<'a>) -> Read<T>) -> Read<T> {
        self.get(name, read)?
            .ok_or_else(|| Rejection::new(rule::MISSING_FIELD, format!("the field `{name}` is required")).under(name))
    }

    /// Is this field there and not null? Looks only.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, node)| key == name && !node.is_null())
    }
}
