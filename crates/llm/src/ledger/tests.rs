use futures::executor::block_on;
use serde_json::json;

use super::*;

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
    assert_eq!(writer.tally().day, spend);
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

#[test]
fn requests_that_were_never_heard_of_again_still_count() {
    let (_folder, ledger) = open();
    let writer = Writer::start(&ledger).unwrap();
    let one = Spend { requests: 1, tokens: 10, money: 1.0 };
    assert!(writer.reserve(one, |_| true));
    assert!(writer.reserve(one, |tally| tally.reserved.requests == 1));
    assert!(!writer.reserve(one, |tally| tally.reserved.requests < 2));
    block_on(writer.keep(Record { reserved: one, spend: one, ..Record::default() })).unwrap().unwrap();
    drop(writer);
    assert_eq!(ledger.spend_today().unwrap(), Spend { requests: 2, tokens: 10, money: 1.0 });
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
