//! Lines of a crontab.

use spec::{Error, Name, Result};

use crate::{Called, Schedule, TimeZone};

/// The lines for these pipelines. cron uses the machine's clock, so a schedule in another zone is refused, unless
/// `has_zones`: then `CRON_TZ` says it, which cronie reads and Debian's cron ignores.
///
/// # Errors
/// Cannot run: cron cannot keep what a schedule says.
pub fn crontab(
    schedules: &[(Name, Schedule)],
    called: &Called,
    machine: Option<TimeZone>,
    has_zones: bool,
) -> Result<String> {
    let program = shell(&called.program.display().to_string());
    let root = shell(&called.root.display().to_string());
    let mut lines = vec!["# From resources/*/schedule.yaml, by `millrace schedule --as crontab`.".to_owned()];
    let mut zone = None;
    for (pipeline, schedule) in schedules {
        let wrong = |what: String| Error::cannot_run(format!("resources/{pipeline}/{}: {what}", crate::FILE));
        let Some(cron) = &schedule.cron else {
            return Err(wrong("cron knows times, and this pipeline has none, only 'after'".to_owned())
                .hint("add 'cron', or use --as systemd"));
        };
        let agrees = machine.is_some_and(|machine| machine.agrees_with(schedule.time_zone));
        if has_zones {
            if zone != Some(schedule.time_zone) {
                lines.push(format!("CRON_TZ={}", schedule.time_zone));
            }
            zone = Some(schedule.time_zone);
        } else if !agrees {
            let clock = machine.map_or("an unnamed zone".to_owned(), |machine| machine.to_string());
            return Err(wrong(format!("is in {}, and cron goes by this machine's clock, {clock}", schedule.time_zone))
                .hint("use --as systemd; or --cron-tz if your cron is cronie, which reads CRON_TZ"));
        }
        let command = format!("cd {root} && {program} run {pipeline} --scheduled").replace('%', "\\%");
        lines.push(format!("{cron} {command}"));
        if schedule.catch_up {
            // A run that is up to date takes milliseconds.
            lines.push(format!("@reboot {command}"));
        }
    }
    Ok(lines.join("\n") + "\n")
}

/// A word for the shell, with quotes if it needs them.
pub fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> (Name, Schedule) {
        let env = spec::Environment::default();
        let schedule = spec::parse(text, std::path::Path::new(crate::FILE), &env).unwrap().spec;
        (Name::new("churn").unwrap(), schedule)
    }

    fn lines(text: &str, machine: &str, has_zones: bool) -> Result<Vec<String>> {
        let called = Called { root: "/srv/my shop 5%".into(), program: "/usr/bin/millrace".into() };
        let text = crontab(&[schedule(text)], &called, machine.parse().ok(), has_zones)?;
        Ok(text.lines().skip(1).map(str::to_owned).collect())
    }

    #[test]
    fn a_missed_run_is_made_up_for_after_a_restart() {
        let command = "cd '/srv/my shop 5\\%' && /usr/bin/millrace run churn --scheduled";
        assert_eq!(
            lines("cron: 0 2 * * mon-fri\n", "Etc/UTC", false).unwrap(),
            [format!("0 2 * * 1-5 {command}"), format!("@reboot {command}")]
        );
        assert_eq!(lines("cron: '@daily'\ncatch_up: false\n", "UTC", false).unwrap(), [format!("0 0 * * * {command}")]);
    }

    #[test]
    fn what_cron_cannot_keep_is_refused() {
        let berlin = "cron: '@daily'\ntime_zone: Europe/Berlin\ncatch_up: false\n";
        assert_eq!(
            lines(berlin, "UTC", false).unwrap_err().to_string(),
            "resources/churn/schedule.yaml: is in Europe/Berlin, and cron goes by this machine's clock, UTC; use --as systemd; or \
             --cron-tz if your cron is cronie, which reads CRON_TZ"
        );
        assert_eq!(lines(berlin, "UTC", true).unwrap()[0], "CRON_TZ=Europe/Berlin");
        assert_eq!(lines(berlin, "Europe/Berlin", false).unwrap().len(), 1);
        assert!(lines("after: [shop.export]\n", "UTC", false).unwrap_err().to_string().contains("cron knows times"));
    }

    #[test]
    fn words_reach_the_shell_whole() {
        assert_eq!(shell("/srv/shop"), "/srv/shop");
        assert_eq!(shell("it's $HOME"), "'it'\\''s $HOME'");
    }
}
