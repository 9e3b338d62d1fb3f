use std::collections::VecDeque;
use std::io;
use std::sync::Barrier;

use super::*;
use crate::chain::Chain;
use crate::writer::Storage;
use crate::{entries, segments};

fn texts(path: &Path) -> Vec<String> {
    entries(path).unwrap().map(|entry| String::from_utf8(entry.unwrap()).unwrap()).collect()
}

fn all(folder: &Path) -> Vec<String> {
    segments(folder, "j").unwrap().iter().flat_map(|(_, path)| texts(path)).collect()
}

fn numbered(numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|number| format!("{{\"n\":{number}}}")).collect()
}

#[test]
fn entries_are_there_in_order_once_they_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, recovered) = Journal::open(folder.path(), "j").unwrap();
    assert_eq!(recovered, Recovered::default());
    for text in numbered(0..3) {
        assert_eq!(journal.append_and_wait(text.into_bytes()), Kept::Yes);
    }
    // Not after a close: while it is open.
    assert_eq!(all(folder.path()), numbered(0..3));
    let closed = journal.rotate().unwrap().unwrap();
    assert_eq!(texts(&closed), numbered(0..3));
    assert_eq!(journal.rotate().unwrap(), None, "an empty segment stays open");
    journal.append(b"{\"n\":3}".to_vec(), |_| {});
    assert_eq!((journal.counts().lost, journal.counts().failing), (0, false));
    drop(journal);
    assert_eq!(all(folder.path()), numbered(0..4));
    // The closed segment went elsewhere; numbers and chain continue.
    std::fs::remove_file(closed).unwrap();
    let (journal, recovered) = Journal::open(folder.path(), "j").unwrap();
    assert_eq!(recovered, Recovered { entries: 1, cut: 0 });
    journal.append_and_wait(b"{\"n\":4}".to_vec());
    assert_eq!(all(folder.path()), numbered(3..5));
    assert!(journal.rotate().unwrap().unwrap().ends_with("j-000002.jsonl"));
}

#[test]
fn many_writers_share_the_journal_and_lose_nothing() {
    const WRITERS: usize = 16;
    const EACH: usize = 50;
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), "j").unwrap();
    let start = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (journal, start) = (&journal, &start);
            scope.spawn(move || {
                start.wait();
                for number in 0..EACH {
                    let entry = format!("{{\"n\":{}}}", writer * EACH + number).into_bytes();
                    assert_eq!(journal.append_and_wait(entry), Kept::Yes);
                }
            });
        }
    });
    let mut found = all(folder.path());
    let mut expected = numbered(0..WRITERS * EACH);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(journal.counts().kept, (WRITERS * EACH) as u64);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _held = Journal::open(folder.path(), "j").unwrap();
    let error = Journal::open(folder.path(), "j").err().unwrap();
    assert_eq!(error.class(), spec::Class::TryAgain);
    assert!(
        error
            .to_string()
            .ends_with("another process writes the journal 'j'; stop the other server first: a project has one")
    );
}

/// A journal of `count` entries, closed, and the path of its segment.
fn written(count: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), "j").unwrap();
    for text in numbered(0..count) {
        journal.append_and_wait(text.into_bytes());
    }
    drop(journal);
    let path = segments(folder.path(), "j").unwrap().remove(0).1;
    (folder, path)
}

#[test]
fn a_file_cut_at_any_byte_opens_with_the_whole_lines_before() {
    let (_folder, path) = written(3);
    let whole = std::fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("j-000001.jsonl"), &whole[..length]).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        let (journal, recovered) = Journal::open(folder.path(), "j").unwrap();
        assert_eq!(recovered.entries as usize, lines, "{length}");
        assert_eq!(recovered.cut == 0, length == 0 || whole[length - 1] == b'\n', "{length}");
        journal.append_and_wait(b"{\"n\":\"more\"}".to_vec());
        drop(journal);
        let expected: Vec<String> = numbered(0..lines).into_iter().chain(["{\"n\":\"more\"}".to_owned()]).collect();
        assert_eq!(all(folder.path()), expected, "{length}");
        // The same with the room that the file had.
        let folder = tempfile::tempdir().unwrap();
        let with_room = [&whole[..length], &[0; 900]].concat();
        std::fs::write(folder.path().join("j-000001.jsonl"), with_room).unwrap();
        let (journal, with_room) = Journal::open(folder.path(), "j").unwrap();
        assert_eq!(with_room, recovered, "{length}");
        journal.append_and_wait(b"{\"n\":\"more\"}".to_vec());
        drop(journal);
        assert_eq!(all(folder.path()), expected, "{length}");
    }
}

#[test]
fn a_hole_at_the_end_is_cut_and_a_change_in_the_midst_is_refused() {
    let (_folder, path) = written(5);
    let whole = std::fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("j-000001.jsonl"), bytes).unwrap();
        Journal::open(folder.path(), "j").map(|(_, recovered)| recovered).map_err(|error| error.to_string())
    };
    let at = whole.windows(5).position(|part| part == b"\"n\":3").unwrap() + 4;
    let mut hole = whole.clone();
    hole[at - 2..at + 4].fill(0);
    assert_eq!(open(&hole).unwrap().entries, 3);
    let mut changed = whole.clone();
    changed[at] = b'7';
    // Neither a line cut off at the end nor a hole behind it makes a change a crash.
    let mut torn = changed.clone();
    torn.truncate(whole.len() - 3);
    assert!(open(&torn).unwrap_err().contains(":5: the chain is broken"));
    torn.extend([0; 9]);
    assert!(open(&torn).unwrap_err().contains(":5: the chain is broken"));
    let mut header = torn;
    header[0] = b'[';
    assert!(open(&header).unwrap_err().contains(":1: the chain is broken"));
    let error = open(&changed).unwrap_err();
    let expected = "j-000001.jsonl:5: the chain is broken: this line does not follow from the one before; a journal is only \
                    ever appended to: restore the file from a backup, or move it away";
    assert!(error.ends_with(expected), "{error}");
    assert!(entries(&path).unwrap().all(|entry| entry.is_ok()));
    std::fs::write(&path, changed).unwrap();
    assert!(entries(&path).unwrap().nth(3).unwrap().unwrap_err().to_string().contains("j-000001.jsonl:5: the chain"));
}

#[test]
fn room_ahead_is_there_while_a_segment_is_open_and_gone_once_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j-000001.jsonl");
    let (journal, _) = Journal::open(folder.path(), "j").unwrap();
    assert!(!std::fs::read(&path).unwrap().contains(&0), "a journal that nobody writes to takes no room");
    for text in numbered(0..3000) {
        journal.append(text.into_bytes(), |_| {});
    }
    journal.append_and_wait(b"{\"n\":3000}".to_vec());
    let bytes = std::fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert!(bytes.len() > end, "there is room");
    assert_eq!(journal.counts().segment_bytes, end as u64, "which is not counted");
    // A reader beside the writer.
    assert_eq!(texts(&path), numbered(0..3001));
    // As after `kill -9`: nobody took the room away.
    let killed = tempfile::tempdir().unwrap();
    std::fs::write(killed.path().join("j-000001.jsonl"), &bytes).unwrap();
    let (again, recovered) = Journal::open(killed.path(), "j").unwrap();
    assert_eq!(recovered, Recovered { entries: 3001, cut: 0 });
    again.append_and_wait(b"{\"n\":3001}".to_vec());
    drop(again);
    assert_eq!(all(killed.path()), numbered(0..3002));
    let closed = journal.rotate().unwrap().unwrap();
    assert_eq!(std::fs::read(closed).unwrap(), bytes[..end]);
    drop(journal);
    assert!(!std::fs::read(folder.path().join("j-000002.jsonl")).unwrap().contains(&0));
}

#[test]
fn a_group_of_which_only_some_sectors_were_written_is_cut_from_its_first_gap() {
    const SECTOR: usize = 512;
    let (_folder, path) = written(5);
    let before = std::fs::read(&path).unwrap();
    let (mut chain, mut lines) = (Chain::default(), Vec::new());
    let header_ends = before.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for line in before[header_ends..].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        chain.follow(line).unwrap();
    }
    for number in 5..80 {
        chain.add(format!("{{\"n\":{number},\"more\":\"{}\"}}", "x".repeat(number)).as_bytes(), &mut lines);
    }
    let whole = [before.clone(), lines, vec![0; 4096]].concat();
    let mut random = spec::random::Random::new(3, 11);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        // Sectors that hold bytes of the group, or only some of them.
        for sector in before.len() / SECTOR..whole.len() / SECTOR {
            if random.below(3) == 0 {
                let from = (sector * SECTOR).max(before.len());
                bytes[from..(sector + 1) * SECTOR].fill(0);
            }
        }
        let gap = (0..bytes.len()).find(|at| bytes[*at] != whole[*at]).unwrap_or(whole.len() - 4096);
        let kept = bytes[..gap].iter().filter(|byte| **byte == b'\n').count() - 1;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("j-000001.jsonl"), &bytes).unwrap();
        let (journal, recovered) = Journal::open(folder.path(), "j").unwrap();
        assert_eq!(recovered.entries, kept as u64);
        assert!(kept >= 5);
        journal.append_and_wait(b"{\"n\":\"more\"}".to_vec());
        drop(journal);
        assert_eq!(all(folder.path()).len(), kept + 1);
    }
}

/// A disk on which each operation goes as planned: `false` fails.
struct Disk {
    bytes: Vec<u8>,
    plan: VecDeque<bool>,
}

impl Disk {
    fn next(&mut self) -> io::Result<()> {
        match self.plan.pop_front() {
            Some(false) => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    }
}

impl Storage for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.next();
        // A full disk takes what still fits.
        let taken = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        self.bytes.extend_from_slice(&bytes[..taken]);
        result
    }
    fn sync(&mut self) -> io::Result<()> {
        self.next()
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.next()?;
        self.bytes.truncate(length as usize);
        Ok(())
    }
}

#[test]
fn a_full_disk_loses_only_what_it_refused_and_says_so() {
    // Operations in order: write, sync; after a failure: cut; before the next write again, if that failed too.
    for (plan, kept) in [
        (vec![true, true, false, true, true, true], [true, false, true]),
        (vec![true, true, true, false, true], [true, false, true]),
        (vec![true, true, false, false, true, true, true], [true, false, true]),
        (vec![true, true, false, false, false, true, true], [true, false, false]),
    ] {
        let state = Arc::new(State::default());
        let mut writer = Writer {
            folder: PathBuf::new(),
            name: "j".to_owned(),
            storage: Disk { bytes: Vec::new(), plan: plan.into() },
            number: 1,
            chain: Chain::default(),
            length: 0,
            entries: 0,
            state: state.clone(),
            gap: 0,
            dirty: false,
        };
        for (number, kept) in kept.into_iter().enumerate() {
            let batch = [format!("{{\"n\":{number}}}").into_bytes()];
            assert_eq!(writer.commit(&batch) == Kept::Yes, kept, "{number}");
            assert_eq!(state.failing.load(Ordering::Acquire), !kept);
        }
        assert_eq!(writer.commit(&[b"{\"n\":9}".to_vec()]), Kept::Yes);
        let (mut chain, mut expected) = (Chain::default(), Vec::new());
        let lost = kept.iter().filter(|kept| !**kept).count();
        let mut lines = vec!["{\"n\":0}".to_owned(), format!("{{\"lost\":{lost}}}")];
        if kept[2] {
            lines.push("{\"n\":2}".to_owned());
        }
        lines.push("{\"n\":9}".to_owned());
        lines.iter().for_each(|line| chain.add(line.as_bytes(), &mut expected));
        assert_eq!(String::from_utf8_lossy(&writer.storage.bytes), String::from_utf8_lossy(&expected));
        assert_eq!(state.lost.load(Ordering::Relaxed) as usize, lost);
    }
}
