//! Tests of reading pickles: nothing but data comes of them, and any bytes give an answer.

use proptest::prelude::*;

use super::*;

fn error(bytes: &[u8]) -> String {
    read(bytes).expect_err("no pickle of a snapshot").to_string()
}

#[test]
fn values_and_what_holds_them() {
    // pickletools.optimize(pickle.dumps([(1, -2, "ä"), 300, 70000, 1 << 40, {"a": None}], 4))
    let bytes = b"\x80\x04](K\x01J\xfe\xff\xff\xff\x8c\x02\xc3\xa4\x87M,\x01Jp\x11\x01\x00\
        \x8a\x06\x00\x00\x00\x00\x00\x01}\x8c\x01aNse.";
    let pickle = read(bytes).expect("a pickle");
    let items = pickle.list(pickle.top).expect("a list");
    assert_eq!(items[1..4], [Value::Int(300), Value::Int(70000), Value::Int(1 << 40)]);
    let tuple = pickle.tuple(items[0]).expect("a tuple");
    assert_eq!(tuple[..2], [Value::Int(1), Value::Int(-2)]);
    assert_eq!(pickle.text(tuple[2]), Some("ä".as_bytes()));
    assert!(matches!(items[4], Value::Dict(_)));
    assert_eq!(pickle.tuple(items[1]), None);
}

#[test]
fn what_is_remembered_is_the_same_value() {
    // [t, t] with t = ("a",)
    let pickle = read(b"\x80\x05]\x94(\x8c\x01a\x94\x85\x94h\x02e.").expect("a pickle");
    let items = pickle.list(pickle.top).expect("a list");
    assert_eq!(items[0], items[1]);
    assert_eq!(items.len(), 2);
}

#[test]
fn no_name_but_those_of_a_snapshot_is_taken() {
    assert_eq!(
        error(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."),
        "not a tracemalloc snapshot: a pickle of posix.system"
    );
    assert_eq!(error(b"\x80\x02cos\nsystem\n."), "not a tracemalloc snapshot: a pickle of os.system");
    assert_eq!(error(b"\x80\x04Q."), "not a tracemalloc snapshot: a pickle of something else");
    // Snapshot(1), _reconstructor(Snapshot, Snapshot, None), BUILD of a number.
    for bytes in [
        &b"\x80\x04ctracemalloc\nSnapshot\nK\x01\x85\x81."[..],
        b"\x80\x04ccopyreg\n_reconstructor\nctracemalloc\nSnapshot\nctracemalloc\nSnapshot\nN\x87R.",
        b"\x80\x04K\x01K\x02b.",
        b"\x80\x04ctracemalloc\nSnapshot\n)R.",
    ] {
        assert!(error(bytes).starts_with("not a tracemalloc snapshot"), "{bytes:?}");
    }
}

#[test]
fn what_ends_early_is_truncated() {
    let whole = b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00](\x8c\x03abcK\x01e.";
    assert!(read(whole).is_ok());
    for length in 0..whole.len() {
        assert_eq!(error(&whole[..length]), "truncated: the pickle ends too early", "{length}");
    }
}

#[test]
fn wrong_indices_and_empty_stacks_are_errors() {
    for bytes in [
        &b"."[..],
        b"h\x00.",
        b"e",
        b"a",
        b"K\x01a",
        b"(e",
        b"]K\x01s.",
        b"u",
        b"\x85",
        b"\x93",
        b"K\x01K\x02\x93",
        b"\x81",
        b"R",
        b"b",
        b"\x94",
        b"K\x01r\xff\xff\xff\x7f.",
        b"K\x01(\x85e",
        b"](\x85e",
    ] {
        assert!(error(bytes).starts_with("not a tracemalloc snapshot"), "{bytes:?}");
    }
    let most = [&b"]".repeat(MOST_CONTAINERS + 1)[..], b"."].concat();
    assert!(error(&most).contains("something else"));
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(
        prop_oneof![any::<u8>(), proptest::sample::select(&b"()]}NK.tseuabRh\x85\x86\x87\x94\x93\x81\x8c\x80"[..])], 0..200)
    ) {
        let _ = read(&bytes);
    }
}
