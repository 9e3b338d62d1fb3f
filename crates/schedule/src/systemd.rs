//! Units of systemd: a service per pipeline, a timer for its times, a path unit for the stages that it follows.

use spec::{Name, Tool};

use crate::field::Field;
use crate::{Called, Expression, Schedule, TimeZone};

/// How long a run may take to end before systemd kills it.
const GRACE: u64 = 120;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub text: String,
}

/// The units of one pipeline, run as `user`, or as the manager's own user.
pub fn units(pipeline: &Name, schedule: &Schedule, called: &Called, user: Option<&str>) -> Vec<Unit> {
    let unit = |kind: &str, text: String| Unit { name: format!("millrace-{pipeline}.{kind}"), text };
    let mut units = vec![unit("service", service(pipeline, schedule, called, user))];
    if let Some(cron) = &schedule.cron {
        units.push(unit("timer", timer(pipeline, cron, schedule)));
    }
    if !schedule.after.is_empty() {
        units.push(unit("path", path(pipeline, schedule, called)));
    }
    units
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

fn timer(pipeline: &Name, cron: &Expression, schedule: &Schedule) -> String {
    let times: String = calendar(cron, schedule.time_zone).iter().map(|time| format!("OnCalendar={time}\n")).collect();
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

    use chrono::{DateTime, Utc};

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

    /// systemd's own reading, where it is installed.
    #[test]
    fn systemd_reads_the_same_times() {
        if Command::new("systemd-analyze").arg("--version").output().is_err() {
            return testkit::skipped("systemd", "systemd-analyze is not installed");
        }
        let base: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
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
        use crate::field::{DAY, HOUR, MINUTE, MONTH, WEEKDAY};
        for _ in 0..12 {
            let fields = [MINUTE, HOUR, DAY, MONTH, WEEKDAY].map(&mut field);
            let Ok(cron) = fields.join(" ").parse::<Expression>() else { continue };
            let ours: Vec<i64> = std::iter::successors(Some(base), |time| cron.next(*time, chrono_tz::Tz::UTC))
                .skip(1)
                .take(5)
                .map(|time| time.timestamp())
                .collect();
            let mut theirs: Vec<i64> = calendar(&cron, TimeZone::default())
                .iter()
                .flat_map(|time| {
                    let line = ["calendar", "--iterations=5", "--base-time=2026-01-01 00:00:00 UTC", time];
                    let output = Command::new("systemd-analyze").env("TZ", "UTC").args(line).output().unwrap();
                    let text = String::from_utf8(output.stdout).unwrap();
                    text.lines().filter_map(elapses).collect::<Vec<_>>()
                })
                .collect();
            theirs.sort_unstable();
            theirs.dedup();
            theirs.truncate(5);
            assert_eq!(ours, theirs, "{cron}");
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
        let units = units(&name, &schedule, &called, Some("millrace"));
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
