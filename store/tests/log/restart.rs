//! What is checked at open: an older database, another history, another key, a second process.

use uuid::Uuid;
use verdict_store::{OpenError, Options, Store, audit};

use crate::events::{append, assert_clean, heads, incoming, options};
use crate::images::copy;

fn replace(dir: &std::path::Path, by: &std::path::Path) {
    std::fs::remove_dir_all(dir).unwrap();
    copy(by, dir);
}

#[test]
fn an_older_copy_of_the_database_is_refused_until_heads_is_moved_away() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path(), options()).unwrap();
    append(&store, vec![incoming("acme", Uuid::now_v7(), 0)]).unwrap();
    store.close().unwrap();
    copy(&dir.path().join("db"), old.path());
    let store = Store::open(dir.path(), options()).unwrap();
    append(&store, vec![incoming("acme", Uuid::now_v7(), 1)]).unwrap();
    store.close().unwrap();

    replace(&dir.path().join("db"), old.path());
    let refused = Store::open(dir.path(), options()).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::BehindHeads {
                found: 1,
                published: 2,
                ..
            }
        ),
        "{refused}"
    );
    assert!(!audit(dir.path(), &options()).unwrap().is_clean());
    std::fs::rename(dir.path().join("heads"), dir.path().join("heads.old")).unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(heads(&store)[0].1, 1);
    drop(store);
    assert_clean(dir.path());
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(dir.path(), options()).unwrap();
    append(&store, vec![incoming("acme", Uuid::now_v7(), 0)]).unwrap();
    store.close().unwrap();
    copy(dir.path(), old.path());
    for (place, value) in [(dir.path(), 1), (old.path(), 2)] {
        let store = Store::open(place, options()).unwrap();
        append(&store, vec![incoming("acme", Uuid::now_v7(), value)]).unwrap();
        store.close().unwrap();
    }
    replace(&dir.path().join("db"), &old.path().join("db"));
    let refused = Store::open(dir.path(), options()).unwrap_err();
    assert!(matches!(refused, OpenError::OtherRoot { size: 2, .. }), "{refused}");
}

#[test]
fn what_does_not_belong_to_the_store_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    append(&store, vec![incoming("acme", Uuid::now_v7(), 0)]).unwrap();
    let second = Store::open(dir.path(), options()).unwrap_err();
    assert!(matches!(second, OpenError::Locked(_)), "{second}");
    // Beside a store that is open, the audit sees the moment it was started.
    assert_clean(dir.path());
    store.close().unwrap();

    let other_key = Options {
        salt_key: Some([1; 32]),
        ..options()
    };
    let refused = Store::open(dir.path(), other_key).unwrap_err();
    assert!(
        matches!(&refused, OpenError::SaltKey(text) if text.contains("salt.key")),
        "{refused}"
    );

    let other = tempfile::tempdir().unwrap();
    Store::open(other.path(), options()).unwrap().close().unwrap();
    std::fs::copy(other.path().join("heads"), dir.path().join("heads")).unwrap();
    let refused = Store::open(dir.path(), options()).unwrap_err();
    assert!(matches!(refused, OpenError::Heads { .. }), "{refused}");
    std::fs::write(dir.path().join("heads"), "{").unwrap();
    assert!(matches!(
        Store::open(dir.path(), options()),
        Err(OpenError::Heads { .. })
    ));
    assert!(matches!(
        Store::open(
            dir.path(),
            Options {
                memory_bytes: 1,
                ..options()
            }
        ),
        Err(OpenError::Options(_))
    ));
}
