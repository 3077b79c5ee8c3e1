//! Every form of an upload, whole and broken.

use super::*;

/// Line, element, bytes, and whether it is broken.
type Told = (Option<usize>, Option<usize>, String, bool);

fn taken(body: &str, most: usize) -> Vec<Told> {
    pieces(&Bytes::from(body.to_owned()), most)
        .into_iter()
        .map(|piece| {
            let text = String::from_utf8(piece.bytes.to_vec()).unwrap();
            (piece.at.line, piece.at.element, text, piece.broken.is_some())
        })
        .collect()
}

fn good(line: impl Into<Option<usize>>, element: impl Into<Option<usize>>, text: &str) -> Told {
    (line.into(), element.into(), text.to_owned(), false)
}

fn bad(line: impl Into<Option<usize>>, element: impl Into<Option<usize>>, text: &str) -> Told {
    (line.into(), element.into(), text.to_owned(), true)
}

#[test]
fn arrays_lines_single_objects_and_objects_end_to_end_are_taken_apart() {
    let (one, two) = (r#"{"a":1}"#, r#"{"a": "}\n{"}"#);
    let cases = [
        (
            format!("[{one},\n {two}]"),
            vec![good(None, 1, one), good(None, 2, two)],
        ),
        (format!("{one}\n"), vec![good(1, None, &format!("{one}\n"))]),
        (
            format!("{one}\n\r\n{two}\r\n"),
            vec![good(1, None, one), good(3, None, two)],
        ),
        (format!("{one}{two}"), vec![good(1, None, one), good(1, None, two)]),
        (
            format!("\u{feff}{one}\n{one}"),
            vec![good(1, None, one), good(2, None, one)],
        ),
        (
            format!("\u{1e}{one}\n\u{1e}{two}\n"),
            vec![good(1, None, one), good(2, None, two)],
        ),
        (
            format!("[{one}]\n[{two},{one}]"),
            vec![good(1, 1, one), good(2, 1, two), good(2, 2, one)],
        ),
        (
            "{\n \"a\": 1\n}\n{\n}".to_owned(),
            vec![good(1, None, "{\n \"a\": 1\n}"), good(4, None, "{\n}")],
        ),
        ("[]".to_owned(), vec![]),
    ];
    for (body, expected) in cases {
        assert_eq!(taken(&body, 9), expected, "{body}");
    }
}

#[test]
fn what_is_broken_is_a_piece_of_its_own_and_nothing_else_is_lost() {
    let one = r#"{"labels":{}}"#;
    let cases = [
        (
            format!("{one}\n{{\"a\":\n{one}\nno json\nnor this\n{one}"),
            vec![
                good(1, None, one),
                bad(2, None, "{\"a\":"),
                good(3, None, one),
                bad(4, None, "no json"),
                bad(5, None, "nor this"),
                good(6, None, one),
            ],
        ),
        // The lines of a broken value, up to a report however it is indented.
        (
            format!("{{\n  \"a\": ?\n}}\n{one}"),
            vec![bad(1, None, "{\n  \"a\": ?\n}"), good(4, None, one)],
        ),
        (
            format!("{{\"a\":\n  {one}\n"),
            vec![bad(1, None, "{\"a\":"), good(2, None, one)],
        ),
        // Elements of an array, on one line and on several.
        (
            format!("[{one},{{\"a\":[tru]}},17,{one}]"),
            vec![
                good(1, 1, one),
                bad(1, 2, "{\"a\":[tru]}"),
                good(1, 3, "17"),
                good(1, 4, one),
            ],
        ),
        (
            format!("[{one},\nnope,\n{one}]\n{one}"),
            vec![good(1, 1, one), bad(2, 2, "nope"), good(3, 3, one), good(4, None, one)],
        ),
        (
            format!("[{one},{{\"a\":\n{one}"),
            vec![good(1, 1, one), bad(1, 2, "{\"a\":"), good(2, 3, one), bad(2, 4, one)],
        ),
        // Broken off.
        (
            format!("[{one},{{\"labels\":{{\"id"),
            vec![good(1, 1, one), bad(1, 2, "{\"labels\":{\"id")],
        ),
        (
            format!("[{one},{one}"),
            vec![good(1, 1, one), good(1, 2, one), bad(1, 3, one)],
        ),
        ("[info] started".to_owned(), vec![bad(1, None, "[info] started")]),
        ("".to_owned(), vec![bad(None, None, "")]),
    ];
    for (body, expected) in cases {
        assert_eq!(taken(&body, 9), expected, "{body}");
    }
}

#[test]
fn behind_the_most_that_are_taken_the_rest_is_one_piece() {
    assert_eq!(
        taken("[1,2,3,4]", 2),
        [good(1, 1, "1"), good(1, 2, "2"), bad(1, 3, "3,4]")]
    );
    assert_eq!(
        taken("1\n2\n3\n4", 2),
        [good(1, None, "1"), good(2, None, "2"), bad(3, None, "3\n4")]
    );
    assert_eq!(taken("[1,2]\n[3,4]", 3).len(), 4);
}

/// Every byte would be read once for every line before it.
#[test]
fn an_upload_that_is_broken_on_every_line_does_not_take_for_ever() {
    let body = "{\"a\":\n".repeat(200_000);
    let all = taken(&body, usize::MAX);
    let kept: usize = all.iter().map(|(_, _, text, _)| text.len()).sum();
    assert!(
        all.iter().all(|(.., broken)| *broken) && all.len() < 100,
        "{}",
        all.len()
    );
    assert!(
        kept + all.len() >= body.len(),
        "nothing is lost: {kept} of {}",
        body.len()
    );
}
