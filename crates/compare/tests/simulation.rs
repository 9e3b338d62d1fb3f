//! What a comparison that is looked at every day gets wrong, and what it finds: by simulation.
//!
//! Visitors are invented here, one by one, and reach the judge as rows of requests and outcomes. Nothing of what the judge
//! computes with is used to invent them.

use compare::{CompareSpec, Counts, OutcomeRow, RequestRow, Verdict, judge};
use testkit::Random;

const DAY: i64 = 86_400_000_000;
const DAYS: i64 = 28;

/// A visitor: when it came, which arm it got, and when it signed.
struct Visitor {
    key: String,
    came: i64,
    challenger: bool,
    signed: Option<i64>,
}

struct World {
    per_day: u64,
    /// How many of a thousand get the challenger.
    share: u64,
    /// How many of ten thousand sign, in the control and with the challenger.
    rates: [u64; 2],
}

impl World {
    /// Four weeks of visitors, in order of their arrival. They sign up to three days later.
    fn visitors(&self, seed: u64) -> Vec<Visitor> {
        let mut random = Random::seeded(seed);
        let mut visitors = Vec::new();
        for day in 0..DAYS {
            for number in 0..self.per_day {
                let challenger = random.below(1000) < self.share;
                let came = day * DAY + (number as i64) * (DAY / self.per_day as i64);
                let signs = random.below(10_000) < self.rates[usize::from(challenger)];
                let signed = signs.then(|| came + random.below(3 * 86_400) as i64 * 1_000_000);
                visitors.push(Visitor { key: format!("{day}-{number}"), came, challenger, signed });
            }
        }
        visitors
    }
}

/// The verdict of the look at the end of `day`.
fn look(spec: &CompareSpec, visitors: &[Visitor], day: i64) -> Verdict {
    let now = (day + 1) * DAY;
    let here = &visitors[..visitors.partition_point(|visitor| visitor.came < now)];
    let counts = Counts::of(
        spec,
        |take| {
            for Visitor { key, came, challenger, .. } in here {
                let (arm, version) = if *challenger { ("staging", "v2") } else { ("production", "v1") };
                let key = Some(key.as_str());
                take(RequestRow {
                    time: *came,
                    request_id: None,
                    key,
                    arm: Some(arm),
                    version,
                    status: 200,
                    latency_us: Some(900),
                });
            }
            Ok(())
        },
        |take| {
            for visitor in here {
                if let Some(time) = visitor.signed.filter(|time| *time < now) {
                    take(OutcomeRow { time, request_id: None, key: Some(&visitor.key), name: "sign", value: 1.0 });
                }
            }
            Ok(())
        },
    );
    judge(spec, &counts.expect("both arms answer every day")).verdict
}

/// How a comparison ends that is looked at on each of these days, and stops at the first verdict that is none of `more data`.
fn ends(spec: &CompareSpec, world: &World, seed: u64, every: usize) -> Verdict {
    let visitors = world.visitors(seed);
    let looks = (0..DAYS).rev().step_by(every).collect::<Vec<_>>();
    let verdicts = looks.into_iter().rev().map(|day| look(spec, &visitors, day));
    let mut last = Verdict::MoreData;
    for verdict in verdicts {
        last = verdict;
        if verdict != Verdict::MoreData {
            break;
        }
    }
    last
}

fn spec(more: &str) -> CompareSpec {
    let text = format!("arms: {{production: 0.7, staging: 0.3}}\nprimary: {{outcome: sign}}\nleast_keys: 20\n{more}\n");
    spec::parse(&text, std::path::Path::new("release.yaml"), &Default::default()).expect("a spec").spec
}

fn count(spec: &CompareSpec, world: &World, comparisons: u64, every: usize) -> [u64; 4] {
    let mut found = [0; 4];
    for seed in 0..comparisons {
        let at = match ends(spec, world, 1_000 + seed, every) {
            Verdict::Promote => 0,
            Verdict::Keep => 1,
            Verdict::MoreData => 2,
            Verdict::SampleRatio => 3,
        };
        found[at] += 1;
    }
    found
}

/// As many comparisons of equal arms as the issue asks for. Without a least improvement, so that nothing but the test keeps
/// a challenger from being promoted.
const COMPARISONS: u64 = 1000;

#[test]
fn equal_arms_that_are_looked_at_every_day_are_hardly_ever_told_apart() {
    for (world, more) in [
        (World { per_day: 60, share: 300, rates: [1000, 1000] }, "least_improvement: 0"),
        (World { per_day: 60, share: 300, rates: [300, 300] }, "least_improvement: 0"),
    ] {
        let [promoted, kept, _, stopped] = count(&spec(more), &world, COMPARISONS, 1);
        // α is 0.05 for both directions together, so 50 of 1,000 may be told apart.
        assert!(promoted + kept <= 50, "promoted {promoted}, kept {kept}");
        assert!(promoted <= 25, "promoted {promoted}");
        // The sample ratio is looked at as often, at 0.001.
        assert!(stopped <= 15, "stopped {stopped}");
        println!("A/A, {:?} of 10,000, daily looks: promoted {promoted}, kept {kept}, stopped {stopped} of 1,000", world.rates);
    }
}

#[test]
fn a_better_version_is_found() {
    // The control signs in 10 %, the challenger in 20 %.
    let world = World { per_day: 60, share: 300, rates: [1000, 2000] };
    let [promoted, kept, open, stopped] = count(&spec(""), &world, 200, 1);
    println!("A/B, 10 % and 20 %, daily looks: promoted {promoted}, kept {kept}, open {open}, stopped {stopped} of 200");
    assert!(promoted >= 160 && kept == 0, "promoted {promoted}, kept {kept}, open {open}");
}
