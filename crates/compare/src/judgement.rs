//! What a look at a comparison found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::words;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The challenger is better: it should go into production.
    #[serde(rename = "promote")]
    Promote,
    /// The version in production stays, and the challenger is given up.
    #[serde(rename = "keep")]
    Keep,
    /// Not known yet.
    #[serde(rename = "more data")]
    MoreData,
    /// The division of keys is faulty: nothing can be concluded, now or later.
    #[serde(rename = "stop: sample ratio")]
    SampleRatio,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Promote => "promote",
            Verdict::Keep => "keep",
            Verdict::MoreData => "more data",
            Verdict::SampleRatio => "stop: sample ratio",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of a look, with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    pub verdict: Verdict,
    /// The reason, in a sentence for people who know no statistics.
    pub why: String,
    /// The arm and version in production.
    pub control: String,
    pub control_version: String,
    /// Of several challengers the one that the verdict is about.
    pub challenger: String,
    pub challenger_version: String,
    /// When the comparison began, and the newest request, in microseconds since 1970.
    pub from: i64,
    pub to: i64,
    pub sample_ratio: SampleRatio,
    /// Every challenger against the control, in the order of the spec.
    pub arms: Vec<ArmJudgement>,
    /// What people should know of the data.
    pub notes: Vec<String>,
}

/// Whether the arms got the keys that they should have got.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SampleRatio {
    /// By arm, in the order of the spec.
    pub keys: Vec<u64>,
    pub shares: Vec<f64>,
    /// Keys that were seen in several arms.
    pub mixed_keys: u64,
    /// Chi-square, and how probable one as large is by chance; none with too few keys.
    pub chi_square: Option<f64>,
    pub p: Option<f64>,
}

/// One challenger against the control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmJudgement {
    pub arm: String,
    pub version: String,
    pub verdict: Verdict,
    pub why: String,
    pub primary: Compared,
    pub secondary: Vec<Compared>,
    pub guardrails: Vec<GuardrailResult>,
    /// How much more data it takes; none where that cannot be computed, or where no more is needed.
    pub need: Option<Need>,
}

/// One outcome of two arms. Differences are challenger minus control.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub outcome: String,
    /// `rate` or `mean`.
    pub measure: &'static str,
    pub control_keys: u64,
    pub challenger_keys: u64,
    pub control: f64,
    pub challenger: f64,
    pub difference: f64,
    /// The difference as a share of the control's mean; none if that is 0.
    pub relative: Option<f64>,
    /// By the sequential test: holds at all looks together.
    pub sequential: Tested,
    /// By the fixed-horizon test: holds for one planned look.
    pub fixed: Tested,
}

/// An interval of the difference, and the p-value. Unknown ends are missing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tested {
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub p: f64,
}

/// A limit of a challenger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GuardrailResult {
    /// What is limited, such as `failed requests`.
    pub what: String,
    pub value: f64,
    pub limit: f64,
    /// Whether there is enough to measure it by.
    #[serde(skip)]
    pub is_known: bool,
    /// Whether the measured value is known, and keeps it.
    pub held: bool,
    /// Whether it is surely broken.
    pub broken: bool,
    /// Whether value and limit are shares.
    #[serde(skip)]
    pub is_share: bool,
}

/// How much more data a challenger needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Need {
    /// Keys of control and challenger together, those that are there included.
    pub keys: u64,
    /// How many of them are missing.
    pub more_keys: u64,
    /// How many would be missing if the improvement measured so far were the true one; none if that is no larger than what the
    /// comparison is made to find.
    pub more_if_measured: Option<u64>,
    /// How many days that takes at the rate so far; none if it is not known.
    pub days: Option<f64>,
}

impl GuardrailResult {
    /// `failed requests 0.3 %, at most 1 % is allowed`
    pub fn in_words(&self) -> String {
        words::limit(self)
    }
}

impl Judgement {
    /// The challenger that the verdict is about.
    pub fn arm(&self) -> Option<&ArmJudgement> {
        self.arms.iter().find(|arm| arm.arm == self.challenger)
    }

    /// The numbers that decided, by name, for the log of decisions. All are finite.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        let mut add = |name: &str, value: Option<f64>| {
            metrics.extend(value.filter(|value| value.is_finite()).map(|value| (name.to_owned(), value)));
        };
        add("sample_ratio_p", self.sample_ratio.p);
        add("mixed_keys", Some(self.sample_ratio.mixed_keys as f64));
        if let Some(arm) = self.arm() {
            let primary = &arm.primary;
            add("control_keys", Some(primary.control_keys as f64));
            add("challenger_keys", Some(primary.challenger_keys as f64));
            add("control", Some(primary.control));
            add("challenger", Some(primary.challenger));
            add("difference", Some(primary.difference));
            add("improvement", primary.relative);
            for (name, tested) in [("sequential", primary.sequential), ("fixed", primary.fixed)] {
                add(&format!("{name}_p"), Some(tested.p));
                add(&format!("{name}_low"), tested.low);
                add(&format!("{name}_high"), tested.high);
            }
            add("more_keys", arm.need.map(|need| need.more_keys as f64));
        }
        metrics
    }
}
