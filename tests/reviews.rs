//! Real reviews, Korean and Brazilian, where the data is available (`MILLRACE_SHARED_DATA`, or `../shared/data` beside the
//! repository). Elsewhere the test passes and says that it did not look.

use testkit::skipped;
use tests::{assert_balanced, run_all, shared_data, shipped};

#[test]
fn real_reviews_run_through_the_same_rules() {
    let files = ("nsmc/reviews.csv", "olist-sample/olist_order_reviews_dataset.csv");
    let (Some(films), Some(orders)) = (shared_data(files.0), shared_data(files.1)) else {
        skipped(
            "data",
            &format!("no {} and {}; set MILLRACE_SHARED_DATA to the folder that holds them", files.0, files.1),
        );
        return;
    };
    let project = shipped("reviews")
        .with_variable("NSMC_REVIEWS", films.display().to_string())
        .with_variable("OLIST_REVIEWS", orders.display().to_string());
    let printed = run_all(&project, "reviews");
    let clean = &printed[1][0];
    assert_balanced(&project, clean);
    let books = &project.evidence(clean)["books"];
    assert_eq!(books["rows_in"], 14_819 + 14_944, "as many as the data's own documentation counts");

    let table = project.table(clean);
    let texts = table.column("cleaned_text");
    let copies: Vec<u64> = table.column("copies").iter().map(|copies| copies.parse().expect("a number")).collect();
    let without_text = books["entries"].as_array().into_iter().flatten().find(|entry| entry["fate"] == "dropped");
    let without_text = without_text.and_then(|entry| entry["rows"].as_u64()).unwrap_or_default();
    // pandas: 8,772 reviews of orders and 1 of films have no text but white space.
    assert!((8_773..8_900).contains(&without_text), "{without_text} rows without a text");
    assert_eq!(copies.iter().sum::<u64>() + without_text, 14_819 + 14_944, "copies count what was removed");
    // 39 reviews of orders say so but for white space (Python's collections.Counter); some shout it.
    let very_good = texts.iter().zip(&copies).find(|(text, _)| **text == "Muito bom");
    assert!(very_good.is_some_and(|(_, copies)| *copies >= 39), "{very_good:?}");

    for text in &texts {
        assert!(
            !["ㅋㅋㅋ", "ㅠㅠㅠ", "!!!!", "  ", "\n", "\u{3000}", "\u{3164}"].iter().any(|sign| text.contains(sign)),
            "{text}"
        );
    }
    // Titles in angle brackets are not HTML.
    for title in ["<갓질라>", "<고지라 2000>", "<베어>", "<내 아내의 모든 것>"] {
        assert!(texts.iter().any(|text| text.contains(title)), "{title} is gone");
    }
    let years: Vec<&str> = table.column("created_at").iter().map(|moment| &moment[..4]).collect();
    assert!(years.iter().all(|year| ("2003"..="2018").contains(year)), "dates of two digits are of this century");
}
