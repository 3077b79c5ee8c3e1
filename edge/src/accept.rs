//! The form of an answer that a request accepts.

use axum::http::{HeaderMap, header};

/// The form asked for. Whatever has no other form is JSON: nobody is hurt by that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accept {
    /// One JSON document.
    Json,
    /// Of a list: NDJSON.
    Lines,
    /// Of one record: its bytes as received.
    Bytes,
}

impl Accept {
    /// Reads `Accept`: NDJSON or bytes if they are named, and not after `application/json`.
    pub fn of(headers: &HeaderMap) -> Self {
        let named = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let first = named.flat_map(|value| value.split(',')).find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let refused = |parameter: &str| {
                parameter
                    .strip_prefix("q=")
                    .and_then(|q| q.parse::<f32>().ok())
                    .is_some_and(|q| q <= 0.0)
            };
            match parts.next()?.to_ascii_lowercase().as_str() {
                "application/x-ndjson" | "application/ndjson" if !parts.any(refused) => Some(Self::Lines),
                "application/octet-stream" if !parts.any(refused) => Some(Self::Bytes),
                "application/json" => Some(Self::Json),
                _ => None,
            }
        });
        first.unwrap_or(Self::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ndjson_is_given_to_whom_asks_for_it() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            Accept::of(&headers)
        };
        for lines in [
            "application/x-ndjson",
            "text/html, application/x-ndjson;q=0.9",
            "Application/NDJSON",
        ] {
            assert_eq!(of(lines), Accept::Lines, "{lines}");
        }
        for bytes in ["application/octet-stream", "application/octet-stream, application/json"] {
            assert_eq!(of(bytes), Accept::Bytes, "{bytes}");
        }
        for json in [
            "*/*",
            "application/octet-stream;q=0",
            "application/json, application/x-ndjson",
            "application/x-ndjson;q=0",
            "",
        ] {
            assert_eq!(of(json), Accept::Json, "{json}");
        }
        assert_eq!(Accept::of(&HeaderMap::new()), Accept::Json);
    }
}
