//! The headers of a record, as they are.
//!
//! Kafka does not say that the name of a header is UTF-8, and any producer may send one that is not; rdkafka's own reader
//! panics on it, which would end the reading of the topic for ever. So they are taken from librdkafka itself: the one place
//! of this project that is not safe Rust.

use std::ffi::CStr;
use std::fmt::Write as _;
use std::ptr;

use bytes::Bytes;
use rdkafka::bindings;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;

/// The headers of a record, in their order. Bytes of a name that are no UTF-8 stand as `\xHH`, so that none is lost.
pub(super) fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Option<Bytes>)> {
    let mut all = Vec::new();
    while let Some((name, value)) = header(message, all.len()) {
        all.push((shown(name), value.map(Bytes::copy_from_slice)));
    }
    all
}

/// The name and value of the header at `index`; `None` behind the last.
#[expect(unsafe_code, reason = "rdkafka panics on a name that is not UTF-8")]
fn header<'m>(message: &'m BorrowedMessage<'_>, index: usize) -> Option<(&'m [u8], Option<&'m [u8]>)> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive as long as it is borrowed, and owns its headers, which nothing changes after they are
    // parsed here for the first time; a message is used by one thread.
    let found = unsafe { bindings::rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
    // SAFETY: `headers` is what the call above gave, and an index past the end is an error.
    let found =
        unsafe { bindings::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size) };
    if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
        return None;
    }
    // SAFETY: librdkafka ends names with a zero byte, and says how many bytes a value has; both live as the message does.
    unsafe {
        let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
        Some((CStr::from_ptr(name).to_bytes(), value))
    }
}

fn shown(name: &[u8]) -> String {
    let mut shown = String::with_capacity(name.len());
    for part in name.utf8_chunks() {
        shown.push_str(part.valid());
        for byte in part.invalid() {
            // Writing into a string does not fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_is_shown_byte_by_byte_where_it_is_none() {
        assert_eq!(shown("café".as_bytes()), "café");
        assert_eq!(shown(b"caf\xe9-\xff\xfe"), "caf\\xe9-\\xff\\xfe");
        assert_eq!(shown(b""), "");
    }
}
