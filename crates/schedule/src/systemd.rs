//! Units of systemd: a service per pipeline, a timer for its times, a path unit for the stages that it follows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, Offset as _, TimeZone as _, Timelike, Utc};
use spec::{Error, Name, Result, Tool};

use crate::field::Field;
use crate::{Called, Expression, Schedule, TimeZone};

/// How long a run may take to end before systemd kills it.
const GRACE: u64 = 120;

/// For how many years a timer knows the days on which the clocks change.
const YEARS: u32 = 10;

/// Units that come with the package.
const OWN: [&str; 2] = ["serve", "backup"];

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub text: String,
}

/// The units of one pipeline, run as `user`, or as the manager's own user. They are written on the day `today`.
///
/// # Errors
/// Cannot run: they would have the names of units that come with the package.
pub fn units(
    pipeline: &Name,
    schedule: &Schedule,
    called: &Called,
    user: Option<&str>,
    today: NaiveDate,
) -> Result<Vec<Unit>> {
    if OWN.contains(&pipeline.as_str()) {
        let taken = format!("resources/{pipeline}: millrace-{pipeline}.service is a unit of the package");
        return Err(Error::cannot_run(taken).hint("give the pipeline another name, or start it with cron or Airflow"));
    }
    let unit = |kind: &str, text: String| Unit { name: format!("millrace-{pipeline}.{kind}"), text };
    let mut units = vec![unit("service", service(pipeline, schedule, called, user))];
    if let Some(cron) = &schedule.cron {
        units.push(unit("timer", timer(pipeline, cron, schedule, today)));
    }
    if !schedule.after.is_empty() {
        units.push(unit("path", path(pipeline, schedule, called)));
    }
    Ok(units)
}

const HEAD: &str = "# From schedule.yaml, by `millrace schedule --as systemd`.\n";

fn service(pipeline: &Name, schedule: &Schedule, called: &Called, user: Option<&str>) -> String {
    let root = escaped(&called.root.display().to_string());
    let program = quoted(&called.program.display().to_string());
    let user = user.map(|user| format!("User={user}\n")).unwrap_or_default();
    // The run keeps its own limit, with an orderly end; this one is for a run that does not.
    let limit = match schedule.time_out.run {
        Some(run) => format!("{}s", run.duration().as_secs() + GRACE),
        None => "infinity".to_owned(),
    };
    format!(
        "{HEAD}[Unit]\n\
         Description=Millrace pipeline {pipeline}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\n\
         [Service]\n\
         Type=oneshot\n\
         {user}WorkingDirectory={root}\n\
         ExecStart={program} run {pipeline} --scheduled\n\
         TimeoutStartSec={limit}\n\
         TimeoutStopSec={GRACE}s\n\
         UMask=0027\n\
         Nice=5\n\
         NoNewPrivileges=yes\n\
         PrivateTmp=yes\n\
         ProtectSystem=full\n\
         ProtectKernelTunables=yes\n\
         ProtectKernelModules=yes\n\
         ProtectControlGroups=yes\n\
         RestrictSUIDSGID=yes\n\
         LockPersonality=yes\n"
    )
}

fn timer(pipeline: &Name, cron: &Expression, schedule: &Schedule, today: NaiveDate) -> String {
    let on = |times: Vec<String>| times.iter().map(|time| format!("OnCalendar={time}\n")).collect::<String>();
    let mut times = on(calendar(cron, schedule.time_zone));
    let left_out = on(left_out(cron, schedule.time_zone, today));
    if !left_out.is_empty() {
        times +=
            "# Where the clocks change; systemd would leave these out. For ten years: write this file anew by then.\n";
        times += &left_out;
    }
    let persistent = if schedule.catch_up { "yes" } else { "no" };
    format!(
        "{HEAD}[Unit]\n\
         Description=Times of the Millrace pipeline {pipeline}\n\n\
         [Timer]\n\
         {times}Persistent={persistent}\n\
         AccuracySec=1s\n\n\
         [Install]\n\
         WantedBy=timers.target\n"
    )
}

fn path(pipeline: &Name, schedule: &Schedule, called: &Called) -> String {
    let watched = |stage: Tool, of: &Name| called.root.join(stage.folder(of)).join("latest").display().to_string();
    let paths: String = schedule
        .after
        .iter()
        .map(|upstream| format!("PathChanged={}\n", escaped(&watched(upstream.stage, &upstream.pipeline))))
        .collect();
    format!(
        "{HEAD}[Unit]\n\
         Description=Stages that the Millrace pipeline {pipeline} follows\n\n\
         [Path]\n\
         {paths}\n\
         [Install]\n\
         WantedBy=paths.target\n"
    )
}

/// The expression in systemd's words; either of several times. Day and weekday are both required there, and cron
/// requires either.
fn calendar(cron: &Expression, zone: TimeZone) -> Vec<String> {
    let listed = |field: &Field, width: usize| match field.is_any {
        true => "*".to_owned(),
        false => field.values.iter().map(|value| format!("{value:0width$}")).collect::<Vec<_>>().join(","),
    };
    const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let weekdays: Vec<&str> = cron.weekday.values.iter().map(|day| WEEKDAYS[*day as usize]).collect();
    let weekdays = if cron.weekday.is_any { String::new() } else { format!("{} ", weekdays.join(",")) };
    let (month, day) = (listed(&cron.month, 2), listed(&cron.day, 2));
    let time = format!("{}:{}:00 {zone}", listed(&cron.hour, 2), listed(&cron.minute, 2));
    match cron.day.is_any || cron.weekday.is_any {
        true => vec![format!("{weekdays}*-{month}-{day} {time}")],
        false => vec![format!("*-{month}-{day} {time}"), format!("{weekdays}*-{month}-* {time}")],
    }
}

/// The times on days on which the clocks change that systemd leaves out: those after a time that the clock skips, and the
/// second of two that it shows twice.
fn left_out(cron: &Expression, zone: TimeZone, today: NaiveDate) -> Vec<String> {
    let last = today + Months::new(12 * YEARS);
    let mut minutes: BTreeMap<DateTime<Utc>, BTreeSet<u32>> = BTreeMap::new();
    // Seen from UTC, a day and those beside it hold every hour that any zone calls by its date.
    let offset = |day: NaiveDate| zone.0.offset_from_utc_date(&day).fix();
    let changes = |day: &NaiveDate| offset(*day - Days::new(1)) != offset(*day + Days::new(2));
    for day in today.iter_days().take_while(|day| *day < last).filter(changes) {
        let kept = |local| zone.0.from_local_datetime(&local).earliest().map(|time| time.to_utc());
        let kept: BTreeSet<DateTime<Utc>> = cron.shown(day).filter_map(kept).collect();
        for time in cron.times(day, zone.0).difference(&kept) {
            let hour = time.with_minute(0).unwrap_or(*time);
            minutes.entry(hour).or_default().insert(time.minute());
        }
    }
    let line = |(hour, minutes): (DateTime<Utc>, BTreeSet<u32>)| {
        let minutes: Vec<String> = minutes.iter().map(|minute| format!("{minute:02}")).collect();
        format!("{}:{}:00 UTC", hour.format("%Y-%m-%d %H"), minutes.join(","))
    };
    minutes.into_iter().map(line).collect()
}

/// A value in which nothing has a meaning of its own.
fn escaped(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line.
fn quoted(text: &str) -> String {
    let text = escaped(text).replace('$', "$$");
    match text.contains([' ', '"', '\'', '\\', ';']) {
        true => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn schedule(text: &str) -> Schedule {
        spec::parse(text, std::path::Path::new(crate::FILE), &spec::Environment::default()).unwrap().spec
    }

    fn calendar_of(cron: &str) -> Vec<String> {
        calendar(&cron.parse().unwrap(), TimeZone::default())
    }

    #[test]
    fn times_are_those_of_the_expression() {
        assert_eq!(calendar_of("0 2 * * *"), ["*-*-* 02:00:00 UTC"]);
        assert_eq!(calendar_of("*/20 8-9 1 jan *"), ["*-01-01 08,09:00,20,40:00 UTC"]);
        assert_eq!(calendar_of("0 2 * * mon-wed"), ["Mon,Tue,Wed *-*-* 02:00:00 UTC"]);
        assert_eq!(calendar_of("0 2 13 * fri"), ["*-*-13 02:00:00 UTC", "Fri *-*-* 02:00:00 UTC"]);
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_of_the_package_is_not_taken() {
        let called = Called { root: "/srv/shop".into(), program: "/usr/bin/millrace".into() };
        let name = Name::new("backup").unwrap();
        let refused = units(&name, &schedule("cron: '@daily'\n"), &called, None, day("2026-01-01")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "resources/backup: millrace-backup.service is a unit of the package; give the pipeline another name, or start it with \
             cron or Airflow"
        );
    }

    #[test]
    fn times_that_systemd_leaves_out_are_added() {
        let lines = |cron: &str, zone: &str, from: &str| {
            let all = left_out(&cron.parse().unwrap(), zone.parse().unwrap(), day(from));
            all.into_iter().take(3).collect::<Vec<_>>()
        };
        // On the last Sunday of March, 02:00 to 03:00 is skipped at 01:00 UTC.
        let gaps = ["2026-03-29 01:00:00 UTC", "2027-03-28 01:00:00 UTC", "2028-03-26 01:00:00 UTC"];
        assert_eq!(lines("30 2 * * *", "Europe/Berlin", "2026-01-01"), gaps);
        assert_eq!(lines("30 2 * * *", "Europe/Berlin", "2026-03-30"), [gaps[1], gaps[2], "2029-03-25 01:00:00 UTC"]);
        assert_eq!(lines("30 2 * * *", "Europe/Berlin", "2028-02-29")[0], "2028-03-26 01:00:00 UTC");
        let falls = ["2026-11-01 06:00,30:00 UTC", "2027-11-07 06:00,30:00 UTC", "2028-11-05 06:00,30:00 UTC"];
        assert_eq!(lines("0,30 * * * *", "America/New_York", "2026-01-01"), falls);
        // The time after the gap is one of its own; and on Mondays no clock changes.
        assert_eq!(lines("0 2,3 * * *", "Europe/Berlin", "2026-01-01"), [] as [&str; 0]);
        assert_eq!(lines("0 2 * * 1", "Europe/Berlin", "2026-01-01"), [] as [&str; 0]);
        assert_eq!(lines("0 2 * * *", "UTC", "2026-01-01"), [] as [&str; 0]);
    }

    /// systemd's own reading, where it is installed.
    #[test]
    fn systemd_reads_the_same_times() {
        if Command::new("systemd-analyze").arg("--version").output().is_err() {
            return testkit::skipped("systemd", "systemd-analyze is not installed");
        }
        let mut random = spec::random::Random::new(16, 0);
        let mut field = |kind: crate::field::Kind| {
            let last = if kind.last == 7 { 6 } else { kind.last };
            let mut value = || kind.first + random.below((last - kind.first + 1) as usize) as u32;
            match value() % 3 {
                0 => value().to_string(),
                1 => format!("{},{}", value(), value()),
                _ => "*".to_owned(),
            }
        };
        let mut hours = spec::random::Random::new(17, 0);
        let mut random_hour = || hours.below(5);
        use crate::field::{DAY, HOUR, MINUTE, MONTH, WEEKDAY};
        // A quiet day, and days on which the clocks of Berlin, New York and Lord Howe Island change.
        let from = [
            ("UTC", "2026-01-01"),
            ("Europe/Berlin", "2026-03-28"),
            ("Europe/Berlin", "2026-10-24"),
            ("America/New_York", "2026-03-07"),
            ("America/New_York", "2026-10-31"),
            ("Australia/Lord_Howe", "2026-04-04"),
        ];
        for (zone, from) in from.into_iter().cycle().take(24) {
            // The nights of these days are what matters.
            let fields = match zone {
                "UTC" => [MINUTE, HOUR, DAY, MONTH, WEEKDAY].map(&mut field).join(" "),
                _ => format!("{} {} * * *", field(MINUTE), ["*", "2", "1-3", "*/2", "1"][random_hour()]),
            };
            let Ok(cron) = fields.parse::<Expression>() else { continue };
            let zone: TimeZone = zone.parse().unwrap();
            let base = day(from).and_hms_opt(0, 0, 0).unwrap().and_utc();
            let ours: Vec<i64> = std::iter::successors(Some(base), |time| cron.next(*time, zone.0))
                .skip(1)
                .take(60)
                .map(|time| time.timestamp())
                .collect();
            let mut added = left_out(&cron, zone, day(from));
            added.retain(|time| time.starts_with(&from[..7]) || time.starts_with("2026-11-01"));
            let mut theirs: Vec<i64> = [calendar(&cron, zone), added]
                .concat()
                .iter()
                .flat_map(|time| {
                    let base = format!("--base-time={from} 00:00:00 UTC");
                    let line = ["calendar", "--iterations=60", &base, time];
                    let output = Command::new("systemd-analyze").env("TZ", "UTC").args(line).output().unwrap();
                    let text = String::from_utf8(output.stdout).unwrap();
                    text.lines().filter_map(elapses).collect::<Vec<_>>()
                })
                .collect();
            theirs.sort_unstable();
            theirs.dedup();
            theirs.truncate(60);
            assert_eq!(ours, theirs, "{cron} {zone:?} from {from}");
        }
    }

    /// `Next elapse: Thu 2026-01-01 02:00:00 UTC`, `Iter. #2: …`
    fn elapses(line: &str) -> Option<i64> {
        let (label, time) = line.trim().split_once(": ")?;
        let is_time = label == "Next elapse" || label.starts_with("Iter. #") || label.starts_with("Iteration #");
        let time = time.trim().strip_suffix(" UTC").filter(|_| is_time)?;
        let time = chrono::NaiveDateTime::parse_from_str(time, "%a %Y-%m-%d %H:%M:%S").ok()?;
        Some(time.and_utc().timestamp())
    }

    #[test]
    fn what_a_schedule_says_is_in_its_units() {
        let called = Called { root: "/srv/my shop".into(), program: "/opt/5%/millrace".into() };
        let name = Name::new("churn").unwrap();
        let schedule = schedule("cron: '@daily'\nafter: [shop.export]\ntime_out: {run: 1h}\ncatch_up: false\n");
        let units = units(&name, &schedule, &called, Some("millrace"), day("2026-01-01")).unwrap();
        let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, ["millrace-churn.service", "millrace-churn.timer", "millrace-churn.path"]);
        for (unit, line) in [
            (0, "User=millrace"),
            (0, "WorkingDirectory=/srv/my shop"),
            (0, "ExecStart=/opt/5%%/millrace run churn --scheduled"),
            (0, "TimeoutStartSec=3720s"),
            (1, "OnCalendar=*-*-* 00:00:00 UTC"),
            (1, "Persistent=no"),
            (2, "PathChanged=/srv/my shop/data/output/shop/export/latest"),
        ] {
            assert!(units[unit].text.lines().any(|found| found == line), "{line}\n{}", units[unit].text);
        }
        assert_eq!(quoted("/a b/$x"), "\"/a b/$$x\"");
    }
}
