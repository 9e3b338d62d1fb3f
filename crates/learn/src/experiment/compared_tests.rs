use super::*;

/// Definitions of the columns of [`table`], where `changed` is made in another way.
fn made(changed: &str, label: &str) -> Definitions {
    let definition = |name: &str| {
        let is = if name == changed { "{mean: {of: other}}" } else { "{mean: {of: x}}" };
        artifact::Definition::new(name, is, is, [])
    };
    Definitions {
        of_features: true,
        columns: ["good", "fair", "noise", "city"].map(definition).to_vec(),
        label: Some(artifact::Definition::new("churned", label, label, [])),
        ..Definitions::default()
    }
}

#[test]
fn a_champion_is_compared_on_what_it_learned() {
    let mut trial = trial(&spec(BY_TIME));
    trial.definitions = Some(made("", "{is: no_rows}"));
    let champion_with = |definitions: Option<Definitions>| {
        let mut champion = champion("fair", &["fair"]);
        champion.manifest.definitions = definitions;
        champion
    };
    let same = trial.decide(Some(&champion_with(trial.definitions.clone()))).unwrap();
    assert_eq!(same.action, Action::Promote, "{}", same.why);
    // What the champion does not look at may change.
    let other = trial.decide(Some(&champion_with(Some(made("noise", "{is: no_rows}"))))).unwrap();
    assert_eq!(other, same);

    let redefined = champion_with(Some(made("fair", "{is: no_rows}")));
    let kept = trial.decide(Some(&redefined)).unwrap();
    assert_eq!(kept.action, Action::Keep);
    assert_eq!(
        kept.why,
        "the champion v1 learned other features than table 'training' has ('fair' is {mean: {of: x}} now, was {mean: {of: \
         other}}), which could not be recomputed (they cannot be recomputed here), so the two cannot be compared; promote \
         by hand if the challenger is to replace it"
    );
    // Made again, the champion's feature is as good as the challenger's best.
    let rebuild = |_: &LoadedVersion| -> Result<DataFrame> {
        let mut rows = trial.test_rows.clone();
        let good = rows.column("good").unwrap().clone();
        rows.with_column(good.with_name("fair".into())).unwrap();
        Ok(rows)
    };
    let compared = trial.decide_with(Some(&redefined), OfChampion { rebuild: &rebuild, parts: None }).unwrap();
    assert_eq!((compared.action, compared.metrics["gain"]), (Action::Keep, 0.0));
    assert!(
        compared.why.ends_with(
            "(the features of v1 were recomputed by its own definitions: 'fair' is {mean: {of: x}} now, was {mean: {of: other}})"
        ),
        "{}",
        compared.why
    );
    let old = trial.decide(Some(&champion_with(None))).unwrap();
    assert_eq!(old.action, Action::Promote);
    assert!(
        old.why.contains("v1 does not say how its features and label are made: compared by their names"),
        "{}",
        old.why
    );
}

/// A split at random divides a table anew once it has grown, so that the champion has learned from most of the test part.
#[test]
fn rows_that_the_champion_has_learned_from_do_not_compare_it() {
    let at_random = spec("split: {by: random}");
    let fair = |rows: usize| trial_with(&at_random, &[("fair", "fair")], table(400).head(Some(rows))).unwrap();
    let (before, same) = (fair(4799), fair(4800));
    let good = trial_with(&at_random, &[("good", "good")], table(400)).unwrap();
    let decide = |parts: &DataFrame| {
        let rebuild = |_: &LoadedVersion| -> Result<DataFrame> { unreachable!("the features are the same") };
        let champion = champion("fair", &["fair"]);
        good.decide_with(Some(&champion), OfChampion { rebuild: &rebuild, parts: Some(parts) }).unwrap()
    };
    let unchanged = decide(&same.parts);
    assert!(unchanged.why.contains(" of the champion v1 on the same 720 test rows: "), "{}", unchanged.why);

    let names = |rows: &DataFrame| -> Vec<String> {
        let keys = ["customer_id", "cutoff"].map(|name| rows.column(name).unwrap().cast(&DataType::String).unwrap());
        let [ids, days] = keys.each_ref().map(|key| key.str().unwrap().iter().map(Option::unwrap));
        ids.zip(days).map(|(id, day)| format!("{id} {day}")).collect()
    };
    let part = before.parts.column("part").unwrap().str().unwrap();
    let tests = names(&before.parts).into_iter().zip(part.iter()).filter(|(_, part)| *part == Some("test"));
    let tests: std::collections::HashSet<String> = tests.map(|(name, _)| name).collect();
    // The last row is new as well, if it is in the test part.
    let last = format!("c399 {}", names(&before.parts).last().unwrap().split(' ').next_back().unwrap());
    let is_new: Vec<bool> = names(&good.test_rows).iter().map(|name| tests.contains(name) || *name == last).collect();
    let count = is_new.iter().filter(|is_new| **is_new).count();
    assert!((30..720).contains(&count), "{count}");
    let found = decide(&before.parts);
    assert!(
        found.why.contains(&format!(" of the champion v1 on those {count} of 720 test rows that are new to it: ")),
        "{}",
        found.why
    );
    let new = good.test_rows.filter(&BooleanChunked::from_slice("".into(), &is_new)).unwrap();
    let scored = |column: &str| {
        let label = new.column("churned").unwrap().cast(&DataType::Float64).unwrap();
        let values = |column: &Column| column.f64().unwrap().into_no_null_iter().collect::<Vec<f64>>();
        Scored::new(Task::Classification, values(&label), values(new.column(column).unwrap()), "test").unwrap()
    };
    let auc = |column: &str| scored(column).value(Metric::Auc, None).unwrap();
    assert_eq!(found.metrics["champion_auc"], auc("fair"));
    assert_eq!(found.metrics["gain"], auc("good") - auc("fair"));

    // With too few new rows nothing is promoted.
    let few =
        trial_with(&spec("split: {by: random}\nseed: 7"), &[("fair", "fair")], table(400).head(Some(400))).unwrap();
    let small = trial_with(&at_random, &[("good", "good")], table(400).head(Some(400))).unwrap();
    let rebuild = |_: &LoadedVersion| -> Result<DataFrame> { unreachable!("the features are the same") };
    let of_champion = OfChampion { rebuild: &rebuild, parts: Some(&few.parts) };
    let kept = small.decide_with(Some(&champion("fair", &["fair"])), of_champion).unwrap();
    assert_eq!(kept.action, Action::Keep, "{}", kept.why);
    assert!(kept.why.contains(" of the 60 test rows taught or chose the champion v1, which leaves "), "{}", kept.why);
}

#[test]
fn a_label_redefined_cannot_be_compared() {
    let mut trial = trial(&spec(BY_TIME));
    trial.definitions = Some(made("", "{is: no_rows}"));
    let mut champion = champion("fair", &["fair"]);
    champion.manifest.definitions = Some(made("", "{is: any_rows}"));
    let kept = trial.decide(Some(&champion)).unwrap();
    assert_eq!(kept.action, Action::Keep);
    assert_eq!(
        kept.why,
        "the champion v1 answers another question than the challenger: its label 'churned' is {is: no_rows} now, was {is: \
         any_rows}, so the two cannot be compared; promote by hand if the challenger is to replace it"
    );
}

#[test]
fn only_features_are_learned_from_unless_others_are_named() {
    let learned = |more: &str, definitions: Option<Definitions>| {
        let spec = spec(&format!("split: {{by: time}}\n{more}"));
        let known = Known { definitions, ..Known::default() };
        let contenders = [("good", "good"), (BASELINE, "")].map(|(name, column)| Contender::by_hand(name, By(column)));
        let mut table = table(400);
        table.with_column(Column::new("number".into(), (1..=4800i64).collect::<Vec<i64>>())).unwrap();
        let comments = (0..4800).map(|row| format!("comment {}", row.min(3000))).collect::<Vec<String>>();
        table.with_column(Column::new("comment".into(), comments)).unwrap();
        let trial = run_contenders(&spec, contenders.into(), table.lazy(), &known, &|_| {})?;
        let names = trial.model.features().iter().map(|feature| feature.name.clone()).collect::<Vec<String>>();
        Ok::<_, spec::Error>((names, trial.notes))
    };
    let note =
        "column 'number' counts the rows and is not learned from; if it means something, write `include: [number]`";
    let of_texts = "column 'comment' has a different text in most rows and is not learned from; if it means something, \
                    write `include: [comment]`";
    assert_eq!(
        learned("", None).unwrap(),
        (["good", "fair", "noise", "city"].map(str::to_owned).to_vec(), vec![note.to_owned(), of_texts.to_owned()])
    );
    assert_eq!(
        learned("exclude: [fair, number, comment]", None).unwrap(),
        (["good", "noise", "city"].map(str::to_owned).to_vec(), vec![])
    );
    let named = learned("include: [number, cutoff, _row, comment]\nexclude: [fair, city]", None).unwrap();
    assert_eq!(named, (["cutoff", "good", "noise", "_row", "number", "comment"].map(str::to_owned).to_vec(), vec![]));
    // The features stage carries along what it does not make.
    let mut definitions = made("", "{is: no_rows}");
    definitions.columns.retain(|column| column.name != "fair");
    let of_features = learned("", Some(definitions.clone())).unwrap();
    assert_eq!(of_features, (["good", "noise", "city"].map(str::to_owned).to_vec(), vec![]));
    assert_eq!(learned("include: [fair]", Some(definitions)).unwrap().0, ["good", "fair", "noise", "city"]);
    let error = |more: &str| learned(more, None).unwrap_err().to_string();
    assert!(error("include: [good]").starts_with("include: 'good' is learned from anyway; 'include' adds columns"));
    assert!(
        error("exclude: [goood]").starts_with("exclude: table 'training' has no column 'goood'; did you mean 'good'?")
    );
    assert!(
        error("exclude: [good, fair, noise, city]")
            .contains("no column but row numbers and texts of single rows is left")
    );
    assert!(error("exclude: [good, fair, noise, city, number, comment]").contains("no column is left to learn from"));
}
