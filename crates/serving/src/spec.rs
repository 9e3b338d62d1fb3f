//! `resources/<pipeline>/serve.yaml`: what a pipeline's server answers, and how.

use std::path::Path;

use schemars::JsonSchema;
use score::Version;
use serde::{Deserialize, Deserializer};
use spec::{Environment, Error, Length, Map, Result, Root};

/// `resources/<pipeline>/serve.yaml`: what the server answers for the pipeline.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServeSpec {
    /// The table of the features stage whose rows are found by their key. Default: `scoring`.
    #[serde(default = "scoring")]
    pub table: String,
    /// What happens to a category that the model never saw, in a request that gives features. Default: `refuse`. Stored
    /// features are scored as `predict` scores them: such a category is a missing value.
    #[serde(default)]
    pub unknown_categories: UnknownCategories,
    /// The versions that answer, by name, and their shares. Default: `production` alone.
    #[serde(default)]
    pub arms: Map<ArmSpec>,
    /// Mixed into the hash that decides which arm a visitor gets: another text, another division. Default: the name of the
    /// pipeline.
    #[serde(default)]
    pub salt: Option<String>,
    /// Columns with personal data: how the journal keeps their values. `key` and `unit` may be named too.
    #[serde(default)]
    pub mask: Map<Mask>,
    /// Mixed into the hashes of `mask`, so that values cannot be found by trying all of them. Required if a column is
    /// hashed; give it as `${NAME}`.
    #[serde(default)]
    pub mask_key: Option<String>,
    /// Largest number of rows of one request, from 1. Default: 10,000.
    #[serde(default = "ten_thousand")]
    pub max_rows: usize,
    /// Most reasons that a request may ask for. Default: 10.
    #[serde(default = "ten")]
    pub max_reasons: usize,
    /// How the request log is kept.
    #[serde(default)]
    pub journal: JournalSpec,
    /// Which results are answered under `/api/v1/results`.
    #[serde(default)]
    pub results: ResultsSpec,
    /// What a version must reproduce before it answers anybody.
    #[serde(default)]
    pub health_check: HealthCheck,
    /// How a newly promoted version takes over.
    #[serde(default)]
    pub rollout: Rollout,
}

fn scoring() -> String {
    "scoring".to_owned()
}
fn ten_thousand() -> usize {
    10_000
}
fn ten() -> usize {
    10
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownCategories {
    /// 422, with the nearest category that the model knows.
    #[default]
    Refuse,
    /// Scored as a missing value.
    Missing,
}

/// One of the versions that answer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArmSpec {
    /// `production`, `staging`, or a version such as `v7`. Default: the name of the arm. An arm whose version does not exist
    /// gives its share to the first one.
    #[serde(default)]
    pub version: Option<ArmVersion>,
    /// The share of visitors that it answers, from 0 to 1. Default: what the others leave.
    #[serde(default)]
    pub share: Option<f64>,
    /// Whether it scores every request for the log alone, beside the arm that answers. Default: false.
    #[serde(default)]
    pub shadow: bool,
}

/// Which version an arm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmVersion {
    Production,
    Staging,
    Version(Version),
}

impl std::str::FromStr for ArmVersion {
    type Err = Error;
    fn from_str(text: &str) -> Result<ArmVersion> {
        match text {
            "production" => Ok(ArmVersion::Production),
            "staging" => Ok(ArmVersion::Staging),
            version => version.parse().map(ArmVersion::Version).map_err(|_| {
                Error::cannot_run(format!("'{version}' names no version"))
                    .hint("write production, staging, or v1, v2, …")
            }),
        }
    }
}

impl<'de> Deserialize<'de> for ArmVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ArmVersion, D::Error> {
        spec::read_text(deserializer, "production, staging, or a version such as v7", str::parse)
    }
}

impl JsonSchema for ArmVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ArmVersion".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(production|staging|v[1-9][0-9]*)$" })
    }
}

/// How the journal keeps the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Not at all.
    Remove,
    /// As a keyed BLAKE3 hash: equal values stay equal.
    Hash,
}

/// How long the request log stays in the journal.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSpec {
    /// How long requests stay in the journal before they become an artifact. Default: 1h.
    pub seal_every: Length,
    /// Entries after which they become one at once. Default: 500,000.
    pub seal_entries: u64,
}

impl Default for JournalSpec {
    fn default() -> JournalSpec {
        JournalSpec { seal_every: Length::hours(1), seal_entries: 500_000 }
    }
}

/// Results of the stage `predict`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResultsSpec {
    /// The table. Its first column is the key. Default: `scores`.
    pub table: String,
    /// A table in PostgreSQL that the results are delivered to: they are read from there instead of the files of `predict`.
    /// Earlier predictions of a key still come from the files.
    pub postgres: Option<PostgresSpec>,
}

/// A table in PostgreSQL.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresSpec {
    /// `postgres://user:password@host:5432/database`, given as `${NAME}`; `sslmode` and `sslrootcert` as for the source
    /// `postgres` of `ingest`. The user needs to read this table alone.
    pub url: String,
    /// The table or view, with its schema if need be: `public.scores`.
    pub table: String,
    /// The column of the key. Default: the first one.
    #[serde(default)]
    pub key: Option<String>,
}

impl std::fmt::Debug for PostgresSpec {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresSpec({})", self.table)
    }
}

impl Default for ResultsSpec {
    fn default() -> ResultsSpec {
        ResultsSpec { table: "scores".to_owned(), postgres: None }
    }
}

/// Before a version answers, it scores rows of its own test again.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Rows of the test that are scored again and compared bit for bit, from 1. Default: 100.
    pub rows: usize,
    /// Whether a version may answer if the table that it learned from is no longer there to compare with. Default: refuse.
    pub without_rows: WithoutRows,
}

impl Default for HealthCheck {
    fn default() -> HealthCheck {
        HealthCheck { rows: 100, without_rows: WithoutRows::Refuse }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithoutRows {
    #[default]
    Refuse,
    Accept,
}

/// How a newly promoted version takes over from the one before.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// The share that it answers first, above 0 and up to 1; with 1 it answers all at once. Default: 0.01.
    pub smoke_share: f64,
    /// For how long, before it answers all. Default: 5m.
    pub smoke_for: Length,
    /// The share of its answers that may fail, within `watch_for`, before the earlier version is put back. Default: 0.01.
    pub max_errors: f64,
    /// The latency that 95 of 100 answers must keep. Default: 500ms.
    pub max_p95: Length,
    /// Answers before the two are judged, from 1. Default: 20.
    pub min_answers: u64,
    /// How long after its promotion it is watched in this way. Default: 24h.
    pub watch_for: Length,
}

impl Default for Rollout {
    fn default() -> Rollout {
        Rollout {
            smoke_share: 0.01,
            smoke_for: Length::minutes(5),
            max_errors: 0.01,
            max_p95: Length::milliseconds(500),
            min_answers: 20,
            watch_for: Length::hours(24),
        }
    }
}

/// The name of the spec file in a pipeline's folder.
pub const FILE: &str = "serve.yaml";

impl ServeSpec {
    /// Reads `text`, the content of `file`.
    pub fn parse(text: &str, file: &Path, env: &Environment) -> Result<ServeSpec> {
        let spec: ServeSpec = spec::parse(text, file, env)?.spec;
        match spec.fault() {
            Some(fault) => Err(fault.placed(text, file)),
            None => Ok(spec),
        }
    }

    /// Reads the spec of a pipeline.
    pub fn load(root: &Root, pipeline: &spec::Name, env: &Environment) -> Result<ServeSpec> {
        let file = root.spec(pipeline, spec::Tool::Serve)?;
        ServeSpec::parse(&spec::text_of(root, &file)?, &file, env)
    }

    fn fault(&self) -> Option<Error> {
        let outside = |share: f64| !(0.0..=1.0).contains(&share);
        let share =
            |error: f64| Error::cannot_run(format!("{error} is not a share")).hint("write a number from 0 to 1");
        for (key, value) in [("smoke_share", self.rollout.smoke_share), ("max_errors", self.rollout.max_errors)] {
            if outside(value) {
                return Some(share(value).at(key).at("rollout"));
            }
        }
        // A zero in these would switch off a safety without a word, or refuse every request.
        let zeros = [
            ("health_check", "rows", self.health_check.rows == 0, "nothing would be compared", "100"),
            ("rollout", "smoke_share", self.rollout.smoke_share == 0.0, "the version would not be tried", "0.01"),
            ("rollout", "min_answers", self.rollout.min_answers == 0, "there would be nothing to judge", "20"),
            ("journal", "seal_entries", self.journal.seal_entries == 0, "there is nothing to seal", "500000"),
            ("", "max_rows", self.max_rows == 0, "no request could be answered", "10000"),
        ];
        if let Some((part, key, _, why, default)) = zeros.into_iter().find(|(_, _, is_zero, ..)| *is_zero) {
            let error = Error::cannot_run(format!("0 is too little: {why}"));
            let error = error.hint(format!("write a number above 0, or leave it out (default: {default})")).at(key);
            return Some(if part.is_empty() { error } else { error.at(part) });
        }
        let mut sum = 0.0;
        for (name, arm) in self.arms.iter() {
            if let Some(value) = arm.share {
                if outside(value) {
                    return Some(share(value).at("share").at(name).at("arms"));
                }
                sum += value;
                if arm.shadow {
                    let error =
                        Error::cannot_run("a shadow answers no visitors").hint("leave out 'share', or 'shadow'");
                    return Some(error.at("share").at(name).at("arms"));
                }
            }
            if arm.version.is_none()
                && let Err(error) = name.parse::<ArmVersion>()
            {
                return Some(error.at(name).at("arms"));
            }
        }
        let answering = || self.arms.iter().filter(|(_, arm)| !arm.shadow);
        if sum > 1.0 + 1e-9 {
            let error = Error::cannot_run(format!("the shares sum up to {sum}, which is more than 1"));
            return Some(error.hint("lower them").at("arms"));
        }
        if !self.arms.is_empty() && answering().next().is_none() {
            return Some(Error::cannot_run("no arm answers").hint("add `production: {}`").at("arms"));
        }
        let open = answering().filter(|(_, arm)| arm.share.is_none()).count();
        if open > 1 || open == 0 && !self.arms.is_empty() && sum < 1.0 - 1e-9 {
            let error = Error::cannot_run("the shares leave open who answers the rest");
            return Some(error.hint("give all but one arm a share, or all of them shares that sum up to 1").at("arms"));
        }
        let hashes = self.mask.iter().any(|(_, mask)| *mask == Mask::Hash);
        if hashes && self.mask_key.as_deref().is_none_or(|key| key.len() < 16) {
            let error = Error::cannot_run("hashes of personal data need a key of at least 16 characters");
            return Some(error.hint("write `mask_key: ${SERVE_MASK_KEY}` and set the variable").at("mask"));
        }
        None
    }

    /// The arms in order, the answering ones with their shares.
    pub fn arms(&self) -> Vec<(String, ArmVersion, ArmShare)> {
        if self.arms.is_empty() {
            return vec![("production".to_owned(), ArmVersion::Production, ArmShare::Answers(1.0))];
        }
        let given: f64 = self.arms.iter().filter_map(|(_, arm)| arm.share).sum();
        let arm = |(name, arm): (&str, &ArmSpec)| {
            let which = arm.version.or_else(|| name.parse().ok()).unwrap_or(ArmVersion::Production);
            let share = match arm.shadow {
                true => ArmShare::Shadow,
                false => ArmShare::Answers(arm.share.unwrap_or((1.0 - given).max(0.0))),
            };
            (name.to_owned(), which, share)
        };
        self.arms.iter().map(arm).collect()
    }
}

/// What an arm does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArmShare {
    /// Answers this share of visitors.
    Answers(f64),
    /// Scores for the log alone.
    Shadow,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ServeSpec> {
        ServeSpec::parse(text, Path::new("serve.yaml"), &Environment::default())
    }

    fn failure(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn shares_leave_nothing_open() {
        let spec =
            read("arms:\n  production: {}\n  staging: {share: 0.1}\n  next: {version: v7, shadow: true}\n").unwrap();
        let arms = spec.arms();
        assert_eq!(arms[0], ("production".to_owned(), ArmVersion::Production, ArmShare::Answers(0.9)));
        assert_eq!(arms[1], ("staging".to_owned(), ArmVersion::Staging, ArmShare::Answers(0.1)));
        assert_eq!(arms[2], ("next".to_owned(), ArmVersion::Version("v7".parse().unwrap()), ArmShare::Shadow));
        assert_eq!(read("table: scoring\n").unwrap().arms().len(), 1);
    }

    #[test]
    fn faults_are_placed() {
        assert_eq!(failure("tabel: x\n"), "serve.yaml:1:1: unknown key 'tabel'; did you mean 'table'?");
        assert_eq!(
            failure("arms:\n  production: {share: 0.5}\n  staging: {share: 0.7}\n"),
            "serve.yaml:1:1: arms: the shares sum up to 1.2, which is more than 1; lower them"
        );
        assert_eq!(
            failure("arms:\n  production: {share: 2}\n"),
            "serve.yaml:2:16: arms.production.share: 2 is not a share; write a number from 0 to 1"
        );
        assert_eq!(
            failure("arms:\n  production: {share: 0.5}\n"),
            "serve.yaml:1:1: arms: the shares leave open who answers the rest; give all but one arm a share, or all of them \
             shares that sum up to 1"
        );
        for (text, error) in [
            (
                "health_check: {rows: 0}\n",
                "serve.yaml:1:16: health_check.rows: 0 is too little: nothing would be compared; write a number above 0, or leave it out (default: 100)",
            ),
            (
                "rollout: {smoke_share: 0}\n",
                "serve.yaml:1:11: rollout.smoke_share: 0 is too little: the version would not be tried; write a number above 0, or leave it out (default: 0.01)",
            ),
            (
                "rollout: {min_answers: 0}\n",
                "serve.yaml:1:11: rollout.min_answers: 0 is too little: there would be nothing to judge; write a number above 0, or leave it out (default: 20)",
            ),
            (
                "journal: {seal_entries: 0}\n",
                "serve.yaml:1:11: journal.seal_entries: 0 is too little: there is nothing to seal; write a number above 0, or leave it out (default: 500000)",
            ),
            (
                "max_rows: 0\n",
                "serve.yaml:1:1: max_rows: 0 is too little: no request could be answered; write a number above 0, or leave it out (default: 10000)",
            ),
        ] {
            assert_eq!(failure(text), error);
        }
        assert!(read("rollout: {max_errors: 0}\nmax_reasons: 0\n").is_ok(), "none may fail; no reasons are given");
        assert_eq!(
            failure("arms:\n  production: {}\n  new: {share: 0.5}\n"),
            "serve.yaml:3:3: arms.new: 'new' names no version; write production, staging, or v1, v2, …"
        );
        assert_eq!(
            failure("mask: {key: hash}\n"),
            "serve.yaml:1:1: mask: hashes of personal data need a key of at least 16 characters; write `mask_key: \
             ${SERVE_MASK_KEY}` and set the variable"
        );
    }

    #[test]
    fn mangled_specs_are_read_or_refused_with_their_place() {
        testkit::mangle("serve", |text| read(text).map(drop).map_err(|error| error.to_string()));
    }
}
