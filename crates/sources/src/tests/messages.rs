use std::collections::HashSet;

use super::*;

const REVIEWS: &str = "source: {generate: {messages: {kind: reviews, rows: 20000, seed: 7, from: 2024-01-01, to: 2024-12-31, dirt: 0.4, repeats: 0.6}}}";

fn texts(read: &Read) -> Vec<Option<String>> {
    read.rows.column("raw_text").unwrap().str().unwrap().iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn messages_have_their_rows_exactly_in_the_order_of_time() {
    let read = Project::new().read(REVIEWS).unwrap();
    assert_eq!(read.rows_in, 20_000);
    assert_eq!(
        read.types(),
        [
            "id int64",
            "source string",
            "raw_text string",
            "created_at datetime",
            "metadata string",
            "_file string",
            "_row uint32"
        ]
    );
    let times = read.rows.column("created_at").unwrap().as_materialized_series().to_physical_repr().into_owned();
    let times: Vec<i64> = times.i64().unwrap().into_no_null_iter().collect();
    assert!(times.is_sorted());
    let day = 86_400_000_000;
    assert!(times[0] >= 19_723 * day && times[times.len() - 1] < 20_089 * day, "2024-01-01 to 2024-12-31");
    // 20,000 · 0.4 · 0.01 timestamps that cannot be read = 80, deviation 9; some of them come twice.
    assert!((45..120).contains(&read.refused.height()), "{} refused", read.refused.height());
}

#[test]
fn repeats_doubles_and_empty_texts_are_as_many_as_was_requested() {
    let clean = Project::new().read(&REVIEWS.replace("dirt: 0.4", "dirt: 0")).unwrap();
    let all = texts(&clean);
    let distinct = all.iter().flatten().collect::<HashSet<_>>().len();
    // 40 of 100 texts are new; a quarter of the reviews are a few words, of which there are few.
    assert!((4_500..8_000).contains(&distinct), "{distinct} distinct");
    assert!(all.iter().all(Option::is_some));
    let ids = clean.rows.column("id").unwrap();
    assert_eq!(ids.n_unique().unwrap(), 20_000);

    let dirty = Project::new().read(REVIEWS).unwrap();
    let ids = dirty.rows.column("id").unwrap();
    let doubles = ids.len() - ids.n_unique().unwrap();
    // 20,000 · 0.4 · 0.05 = 400, deviation 20.
    assert!((300..500).contains(&doubles), "{doubles} doubles");
    let empty = texts(&dirty).iter().filter(|text| text.is_none()).count();
    // 20,000 · 0.4 · 0.05 / 5 = 80; repeats of one empty text make it uneven.
    assert!((10..300).contains(&empty), "{empty} without text");
}

#[test]
fn dirt_is_of_every_kind() {
    let read = Project::new().read(&REVIEWS.replace("reviews", "tickets").replace("0.6", "0")).unwrap();
    let all = texts(&read).into_iter().flatten().collect::<Vec<_>>().join("\u{1f}");
    for sign in [
        "  ",
        "\u{a0}",
        "\t",
        "<br>",
        "<p>",
        "&amp;",
        "&#39;",
        "&nbsp;",
        "Ã",
        "!!!!",
        "ㅋㅋ",
        "aaaa",
        "\u{200b}",
        "\u{301}",
        "@example.com",
        "+49 30",
        "010-",
        " ,",
    ] {
        assert!(all.contains(sign), "no {sign:?}");
    }
    let is_shouted = |text: &str| text.len() > 40 && !text.chars().any(char::is_lowercase) && text.is_ascii();
    assert!(all.split('\u{1f}').any(is_shouted));
    assert!(all.contains("안녕하세요") && all.contains("Guten Tag") && all.contains("Bonjour"));
}

#[test]
fn a_seed_makes_messages_and_another_seed_others() {
    let project = Project::new();
    let first = project.read(REVIEWS).unwrap();
    assert!(first.rows.equals_missing(&project.read(REVIEWS).unwrap().rows));
    assert!(!first.rows.equals_missing(&project.read(&REVIEWS.replace("seed: 7", "seed: 8")).unwrap().rows));
    let inputs = |yaml: &str| table(yaml).unwrap().inputs(&project.root(), &Cloud::default()).unwrap();
    assert_eq!(inputs(REVIEWS), inputs(REVIEWS));
    assert_ne!(inputs(REVIEWS), inputs(&REVIEWS.replace("0.6", "0.7")));
}

#[test]
fn languages_and_columns_can_be_chosen() {
    let yaml = REVIEWS.replace("dirt: 0.4", "dirt: 0, languages: [ko]");
    let read = Project::new().read(&format!("{yaml}\ncolumns: {{text: {{type: string, from: raw_text}}}}")).unwrap();
    assert_eq!(read.types(), ["text string", "_file string", "_row uint32"]);
    let texts = read.rows.column("text").unwrap().str().unwrap().clone();
    assert!(texts.iter().flatten().all(|text| text.chars().any(|c| ('가'..='힣').contains(&c))));
    assert_eq!(
        Project::new().failure(&format!("{REVIEWS}\ncolumns: {{rawtext: string}}")),
        "table 't': messages have no column 'rawtext'; did you mean 'raw_text'?"
    );
}

#[test]
fn wrong_settings_are_refused() {
    let failure = |old: &str, new: &str| table(&REVIEWS.replace(old, new)).unwrap_err().to_string();
    for (old, new, error) in [
        ("rows: 20000", "rows: 0", "'rows' is 0; there are from 1 to 4294967295 messages"),
        ("2024-12-31", "2023-12-31", "from 2024-01-01 to 2023-12-31 are 0 days; messages come in over 1 to 36600 days"),
        ("dirt: 0.4", "dirt: 1.5", "'dirt' is 1.5; it ranges from 0 to 1"),
        ("dirt: 0.4", "languages: []", "'languages' names none; leave the key out for all"),
        ("reviews", "review", "unknown kind 'review'; did you mean 'reviews'?"),
    ] {
        assert!(failure(old, new).ends_with(error), "{}", failure(old, new));
    }
}
