use futures::executor::block_on;
use serde_json::json;

use super::*;
use crate::settings::Daily;

fn entry(key: u8) -> Entry {
    Entry {
        key: [key; 32],
        time: now(),
        task: "t".to_owned(),
        model: "m".to_owned(),
        provider: "p".to_owned(),
        prompt: "h".to_owned(),
        input: "{}".to_owned(),
        answer: json!({"a": key}).to_string(),
        tokens_in: 3,
        tokens_out: 2,
        cost: Some(0.5),
        latency: Duration::from_millis(7),
        request_id: None,
    }
}

fn open() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).unwrap();
    (folder, ledger)
}

fn kinds(claims: &[Claim]) -> Vec<&'static str> {
    let kind = |claim: &Claim| match claim {
        Claim::Ours => "ours",
        Claim::Answered(..) => "answered",
        Claim::Held => "held",
        Claim::InBatch(_) => "batch",
    };
    claims.iter().map(kind).collect()
}

#[test]
fn answers_are_found_by_key_and_counted_by_day() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    let spend = Spend { requests: 1, tokens: 5, money: 0.5 };
    let record = Record { answers: vec![entry(1)], spend, call: Some(Call::default()), ..Record::default() };
    block_on(writer.keep(record)).unwrap().unwrap();
    let found = ledger.look_up(&[[1; 32], [2; 32]]).unwrap();
    assert_eq!(found[0].as_ref().unwrap().answer, *json!({"a": 1}).as_object().unwrap());
    assert!(found[1].is_none());
    assert_eq!(ledger.spend_today().unwrap(), spend);
    assert_eq!(ledger.mean_tokens_out("t", "m").unwrap(), Some(2.0));
}

#[test]
fn a_claim_is_held_until_it_is_answered_or_its_owner_goes() {
    let (_folder, ledger) = open();
    let (first, second) = (Writer::start(&ledger).unwrap(), Writer::start(&ledger).unwrap());
    let claim = |writer: &Writer, keys: &[u8]| {
        let wanted = keys.iter().map(|key| vec![[*key; 32]]).collect();
        block_on(writer.claim(wanted)).unwrap().unwrap()
    };
    assert_eq!(kinds(&claim(&first, &[1, 2])), ["ours", "ours"]);
    assert_eq!(kinds(&claim(&second, &[1, 2, 3])), ["held", "held", "ours"]);
    let record = Record { answers: vec![entry(1)], released: vec![[1; 32]], ..Record::default() };
    block_on(first.keep(record)).unwrap().unwrap();
    assert_eq!(kinds(&claim(&second, &[1, 2])), ["answered", "held"]);
    drop(first);
    assert_eq!(kinds(&claim(&second, &[2])), ["ours"]);
}

#[test]
fn a_claim_is_renewed_however_busy_the_run_is() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    block_on(writer.claim(vec![vec![[1; 32]]])).unwrap().unwrap();
    ledger.lock().execute("UPDATE claims SET expires = 5", []).unwrap();
    let expires = || ledger.lock().query_row("SELECT expires FROM claims", [], |row| row.get::<_, i64>(0)).unwrap();
    // Orders follow each other without a pause.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while expires() == 5 && std::time::Instant::now() < deadline {
        block_on(writer.keep(Record::default())).unwrap().unwrap();
    }
    assert!(expires() > Utc::now().timestamp(), "the claim has expired while its owner was busy");
}

#[test]
fn claims_of_the_dead_and_the_expired_are_taken_over() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    let far = Utc::now().timestamp() + 1000;
    let alive = owner();
    let parts: Vec<&str> = alive.rsplitn(3, '/').collect();
    let dead = format!("{}/1/{}", parts[2], parts[0]);
    let sql = "INSERT INTO claims VALUES (?1, ?2, 0, ?3)";
    for (key, who, expires) in [(1_u8, &dead, far), (2, &alive, 5), (3, &alive, far)] {
        ledger.lock().execute(sql, params![[key; 32].as_slice(), who, expires]).unwrap();
    }
    let claims = block_on(writer.claim((1..=3).map(|key| vec![[key; 32]]).collect())).unwrap().unwrap();
    assert_eq!(kinds(&claims), ["ours", "ours", "held"]);
}

/// The cap that forbids one more request.
fn reserve(writer: &Writer, spend: Spend, daily: Daily) -> Option<String> {
    block_on(writer.reserve(spend, daily)).unwrap().unwrap()
}

const ONE: Spend = Spend { requests: 1, tokens: 10, money: 1.0 };

#[test]
fn requests_that_were_never_heard_of_again_still_count() {
    for daily in [Daily::default(), Daily { requests: Some(2), ..Daily::default() }] {
        let (_folder, ledger) = open();
        let writer = Writer::start(&ledger).unwrap();
        assert_eq!(reserve(&writer, ONE, daily), None);
        assert_eq!(reserve(&writer, ONE, daily), None);
        block_on(writer.keep(Record { reserved: ONE, spend: ONE, ..Record::default() })).unwrap().unwrap();
        drop(writer);
        assert_eq!(ledger.spend_today().unwrap(), Spend { requests: 2, tokens: 10, money: 1.0 });
    }
}

#[test]
fn each_cap_counts_what_other_runs_have_in_flight() {
    let caps = [
        (Daily { requests: Some(3), ..Daily::default() }, "3 requests"),
        (Daily { tokens: Some(39), ..Daily::default() }, "39 tokens"),
        (Daily { money: Some(3.5), ..Daily::default() }, "3.5 (money)"),
    ];
    for (daily, name) in caps {
        let (_folder, ledger) = open();
        let (first, second) = (Writer::start(&ledger).unwrap(), Writer::start(&ledger).unwrap());
        assert_eq!(reserve(&first, ONE, daily), None);
        assert_eq!(reserve(&second, ONE, daily), None);
        assert_eq!(reserve(&first, ONE, daily), None);
        assert_eq!(reserve(&second, ONE, daily).as_deref(), Some(name));
        // What costs less than expected makes room; what is answered counts as it was.
        let less = Spend { tokens: 1, money: 0.1, ..ONE };
        block_on(first.keep(Record { reserved: ONE, spend: less, ..Record::default() })).unwrap().unwrap();
        assert_eq!(reserve(&second, ONE, daily).is_none(), name != "3 requests");
        assert_eq!(reserve(&second, ONE, daily).as_deref(), Some(name));
    }
}

#[test]
fn what_the_dead_had_in_flight_counts_as_requests_only() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    let (far, alive) = (Utc::now().timestamp() + 1000, owner());
    let parts: Vec<&str> = alive.rsplitn(3, '/').collect();
    let dead = format!("{}/1/{}", parts[2], parts[0]);
    let sql = "INSERT INTO reservations VALUES (?1, 4, 40, 4.0, ?2)";
    for (who, expires) in [(dead.as_str(), far), ("another machine's", 5), (alive.as_str(), far)] {
        ledger.lock().execute(sql, params![who, expires]).unwrap();
    }
    let daily = Daily { money: Some(5.0), ..Daily::default() };
    assert_eq!(reserve(&writer, ONE, daily), None);
    assert_eq!(reserve(&writer, ONE, daily).as_deref(), Some("5 (money)"));
    assert_eq!(ledger.spend_today().unwrap(), Spend { requests: 8, ..Spend::default() });
}

#[test]
fn an_open_batch_counts_with_what_it_is_expected_to_take() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    let batch_key =
        BatchKey { task: "t".to_owned(), model: "m".to_owned(), provider: "p".to_owned(), prompt: "h".to_owned() };
    let daily = Daily { money: Some(3.0), ..Daily::default() };
    let items = |keys: [u8; 4]| keys.map(|key| (Item { key: [key; 32], input: "{}".to_owned() }, ONE));
    let (taken, cap) = ledger.intend(&batch_key, "a", "", &items([1, 2, 3, 4]), &daily).unwrap();
    assert_eq!((taken, cap.as_deref()), (vec![true, true, true, false], Some("3 (money)")));
    ledger.submitted("a", "batch_1").unwrap();
    assert_eq!(reserve(&writer, ONE, daily).as_deref(), Some("3 (money)"));
    let (taken, cap) = ledger.intend(&batch_key, "b", "", &items([5, 6, 7, 8]), &daily).unwrap();
    assert_eq!((taken, cap.as_deref()), (vec![false; 4], Some("3 (money)")));
    let spend = Spend { requests: 0, tokens: 30, money: 0.5 };
    ledger.collect("a", "completed", &[entry(1)], &[], spend).unwrap();
    assert_eq!(ledger.spend_today().unwrap(), Spend { requests: 3, ..spend });
    let (taken, cap) = ledger.intend(&batch_key, "b", "", &items([1, 5, 6, 7]), &daily).unwrap();
    assert_eq!((taken, cap.as_deref()), (vec![false, true, true, false], Some("3 (money)")));
    ledger.abandon("b").unwrap();
    assert_eq!(reserve(&writer, ONE, daily), None);
}

#[cfg(unix)]
#[test]
fn the_file_is_not_for_everybody() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, ledger) = open();
    let _writer = Writer::start(&ledger).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o137, 0, "{mode:o}");
    }
}

#[test]
fn a_file_that_is_not_a_ledger_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    std::fs::write(&path, "x".repeat(5000)).unwrap();
    let text = Ledger::open(&path).unwrap_err().to_string();
    assert!(text.contains("ledger.sqlite: cannot open the ledger"), "{text}");
    assert!(text.ends_with("move the file away; a new one is made, and answers are asked again"), "{text}");
}
