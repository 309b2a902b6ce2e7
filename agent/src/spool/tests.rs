use super::*;

fn keys() -> Keys {
    Keys::generate(Timestamp::from_millis(1))
}

fn head() -> ExportHead {
    ExportHead {
        name: "BN Nguyễn.xml".into(),
        source: "his".into(),
        received_at: Timestamp::from_millis(1),
    }
}

fn received(spool: &Spool, bytes: &[u8]) -> ExportId {
    spool.receive(&head(), bytes).unwrap().keep().unwrap()
}

#[test]
fn an_export_comes_back_byte_for_byte_under_the_digest_of_its_bytes() {
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    let export = received(&spool, b"<a>\r\n</a>");
    assert_eq!(spool.export_bytes(export).unwrap(), b"<a>\r\n</a>");
    assert_eq!(spool.export(export).unwrap().0, head());
}

#[test]
fn what_the_system_refuses_may_pass_and_what_lies_on_the_disk_does_not() {
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    let missing = spool.export_bytes(ExportId::from_bytes([1; 32])).unwrap_err();
    assert!(!missing.may_pass(), "{missing}");
    let huge = spool.receive(&head(), io::repeat(b' ').take(MAX_CLAIM + 1)).unwrap();
    let huge = spool.export_bytes(huge.keep().unwrap()).unwrap_err();
    assert!(matches!(huge, Error::TooLarge { .. }) && !huge.may_pass(), "{huge}");
    let too_many_open = io_error("open", Path::new("in"))(io::Error::from_raw_os_error(24));
    assert!(too_many_open.may_pass());
}

#[test]
fn no_file_name_tells_the_exports_name() {
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    received(&spool, b"x");
    for entry in fs::read_dir(state.path().join("spool/in")).unwrap() {
        assert!(
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .chars()
                .all(|c| c.is_ascii_hexdigit())
        );
    }
}

#[test]
fn a_source_that_fails_half_way_leaves_nothing() {
    struct Half(bool);
    impl Read for Half {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("the share is gone"));
            }
            buffer[..3].copy_from_slice(b"abc");
            Ok(3)
        }
    }
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    assert!(matches!(spool.receive(&head(), Half(false)), Err(Error::Source(_))));
    for folder in ["in", "tmp"] {
        assert_eq!(
            fs::read_dir(state.path().join("spool").join(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }
}

#[test]
fn leftovers_of_an_interrupted_write_are_removed_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    drop(spool.receive(&head(), &b"cut"[..]).unwrap());
    assert_eq!(fs::read_dir(state.path().join("spool/tmp")).unwrap().count(), 1);
    Spool::open(state.path(), keys()).unwrap();
    assert_eq!(fs::read_dir(state.path().join("spool/tmp")).unwrap().count(), 0);
}

#[test]
fn a_changed_byte_is_noticed() {
    let state = tempfile::tempdir().unwrap();
    let spool = Spool::open(state.path(), keys()).unwrap();
    let export = received(&spool, &[b'x'; 1000]);
    let path = state.path().join("spool/in").join(export.to_string());
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 0x55;
    fs::write(&path, bytes).unwrap();
    assert!(spool.export_bytes(export).is_err());
}
