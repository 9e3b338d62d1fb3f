//! The same features as pandas computes them.

use super::*;

/// Each feature as the sum of value × row number over all 46 rows (of a category: the digit in its name), and its
/// nulls, as printed by pandas 2 for
///
/// ```python
/// i = np.arange(500)
/// df = pd.DataFrame({
///     "who": (i * 7919) % 23,
///     "at": pd.Timestamp("2023-01-01") + pd.to_timedelta(((i * 37 + i * i * 11) % 400) * 24 + (i * 5) % 24, unit="h"),
///     "amount": np.where(i % 17 == 0, np.nan, ((i * 271) % 1000) / 10 - 5),
///     "kind": np.where(i % 11 == 0, None, np.char.add("k", ((i * i + 3 * i) % 5).astype(str))),
/// }).sort_values("at", kind="stable")
/// for cutoff in pd.to_datetime(["2023-06-01", "2023-10-31"]):
///     for who, g in df[df["at"] < cutoff].groupby("who"):
///         w = g[g["at"] >= cutoff - pd.DateOffset(months=2)]
///         ahead = df[(df["who"] == who) & (df["at"] >= cutoff) & (df["at"] < cutoff + pd.Timedelta(days=60))]
///         row = dict(n=len(w), total=w["amount"].sum(), average=w["amount"].mean(), least=w["amount"].min(),
///             most=w["amount"].max(), spread=g["amount"].std(), kinds=w["kind"].nunique(),
///             negative=(w["amount"] < 0).mean(), losses=g[g["amount"] < 0]["amount"].sum(),
///             first_kind=g["kind"].dropna().iloc[0], last_kind=g["kind"].dropna().iloc[-1],
///             recency=(cutoff - g["at"].max()).days, tenure=(cutoff - g["at"].min()).days,
///             gap=(g["at"].diff().dropna() / pd.Timedelta(days=1)).mean(), label=ahead["amount"].sum())
/// ```
const PANDAS: [(&str, f64, usize); 15] = [
    ("n", 3222.0, 0),
    ("total", 136_700.3, 0),
    ("average", 46_228.838_333_333_33, 1),
    ("least", 24_337.199_999_999_997, 1),
    ("most", 66_780.5, 1),
    ("spread", 31_360.312_338_711_5, 0),
    ("kinds", 2003.0, 0),
    ("negative", 43.4, 1),
    ("losses", -1827.0, 0),
    ("first_kind", 2147.0, 0),
    ("last_kind", 1898.0, 0),
    ("recency", 16_655.0, 0),
    ("tenure", 263_464.0, 0),
    ("gap", 19_306.510_521_139_862, 0),
    ("label", 144_334.5, 0),
];

fn table() -> DataFrame {
    let numbers = 0..500i64;
    let start = chrono::NaiveDate::from_ymd_opt(2023, 1, 1).unwrap().and_time(chrono::NaiveTime::MIN);
    let at = numbers.clone().map(|i| start + chrono::TimeDelta::hours((i * 37 + i * i * 11) % 400 * 24 + i * 5 % 24));
    let amount = numbers.clone().map(|i| (i % 17 != 0).then_some((i * 271 % 1000) as f64 / 10.0 - 5.0));
    let kind = numbers.clone().map(|i| (i % 11 != 0).then_some(format!("k{}", (i * i + 3 * i) % 5)));
    DataFrame::new(
        500,
        vec![
            Column::new("who".into(), numbers.clone().map(|i| i * 7919 % 23).collect::<Vec<_>>()),
            DatetimeChunked::from_naive_datetime("day".into(), at, TimeUnit::Microseconds).into_column(),
            Column::new("amount".into(), amount.collect::<Vec<_>>()),
            Column::new("kind".into(), kind.collect::<Vec<_>>()),
        ],
    )
    .unwrap()
}

#[test]
fn works_like_pandas() {
    let spec = spec_of(
        "[2023-06-01, 2023-10-31]",
        "{name: label, horizon: 60d, is: {sum: {of: amount}}}",
        &[
            "n: {count: {window: 2mo}}",
            "total: {sum: {of: amount, window: 2mo}}",
            "average: {mean: {of: amount, window: 2mo}}",
            "least: {min: {of: amount, window: 2mo}}",
            "most: {max: {of: amount, window: 2mo}}",
            "spread: {std: {of: amount}}",
            "kinds: {distinct: {of: kind, window: 2mo}}",
            "negative: {share: {where: amount < 0, window: 2mo}}",
            "losses: {sum: {of: amount, where: amount < 0}}",
            "first_kind: {first: {of: kind}}",
            "last_kind: {last: {of: kind}}",
            "recency: recency",
            "tenure: tenure",
            "gap: mean_gap",
        ],
    );
    let training = built(&spec, &table()).training;
    assert_eq!(training.height(), 46);
    for (name, expected, nulls) in PANDAS {
        let column = training.column(name).unwrap().as_materialized_series();
        assert_eq!(column.null_count(), nulls, "nulls of {name}");
        let values: Vec<f64> = match column.dtype() {
            DataType::String => column.str().unwrap().iter().map(|kind| kind.unwrap()[1..].parse().unwrap()).collect(),
            _ => column.cast(&DataType::Float64).unwrap().f64().unwrap().iter().map(|v| v.unwrap_or(0.0)).collect(),
        };
        let sum: f64 = values.iter().zip(1..).map(|(value, row)| value * f64::from(row)).sum();
        assert!((sum - expected).abs() < 1e-6, "{name}: {sum} is not pandas' {expected}");
    }
}
