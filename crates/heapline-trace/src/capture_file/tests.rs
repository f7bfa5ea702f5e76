//! Tests of making the file.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{CaptureFile, allocate_in_memory};

const RECORDERS: usize = 4;
const ROUNDS: usize = 100;

/// An empty file of the first name that nobody has, as those who choose a name for a capture make one.
fn reserve(directory: &Path) -> PathBuf {
    (0..)
        .map(|number| directory.join(format!("{number}.heapline")))
        .find(|path| File::options().write(true).create_new(true).mode(0o600).open(path).is_ok())
        .expect("a free name")
}

#[test]
fn reserved_names_are_kept_while_others_look_for_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let inodes: Vec<u64> = std::thread::scope(|scope| {
        let recorders: Vec<_> = (0..RECORDERS)
            .map(|_| {
                scope.spawn(|| {
                    let files: Vec<CaptureFile> = (0..ROUNDS)
                        .map(|_| CaptureFile::create(&reserve(directory.path())).expect("the name is ours"))
                        .collect();
                    assert!(files.iter().all(CaptureFile::is_in_place));
                    files.iter().map(|file| file.inode).collect::<Vec<u64>>()
                })
            })
            .collect();
        recorders.into_iter().flat_map(|recorder| recorder.join().expect("no panic")).collect()
    });
    assert_eq!(inodes.iter().collect::<BTreeSet<_>>().len(), RECORDERS * ROUNDS);
}

#[test]
fn empty_files_that_others_may_read_are_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("open");
    let before = File::create(&path).expect("a file");
    before.set_permissions(PermissionsExt::from_mode(0o644)).expect("it is ours");
    let file = CaptureFile::create(&path).expect("an empty file may be replaced");
    assert_ne!(file.inode, before.metadata().expect("it is open").ino());
    assert_eq!(std::fs::metadata(&path).expect("it is there").mode() & 0o777, 0o600);
}

#[test]
fn an_extent_is_zeros_and_changes_nothing_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("extents");
    std::fs::write(&path, [7; 4096]).expect("room");
    let file = File::options().write(true).open(&path).expect("it is there");
    // Less than a piece, pieces and a part, more than one call writes.
    let mut end = 4096;
    for bytes in [100, (16 << 10) + 1, (600 << 10) + 5] {
        allocate_in_memory(file.as_raw_fd(), end, bytes).expect("room");
        end += bytes as u64;
    }
    let content = std::fs::read(&path).expect("it is there");
    assert_eq!(content.len() as u64, end);
    assert!(content[..4096].iter().all(|byte| *byte == 7) && content[4096..].iter().all(|byte| *byte == 0));
}
