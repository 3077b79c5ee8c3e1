//! Trace and span ids as what they are: 16 and 8 bytes. Their hex digits have no case, and tracing systems write them in
//! several ways; evidence keeps what was received, and ids are indexed and compared by one normal form.

use std::borrow::Cow;

use crate::TraceId;

impl TraceId {
    /// The form by which trace ids are compared: 32 lower-case hex digits, of whichever way of writing them:
    ///
    /// | written | where |
    /// |---|---|
    /// | 32 hex digits of either case | W3C, OpenTelemetry |
    /// | 16 hex digits: the other half is zero | B3, Zipkin, Jaeger |
    /// | `00-{trace}-{span}-01` | W3C `traceparent`, whole |
    /// | 8-4-4-4-12 hex digits | as a UUID |
    /// | `1-{8}-{24}` hex digits | AWS X-Ray |
    ///
    /// Whatever else an emitter calls a trace is compared as it stands.
    pub fn normal_form(text: &str) -> Cow<'_, str> {
        let mut parts = [""; 5];
        for (count, part) in text.split('-').enumerate() {
            match parts.get_mut(count) {
                Some(place) if is_hex(part) => *place = part,
                _ => return Cow::Borrowed(text),
            }
        }
        let lengths = parts.map(str::len);
        match (lengths, parts) {
            ([32, 0, 0, 0, 0], [id, ..]) => lower(id),
            ([16, 0, 0, 0, 0], [half, ..]) => Cow::Owned(format!("{:0>32}", half.to_ascii_lowercase())),
            ([2, 32, 16, 2, 0], [_, id, ..]) => lower(id),
            ([8, 4, 4, 4, 12], _) => Cow::Owned(parts.concat().to_ascii_lowercase()),
            ([1, 8, 24, 0, 0], ["1", time, rest, ..]) => Cow::Owned(format!("{time}{rest}").to_ascii_lowercase()),
            _ => Cow::Borrowed(text),
        }
    }

    /// Do two texts name one trace?
    pub fn same(one: &str, other: &str) -> bool {
        one == other || Self::normal_form(one) == Self::normal_form(other)
    }
}

/// The form by which span ids are compared: 16 lower-case hex digits, also of a W3C `traceparent`, whole. Whatever else an
/// emitter calls a span is compared as it stands.
pub fn normal_span(text: &str) -> Cow<'_, str> {
    let parts: Vec<&str> = text.split('-').take(5).collect();
    match parts.as_slice() {
        [id] if id.len() == 16 && is_hex(id) => lower(id),
        [version, trace, id, flags]
            if [version, trace, id, flags].map(|part| part.len()) == [2, 32, 16, 2]
                && parts.iter().all(|part| is_hex(part)) =>
        {
            lower(id)
        }
        _ => Cow::Borrowed(text),
    }
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "9c1f0b7a64d84e2ab3350d1e2f3a4b5c";

    #[test]
    fn every_way_of_writing_a_trace_is_one() {
        for written in [
            TRACE,
            "9C1F0B7A64D84E2AB3350D1E2F3A4B5C",
            "9c1f0b7a-64d8-4e2a-b335-0d1e2f3a4b5c",
            "9C1F0B7A-64D8-4E2A-B335-0D1E2F3A4B5C",
            "00-9c1f0b7a64d84e2ab3350d1e2f3a4b5c-00F067AA0BA902B7-01",
            "1-9c1f0b7a-64d84e2ab3350d1e2f3a4b5c",
        ] {
            assert_eq!(TraceId::normal_form(written), TRACE, "{written}");
            assert!(TraceId::same(written, TRACE));
        }
        assert_eq!(
            TraceId::normal_form("00F067AA0BA902B7"),
            "000000000000000000f067aa0ba902b7"
        );
        assert!(matches!(TraceId::normal_form(TRACE), Cow::Borrowed(_)));
    }

    #[test]
    fn other_names_are_compared_as_they_stand() {
        for name in [
            "",
            "-",
            "Trace-7",
            "ABC",
            "9C1F0B7A64D84E2AB3350D1E2F3A4B5",
            "9C1F0B7A64D84E2AB3350D1E2F3A4B5CA",
            "9C1F0B7A64D84E2AB3350D1E2F3A4B5G",
            "2-9C1F0B7A-64D84E2AB3350D1E2F3A4B5C",
            "A-B-C-D-E-F",
            "9C1F0B7A--64D8-4E2A-B3350D1E2F3A4B5C",
            "\u{ff19}\u{ff23}",
        ] {
            assert_eq!(TraceId::normal_form(name), name);
            assert_eq!(normal_span(name), name);
        }
    }

    #[test]
    fn a_span_has_no_case_either() {
        for written in [
            "00f067aa0ba902b7",
            "00F067AA0BA902B7",
            "00-9C1F0B7A64D84E2AB3350D1E2F3A4B5C-00F067aa0ba902b7-01",
        ] {
            assert_eq!(normal_span(written), "00f067aa0ba902b7", "{written}");
        }
    }
}
