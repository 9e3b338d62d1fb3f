//! Models of every kind that LightGBM trains, on small made-up tables, and rows that go to their edges.

use crate::library;
use crate::random::Random;

/// A table to learn from. Columns 2 and 3 are categories.
pub struct Table {
    pub columns: Vec<Vec<f64>>,
    signal: Vec<f64>,
}

impl Table {
    pub fn new(random: &mut Random, rows: usize) -> Table {
        let mut columns = vec![Vec::new(); 7];
        let mut signal = Vec::new();
        for _ in 0..rows {
            let wide = random.share() * 20.0 - 10.0;
            let counts = random.below(6) as f64 - 2.0;
            let few = random.below(12) as f64;
            let many = if random.below(9) == 0 { 900.0 + random.below(70) as f64 } else { random.below(50) as f64 };
            let skewed = (random.share() * 8.0 - 4.0).exp();
            let gaps = random.share();
            signal.push(
                (wide / 3.0).sin() * 2.0
                    + counts * 0.4
                    + (few * 7.0) % 5.0 * 0.3
                    + (many * 3.0) % 11.0 * 0.2
                    + skewed.ln() * 0.3
                    + if gaps < 0.3 { 1.0 } else { -gaps }
                    + random.share(),
            );
            columns[0].push(if random.below(20) == 0 { f64::NAN } else { wide });
            columns[1].push(counts);
            columns[2].push(if random.below(15) == 0 { f64::NAN } else { few });
            columns[3].push(many);
            columns[4].push(if random.below(8) == 0 { 0.0 } else { skewed });
            columns[5].push(if gaps < 0.3 { f64::NAN } else { gaps });
            columns[6].push(random.below(3) as f64 * 1e-36);
        }
        Table { columns, signal }
    }

    fn label(&self, objective: &str, random: &mut Random) -> Vec<f32> {
        let class = |signal: &f64, classes: usize| ((signal * 1.7 + 5.0).max(0.0) as usize % classes) as f32;
        let mut label = |signal: &f64| match objective {
            "binary" => f32::from(u8::from(*signal > 0.0)),
            "cross_entropy" | "cross_entropy_lambda" => (1.0 / (1.0 + (-signal).exp())) as f32,
            "multiclass" | "multiclassova" => class(signal, 4),
            "lambdarank" | "rank_xendcg" => class(signal, 5),
            "poisson" => signal.exp().min(50.0).round() as f32,
            "gamma" => signal.exp() as f32 + 0.01,
            "tweedie" => {
                if random.below(3) == 0 {
                    0.0
                } else {
                    signal.exp() as f32
                }
            }
            _ => (signal * 10.0) as f32,
        };
        self.signal.iter().map(&mut label).collect()
    }
}

/// What is trained: objective and further parameters.
pub const KINDS: &[&str] = &[
    "objective=binary",
    "objective=binary sigmoid=0.7 is_unbalance=true",
    "objective=binary boosting=rf bagging_fraction=0.6 bagging_freq=1 feature_fraction=0.7",
    "objective=binary boosting=dart drop_rate=0.4",
    "objective=binary data_sample_strategy=goss learning_rate=0.3",
    "objective=binary zero_as_missing=true",
    "objective=binary use_missing=false",
    "objective=binary max_cat_to_onehot=20 min_data_per_group=1",
    "objective=binary max_depth=2",
    "objective=binary linear_tree=true",
    "objective=regression",
    "objective=regression reg_sqrt=true zero_as_missing=true",
    "objective=regression linear_tree=true linear_lambda=0.1",
    "objective=regression linear_tree=true use_missing=false",
    "objective=regression boosting=rf bagging_fraction=0.7 bagging_freq=1",
    "objective=regression boosting=dart reg_sqrt=true",
    "objective=regression boost_from_average=false use_quantized_grad=true",
    "objective=regression monotone_constraints=1,0,0,0,-1,0,0",
    "objective=regression min_data_in_leaf=390",
    "objective=regression_l1",
    "objective=quantile alpha=0.9",
    "objective=quantile alpha=0.1 zero_as_missing=true",
    "objective=huber reg_sqrt=true",
    "objective=fair",
    "objective=mape",
    "objective=poisson",
    "objective=gamma",
    "objective=tweedie tweedie_variance_power=1.3",
    "objective=cross_entropy",
    "objective=cross_entropy_lambda",
    "objective=multiclass num_class=4",
    "objective=multiclass num_class=4 boosting=rf bagging_fraction=0.7 bagging_freq=1",
    "objective=multiclass num_class=4 boosting=dart zero_as_missing=true",
    "objective=multiclassova num_class=4 sigmoid=1.3",
    "objective=lambdarank",
    "objective=rank_xendcg",
];

/// A model of a kind, with trees of a size that is drawn; its text and the table.
pub fn model(kind: &str, random: &mut Random) -> (String, Table) {
    let rows = 400;
    let table = Table::new(random, rows);
    let objective = kind.split(' ').next().unwrap().trim_start_matches("objective=");
    let label = table.label(objective, random);
    let leaves = *random.of(&[2, 3, 5, 8, 16, 31, 32, 33, 50, 64, 65, 90, 150, 300]);
    let least = *random.of(&[1, 2, 5, 20]);
    let rounds = *random.of(&[1, 3, 8, 20]);
    let seed = random.below(10_000);
    let given = |name: &str| kind.contains(name);
    let mut parameters = format!(
        "{kind} seed={seed} categorical_feature=2,3 cat_smooth=1 min_sum_hessian_in_leaf=1e-6 \
         min_data_in_bin=1 num_threads=1 deterministic=true force_row_wise=true verbosity=-1"
    );
    for (name, value) in [
        ("num_leaves", leaves.to_string()),
        ("min_data_in_leaf", least.to_string()),
        ("min_data_per_group", "3".to_owned()),
        ("learning_rate", "0.2".to_owned()),
        ("max_bin", random.of(&["255", "16", "400"]).to_string()),
    ] {
        if !given(name) {
            parameters.push_str(&format!(" {name}={value}"));
        }
    }
    let groups = vec![20; rows / 20];
    let groups = (objective == "lambdarank" || objective == "rank_xendcg").then_some(&groups[..]);
    (library::train(&table.columns, &label, groups, &parameters, rounds), table)
}

/// Values of one feature that rows are made of: those it was trained on, its thresholds and their neighbours, and the edges
/// of numbers.
fn pool(text: &str, table: &Table, feature: usize) -> Vec<f64> {
    let mut pool = vec![
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1e-36,
        -1e-36,
        1.000_000_001_800_250_9e-35,
        -1.000_000_001_800_250_9e-35,
        1e-34,
        -1e-34,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::MIN,
        -1.0,
        -0.5,
        0.5,
        0.999_999_999,
        -0.999_999_999,
        11.5,
        31.0,
        32.0,
        63.0,
        64.0,
        970.0,
        1e6,
        2_147_483_647.0,
        2_147_483_647.5,
        2_147_483_648.0,
        -2_147_483_648.0,
        4_294_967_296.0,
        4_294_967_297.0,
        1e19,
        1e300,
    ];
    let list = |line: &str| line.split_once('=').unwrap().1.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("split_feature=")) {
        let thresholds = lines[at..].iter().find(|line| line.starts_with("threshold=")).unwrap();
        for (split, threshold) in list(line).iter().zip(list(thresholds)) {
            if split.parse() == Ok(feature) {
                let threshold: f64 = threshold.parse().unwrap();
                pool.extend([threshold, threshold.next_up(), threshold.next_down(), -threshold]);
            }
        }
    }
    pool.extend(&table.columns[feature]);
    pool
}

/// Rows of whatever values, row after row, and the same by columns.
pub fn rows(text: &str, table: &Table, random: &mut Random, count: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let features = table.columns.len();
    let pools: Vec<Vec<f64>> = (0..features).map(|feature| pool(text, table, feature)).collect();
    let mut rows = Vec::with_capacity(count * features);
    for _ in 0..count {
        // Some rows are as they were trained on, but for one value.
        let known = random.below(3) == 0;
        let (row, changed) = (random.below(table.columns[0].len()), random.below(features));
        for (feature, (pool, column)) in pools.iter().zip(&table.columns).enumerate() {
            rows.push(if known && feature != changed { column[row] } else { *random.of(pool) });
        }
    }
    let columns = (0..features).map(|feature| rows[feature..].iter().step_by(features).copied().collect()).collect();
    (rows, columns)
}
