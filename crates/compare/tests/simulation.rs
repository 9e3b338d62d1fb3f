//! What a comparison that is looked at every day gets wrong, and what it finds: by simulation.
//!
//! Visitors are invented here, one by one, and reach the judge as rows of requests and outcomes. Nothing of what the judge
//! computes with is used to invent them.

use compare::{CompareSpec, Counts, Judgement, OutcomeRow, RequestRow, Verdict, judge};
use testkit::Random;

const DAY: i64 = 86_400_000_000;
const DAYS: i64 = 28;

/// A visitor: when it came, which arm it got, and when it signed, for how much.
struct Visitor {
    key: String,
    came: i64,
    challenger: bool,
    signed: Option<(i64, f64)>,
}

struct World {
    per_day: u64,
    /// How many of a thousand get the challenger.
    share: u64,
    /// How many of ten thousand sign, in the control and with the challenger.
    rates: [u64; 2],
    /// What a signature is worth: each of these is as likely.
    worth: &'static [f64],
}

/// Where only the fact of a contract counts.
const ONE: &[f64] = &[1.0];

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
                let signed = signs.then(|| (came + random.below(3 * 86_400) as i64 * 1_000_000, random.of(self.worth)));
                visitors.push(Visitor { key: format!("{day}-{number}"), came, challenger, signed });
            }
        }
        visitors
    }
}

/// The look at the end of `day`; `None` if an arm has had no visitor yet.
fn look(spec: &CompareSpec, visitors: &[Visitor], day: i64) -> Option<Judgement> {
    let now = (day + 1) * DAY;
    let here = &visitors[..visitors.partition_point(|visitor| visitor.came < now)];
    let counts = Counts::of(
        spec,
        |take| {
            for Visitor { key, came, challenger, .. } in here {
                let (arm, version) = if *challenger { ("staging", "v2") } else { ("production", "v1") };
                take(RequestRow {
                    time: *came,
                    request_id: None,
                    key: Some(key),
                    arm: Some(arm),
                    version: Some(version),
                    status: 200,
                    latency_us: Some(900),
                });
            }
            Ok(())
        },
        |take| {
            for visitor in here {
                if let Some((time, value)) = visitor.signed.filter(|(time, _)| *time < now) {
                    take(OutcomeRow {
                        time,
                        request_id: None,
                        key: Some(&visitor.key),
                        name: "sign",
                        value,
                        text: None,
                    });
                }
            }
            Ok(())
        },
    );
    Some(judge(spec, &counts.ok()?))
}

/// How many of the comparisons ended in each way.
#[derive(Debug, Default)]
struct Ends {
    promoted: u32,
    kept: u32,
    open: u32,
    stopped: u32,
    /// In how many a fixed-horizon test, looked at as often, would have found a difference.
    misused: u32,
}

/// Runs comparisons that are looked at every day and end with the first verdict that is not `more data`.
fn run(spec: &CompareSpec, world: &World, comparisons: u64) -> Ends {
    let mut ends = Ends::default();
    for number in 0..comparisons {
        let visitors = world.visitors(1_000 + number);
        let (mut misused, mut last) = (false, Verdict::MoreData);
        for day in 0..DAYS {
            let Some(found) = look(spec, &visitors, day) else { continue };
            misused |= found.arms[0].primary.fixed.p < spec.alpha;
            last = found.verdict;
            if last != Verdict::MoreData {
                break;
            }
        }
        ends.misused += u32::from(misused);
        match last {
            Verdict::Promote => ends.promoted += 1,
            Verdict::Keep => ends.kept += 1,
            Verdict::MoreData => ends.open += 1,
            Verdict::SampleRatio => ends.stopped += 1,
        }
    }
    ends
}

fn spec(more: &str) -> CompareSpec {
    let text = format!("arms: {{production: 0.7, staging: 0.3}}\nprimary: {{outcome: sign}}\nleast_keys: 20\n{more}\n");
    spec::parse(&text, std::path::Path::new("release.yaml"), &Default::default()).expect("a spec").spec
}

#[test]
fn equal_arms_that_are_looked_at_every_day_are_hardly_ever_told_apart() {
    for rate in [1000, 300] {
        // Without a least improvement, so that nothing but the test keeps a challenger from being promoted.
        let world = World { per_day: 60, share: 300, rates: [rate, rate], worth: ONE };
        let ends = run(&spec("least_improvement: 0"), &world, 1000);
        // α is 0.05 for both directions together.
        assert!(ends.promoted + ends.kept <= 50, "{ends:?}");
        // The sample ratio is looked at as often, at 0.001.
        assert!(ends.stopped <= 20, "{ends:?}");
        // The same looks at a test that is made for one are wrong far more often: the simulation can tell.
        assert!(ends.misused > 120, "{ends:?}");
    }
}

#[test]
fn equal_arms_are_hardly_ever_told_apart_by_sums_that_few_visitors_have() {
    // Of a thousand visitors the smaller arm gets a hundred, of whom one or two buy something: often none for days.
    let text = "arms: {production: 0.9, staging: 0.1}\nprimary: {outcome: sign, measure: mean}\nleast_improvement: 0\n";
    let spec = spec::parse(text, std::path::Path::new("release.yaml"), &Default::default()).expect("a spec").spec;
    for (rate, worth) in [(100, ONE), (200, &[5.0, 8.0, 10.0, 12.0, 20.0, 40.0, 90.0, 400.0][..])] {
        let world = World { per_day: 100, share: 100, rates: [rate, rate], worth };
        let ends = run(&spec, &world, 200);
        assert!(ends.promoted + ends.kept <= 10, "{rate}: {ends:?}");
        assert!(ends.misused > 24, "{rate}: {ends:?}");
    }
}

#[test]
fn equal_arms_of_few_visitors_are_hardly_ever_told_apart() {
    let text = "arms: {production: 0.5, staging: 0.5}\nprimary: {outcome: sign, measure: mean}\nleast_keys: 2\nleast_improvement: 0\n";
    let spec = spec::parse(text, std::path::Path::new("release.yaml"), &Default::default()).expect("a spec").spec;
    let world = World { per_day: 4, share: 500, rates: [10_000; 2], worth: &[1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 9.0] };
    let ends = run(&spec, &world, 400);
    assert!(ends.promoted + ends.kept <= 20, "{ends:?}");
}

#[test]
fn a_better_version_is_found() {
    let world = World { per_day: 60, share: 300, rates: [1000, 2000], worth: ONE };
    let ends = run(&spec(""), &world, 200);
    assert!(ends.promoted >= 180 && ends.kept == 0, "{ends:?}");
}

#[test]
fn a_small_lift_is_found_with_the_traffic_that_the_docs_name() {
    // Of 100 visitors 10 sign, with the better version 12: docs/releasing.md names the visitors that this takes.
    let world = World { per_day: 17_000 / DAYS as u64, share: 500, rates: [1000, 1200], worth: ONE };
    let text = "arms: {production: 0.5, staging: 0.5}\nprimary: {outcome: sign}\n";
    let spec = spec::parse(text, std::path::Path::new("release.yaml"), &Default::default()).expect("a spec").spec;
    let ends = run(&spec, &world, 40);
    // 80 of 100 by the power; of 40 comparisons at least 25 with a probability of 99 %.
    assert!(ends.promoted >= 25 && ends.kept == 0, "{ends:?}");
}
