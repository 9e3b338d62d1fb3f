//! For any log, the kernel computes what the plain definitions say: a proof of all rows compares every value.

use proptest::prelude::*;

use super::*;
use crate::FeaturesSpec;
use crate::Prepared;

type Tables = Vec<(&'static str, DataFrame)>;
/// Who, day, hour, number, kind, days until the row arrived, days until the number was corrected.
type Event = (Option<u8>, i32, i64, Option<i8>, Option<u8>, Option<i32>, Option<i32>);

/// The unit of times; `None` for days.
type Unit = Option<TimeUnit>;

fn units() -> impl Strategy<Value = Unit> {
    use TimeUnit::*;
    prop::sample::select(vec![None, Some(Milliseconds), Some(Microseconds), Some(Nanoseconds)])
}

/// Days and hours since a day as a column.
fn times(name: &str, first: i64, on: Vec<Option<(i32, i64)>>, unit: Unit) -> Column {
    match unit {
        None => {
            let days: Vec<Option<i32>> = on.iter().map(|on| on.map(|on| first as i32 + on.0)).collect();
            Series::new(name.into(), days).cast(&DataType::Date).unwrap().into()
        }
        Some(unit) => {
            let per_hour = match unit {
                TimeUnit::Milliseconds => 3_600_000,
                TimeUnit::Microseconds => 3_600_000_000,
                TimeUnit::Nanoseconds => 3_600_000_000_000,
            };
            let ticks = on.iter().map(|on| on.map(|on| ((first + i64::from(on.0)) * 24 + on.1) * per_hour));
            let ticks = Series::new(name.into(), ticks.collect::<Vec<Option<i64>>>());
            ticks.cast(&DataType::Datetime(unit, None)).unwrap().into()
        }
    }
}

/// Entities as texts, small integers, or integers that only an unsigned type holds.
fn entities(name: &str, who: Vec<Option<u8>>, kind: u8) -> Column {
    match kind {
        0 => Column::new(name.into(), who.iter().map(|who| who.map(|who| format!("e{who}"))).collect::<Vec<_>>()),
        1 => Column::new(name.into(), who.iter().map(|who| who.map(i64::from)).collect::<Vec<_>>()),
        _ => Column::new(name.into(), who.iter().map(|who| who.map(|w| u64::MAX - u64::from(w))).collect::<Vec<_>>()),
    }
}

/// Numbers, some of which are none.
fn number(of: i8) -> f64 {
    match of {
        ..-110 => f64::NAN,
        of => f64::from(of) / 4.0,
    }
}

fn tables(events: &[Event], who: u8, (time, known): (Unit, Unit), first: i64) -> Tables {
    let times = |name: &str, on, unit| times(name, first, on, unit);
    let later = |event: &Event, by: Option<i32>| by.map(|by| (event.1 + by, event.2));
    let columns = vec![
        entities("who", events.iter().map(|event| event.0).collect(), who),
        times("day", events.iter().map(|event| Some((event.1, event.2))).collect(), time),
        times("loaded", events.iter().map(|event| later(event, event.5)).collect(), known),
        times("fixed", events.iter().map(|event| later(event, event.6)).collect(), known),
        Column::new("x".into(), events.iter().map(|e| e.3.map(number)).collect::<Vec<_>>()),
        Column::new("n".into(), events.iter().map(|event| event.3.map(i64::from)).collect::<Vec<_>>()),
        Column::new("kind".into(), events.iter().map(|e| e.4.map(|kind| format!("k{kind}"))).collect::<Vec<_>>()),
        // Tells events of one day apart.
        times(
            "stamp",
            events.iter().enumerate().map(|(i, e)| Some((e.1 * 200 + i as i32 - 20_000, 0))).collect(),
            time,
        ),
        Column::new("id".into(), (0..events.len() as i64).collect::<Vec<_>>()),
        Column::new("status".into(), events.iter().map(|e| e.4.map(|k| format!("s{}", k % 3))).collect::<Vec<_>>()),
        Column::new("code".into(), events.iter().map(|e| e.4.map(|k| u64::MAX - u64::from(k))).collect::<Vec<_>>()),
    ];
    let log = DataFrame::new(events.len(), columns).unwrap();
    // Every third event also says what the entity is from then on; equal times differ by when they became known.
    let told: Vec<(usize, &Event)> = events.iter().enumerate().step_by(3).collect();
    let traits = vec![
        entities("id", told.iter().map(|(_, event)| event.0).collect(), who),
        times("since", told.iter().map(|(_, event)| Some((event.1, 0))).collect(), time),
        times("told", told.iter().map(|(i, event)| Some((event.1 + *i as i32, 0))).collect(), known),
        Column::new("size".into(), told.iter().map(|(i, _)| *i as i32).collect::<Vec<_>>()),
    ];
    // How the status of each event came to be: none to three changes, the last of which it may not say.
    let moves: Vec<(usize, i32, i64, String)> = events
        .iter()
        .enumerate()
        .flat_map(|(i, event)| {
            let seed = i32::from(event.3.unwrap_or(5)).rem_euclid(4);
            (0..seed).map(move |k| (i, event.1 + 9 * k + seed, event.2, format!("s{}", (seed + k * i as i32) % 3)))
        })
        .collect();
    let changes = vec![
        Column::new("event".into(), moves.iter().map(|(i, ..)| *i as i32).collect::<Vec<_>>()),
        times("at", moves.iter().map(|(_, day, hour, _)| Some((*day, *hour))).collect(), known),
        Column::new("became".into(), moves.iter().map(|(.., status)| status.clone()).collect::<Vec<_>>()),
    ];
    let changes = DataFrame::new(moves.len(), changes).unwrap();
    vec![("log", log), ("traits", DataFrame::new(told.len(), traits).unwrap()), ("moves", changes)]
}

fn every_kind(
    late: bool,
    (window, horizon, delay): (&str, &str, Option<&str>),
    cutoffs: &str,
    zone: Option<&str>,
) -> CutoffSpec {
    let mut features = Vec::new();
    for (suffix, rows) in
        [("", String::new()), ("_w", format!("window: {window}")), ("_m", "window: 1mo, where: n > 0".to_owned())]
    {
        let join = if rows.is_empty() { "" } else { ", " };
        for kind in ["count", "recency", "tenure", "mean_gap"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{{rows}}}}}"));
        }
        for kind in ["sum", "mean", "min", "max", "std", "first", "last", "median"] {
            features.push(format!("{kind}{suffix}: {{{kind}: {{of: n{join}{rows}}}}}"));
        }
        features.push(format!("quantile{suffix}: {{quantile: {{of: x, q: 0.3{join}{rows}}}}}"));
        for kind in ["sum", "mean", "max", "last", "distinct"] {
            features.push(format!("{kind}_x{suffix}: {{{kind}: {{of: x{join}{rows}}}}}"));
        }
        for kind in ["distinct", "first", "last", "most_frequent"] {
            features.push(format!("{kind}_kind{suffix}: {{{kind}: {{of: kind{join}{rows}}}}}"));
            features.push(format!("{kind}_n{suffix}: {{{kind}: {{of: n{join}{rows}}}}}"));
        }
        features.push(format!("codes{suffix}: {{distinct: {{of: code{join}{rows}}}}}"));
        features.push(format!("code{suffix}: {{most_frequent: {{of: code{join}{rows}}}}}"));
    }
    // Expressions over a row
    features.push("twice: {sum: {of: x * 2 + 1}}".to_owned());
    features.push("part: {mean: {of: x / length(kind), window: 1mo, where: n > 0}}".to_owned());
    features.push("part_last: {last: {of: x / length(kind)}}".to_owned());
    features.push("positive_kind: {last: {of: CASE WHEN x > 0 THEN kind END}}".to_owned());
    features.push("kinds_below: {distinct: {of: CASE WHEN x < 0 THEN kind END}}".to_owned());
    features.push("share: {share: {where: x < 0, window: 20d}}".to_owned());
    features.push("share_late: {share: {where: n < 0}}".to_owned());
    features.push("fixes: {count: {where: fixed IS NOT NULL, window: 1mo}}".to_owned());
    features.push("last_fix: {last: {of: fixed}}".to_owned());
    features.push("arrivals: {distinct: {of: loaded}}".to_owned());
    features.push("newest_kind: {lookup: {of: log, take: kind, time: stamp}}".to_owned());
    features.push("size: {lookup: {of: traits, theirs: id, take: size, time: since, known_at: told}}".to_owned());
    features.push("ratio: {sql: sum_w / sum + size}".to_owned());
    for (name, feature) in [
        ("status_1", "count: {where: status = 's1'}"),
        ("status_2", "share: {where: \"status = 's2' AND n > 0\", window: 1mo}"),
        ("status_n", "sum: {of: n, where: status IS NULL}"),
        ("statuses", "distinct: {of: status}"),
        ("status_last", "last: {of: status}"),
        ("status_most", "most_frequent: {of: status}"),
        ("status_gap", "mean_gap: {where: status = 's0'}"),
    ] {
        features.push(format!("{name}: {{{feature}}}"));
    }
    let features: String = features.iter().map(|line| format!("  {line}\n")).collect();
    let changes = "status: {of: moves, on: id, theirs: event, take: became, time: at}";
    let known = if late { &*format!("known_at: loaded\nknown_late: {{n: fixed, {changes}}}\n") } else { "" };
    let known = if zone.is_some() && !late { &*format!("known_late: {{{changes}}}\n") } else { known };
    let zone = zone.map(|zone| format!("zone: {zone}\n")).unwrap_or_default();
    let delay = delay.map(|delay| format!("delay: {delay}, ")).unwrap_or_default();
    let text = format!(
        "table: log\nentity: who\ntime: day\n{known}{zone}cutoffs: {cutoffs}\nlabel: {{name: later, horizon: {horizon}, \
         {delay}is: {{sum: {{of: n}}}}, where: \"n > -100 OR status = 's0'\"}}\nfeatures:\n{features}"
    );
    read(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn hour() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![0i64, 0, 1, 2, 3, 12, 21, 22, 23])
}

/// Zones, and the first day of a log whose day 79 or so is one on which the clocks of the zone change.
fn zones() -> impl Strategy<Value = (&'static str, i64)> {
    prop::sample::select(vec![
        ("Europe/Berlin", 19_000),
        ("Europe/Berlin", 19_216),
        // At midnight: they skip it, or show it twice, or the hour before it.
        ("America/Sao_Paulo", 17_760),
        ("America/Sao_Paulo", 17_501),
        ("Africa/Cairo", 19_760),
        ("Asia/Beirut", 19_734),
        ("America/Havana", 18_985),
        ("America/Havana", 19_220),
        // By half an hour; by a whole day; never.
        ("Australia/Lord_Howe", 19_006),
        ("Pacific/Apia", 15_259),
        ("Asia/Kolkata", 19_000),
    ])
}

/// Days after the first: mostly the ends of months.
fn day() -> impl Strategy<Value = i32> {
    let ends = [20, 21, 22, 23, 24, 48, 49, 50, 51, 52, 79, 80, 81, 82, 109, 110, 111, 112, 113];
    prop_oneof![2 => prop::sample::select(ends.to_vec()), 1 => 0i32..120]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn versions_of_an_only_row_agree(
        (hour, who, units) in (hour(), 0u8..3, (units(), units())),
        kind in prop::option::weighted(0.9, 0u8..5),
    ) {
        // Three changes, so four versions: the engine keeps such columns as one value and a number of rows.
        let events = [(None, 79, hour, Some(1), kind, Some(0), Some(0)), (Some(0), 20, hour, Some(-9), kind, Some(0), Some(0))];
        let spec = every_kind(true, ("20d", "25d", None), "{every: 15d, count: 3}", None);
        agree(&spec, &tables(&events, who, units, 19_000))?;
    }

    #[test]
    fn kernel_and_definitions_agree(
        events in prop::collection::vec(
            (prop::option::weighted(0.95, 0u8..6), day(), hour(),
             prop::option::weighted(0.9, any::<i8>()), prop::option::weighted(0.9, 0u8..5),
             prop::option::weighted(0.9, prop::sample::select(vec![0, 0, 1, 10, 60])),
             prop::option::weighted(0.7, prop::sample::select(vec![0, 1, 10, 60]))),
            1..120,
        ),
        who in 0u8..3,
        units in (units(), units()),
        late in any::<bool>(),
        span in prop::sample::select(vec![
            ("20d", "25d", None), ("1mo", "1mo", None), ("2w", "2w", Some("1mo")), ("1y", "10d", Some("3d")),
        ]),
        cutoffs in prop::sample::select(vec![
            "{every: 15d, count: 3}", "{every: 1mo, count: 3}", "[2022-02-28, 2022-03-01, 2022-03-30, 2022-03-31]",
        ]),
    ) {
        agree(&every_kind(late, span, cutoffs, None), &tables(&events, who, units, 19_000))?;
    }

    #[test]
    fn days_of_a_zone_are_those_of_the_definitions(
        events in prop::collection::vec(
            (prop::option::weighted(0.95, 0u8..4), day(), hour(), prop::option::weighted(0.9, any::<i8>()),
             prop::option::weighted(0.9, 0u8..5), prop::option::weighted(0.9, prop::sample::select(vec![0, 0, 1, 10])),
             prop::option::weighted(0.7, prop::sample::select(vec![0, 1, 10]))),
            1..100,
        ),
        units in (units(), units()),
        late in any::<bool>(),
        span in prop::sample::select(vec![
            ("1d", "25h", None), ("1mo", "1mo", Some("12h")), ("2w", "2d", Some("1mo")), ("20d", "10d", Some("3d")),
        ]),
        cutoffs in prop::sample::select(vec!["{every: 1d, count: 9}", "{every: 7d, count: 5}", "{every: 1mo, count: 3}"]),
        (zone, first) in zones(),
    ) {
        // Dates do not distinguish hours.
        let span = if units.0.is_none() { ("1d", "1d", None) } else { span };
        agree(&every_kind(late, span, cutoffs, Some(zone)), &tables(&events, 0, units, first))?;
    }
}

/// How the entities of a log are written, as [`entities`] has it.
fn who_kind(log: &DataFrame) -> u8 {
    match log.column("who").unwrap().dtype() {
        DataType::String => 0,
        DataType::Int64 => 1,
        _ => 2,
    }
}

/// The table, single entities and the definitions give the same values.
fn agree(spec: &CutoffSpec, tables: &Tables) -> Result<(), TestCaseError> {
    let open = |name: &str| match tables.iter().find(|(known, _)| *known == name) {
        Some((_, table)) => Ok(table.clone().lazy()),
        None => Err(spec::Error::cannot_run(format!("no table '{name}'"))),
    };
    let set = match crate::cutoffs::table::build(spec, &open, today()) {
        Ok(set) => set,
        // Logs too short for a cutoff are refused; that is another test's matter.
        Err(error) => {
            prop_assert_eq!(error.class(), spec::Class::Refused);
            return Ok(());
        }
    };
    let drawn = drawn(set);
    // Entities that are requested alone, in any order, have the very values of the whole table.
    let prepared = Prepared::open(&FeaturesSpec::Cutoffs(Box::new(spec.clone())), &open, today()).unwrap();
    for table in [&drawn.training, &drawn.scoring] {
        let mut table = table.clone();
        for of_label in ["later", "later_known_at"] {
            table = table.drop(of_label).unwrap_or(table);
        }
        for row in (0..table.height()).rev() {
            let whole = table.slice(row as i64, 1);
            let cutoff = whole.column("cutoff").unwrap().date().unwrap().physical().get(0).unwrap();
            let cutoff = chrono::NaiveDate::from_epoch_days(cutoff).unwrap();
            let alone = prepared.for_keys(&whole, Some(cutoff)).unwrap();
            prop_assert_eq!(alone.places, [Some(0)]);
            prop_assert!(alone.rows.equals_missing(&whole), "{} {}", alone.rows, whole);
        }
    }
    // Many at once, some of them unknown, some twice.
    let asked = entities("who", vec![Some(200), Some(1), None, Some(1), Some(0)], who_kind(&tables[0].1));
    let asked = DataFrame::new(5, vec![asked]).unwrap();
    let found = prepared.for_keys(&asked, None).unwrap();
    let known: Vec<bool> = found.places.iter().map(Option::is_some).collect();
    prop_assert!(!known[0] && !known[2] && known[1] == known[3]);
    for (row, place) in found.places.iter().enumerate() {
        let Some(place) = place else { continue };
        let asked = asked.column("who").unwrap().get(row).unwrap();
        prop_assert_eq!(found.rows.column("who").unwrap().get(*place as usize).unwrap(), asked);
    }
    prop_assert_eq!(found.rows.schema(), prepared.outputs());
    let pairs = drawn.training.height() + drawn.scoring.height();
    let (training, scoring) = (drawn.training.lazy(), drawn.scoring.lazy());
    let proof = crate::cutoffs::proof::prove(spec, &open, training, scoring, (2 * pairs, 1), today());
    prop_assert_eq!(proof.map(|proof| proof.pairs).map_err(|error| error.to_string()), Ok(pairs));
    Ok(())
}
