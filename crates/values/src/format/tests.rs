use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use proptest::prelude::*;

use super::*;

fn utc(text: &str) -> i64 {
    text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_micros()
}

fn read(format: &str, text: &str) -> Option<i64> {
    let format = MomentFormat::new(format).unwrap();
    format.check(ColumnType::Datetime).unwrap();
    format.datetime(text.as_bytes()).map(Moment::micros)
}

fn refusal(format: &str, makes: ColumnType) -> String {
    MomentFormat::new(format).and_then(|format| format.check(makes)).unwrap_err()
}

#[test]
fn timestamps_of_many_formats() {
    for (format, text, moment) in [
        ("%Y%m%d", "20240229", "2024-02-29T00:00:00"),
        ("%d.%m.%Y", "29.2.2024", "2024-02-29T00:00:00"),
        ("%d %b %Y", "29 feb 2024", "2024-02-29T00:00:00"),
        ("%d. %B %Y", "29. February 2024", "2024-02-29T00:00:00"),
        ("%e %B %Y", " 9 May 2024", "2024-05-09T00:00:00"),
        ("%m/%d/%y", "2/29/24", "2024-02-29T00:00:00"),
        ("%F", "2024-02-29", "2024-02-29T00:00:00"),
        ("%Y-%j", "2024-060", "2024-02-29T00:00:00"),
        ("%a, %d %b %Y %T %z", "Thu, 29 Feb 2024 14:30:12 +0900", "2024-02-29T05:30:12"),
        ("%d/%m/%Y %I:%M:%S %p", "29/02/2024 02:30:12 PM", "2024-02-29T14:30:12"),
        ("%d/%m/%Y %I %p", "29/02/2024 12 am", "2024-02-29T00:00:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-02-29T23:30:12+0900", "2024-02-29T14:30:12"),
        ("%Y-%m-%dT%H:%M:%S%:z", "2024-02-29T23:30:12+09:00", "2024-02-29T14:30:12"),
        ("%Y-%m-%d %H", "2024-02-29 13", "2024-02-29T13:00:00"),
        ("%d %b %Y %H", "29 Feb 2024 13", "2024-02-29T13:00:00"),
        ("%Y%m%d%H%M", "202402291330", "2024-02-29T13:30:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-02-29 14:30:12.345", "2024-02-29T14:30:12.345"),
        ("%Y-%m-%d %H:%M:%S%.f", "2024-02-29 14:30:12.000345", "2024-02-29T14:30:12.000345"),
        ("%Y-%m-%d %H:%M:%S%.f", "2024-02-29 14:30:12", "2024-02-29T14:30:12"),
        ("%Y%m%d%H%M%S%3f", "20240229143012345", "2024-02-29T14:30:12.345"),
        ("%s", "1709217012", "2024-02-29T14:30:12"),
        ("%s", "-1", "1969-12-31T23:59:59"),
        ("%s", "253402300799", "9999-12-31T23:59:59"),
        ("%s%3f", "1709217012345", "2024-02-29T14:30:12.345"),
        ("%s%3f", "0", "1970-01-01T00:00:00"),
        ("%s%3f", "5", "1970-01-01T00:00:00.005"),
        ("%s%3f", "-1", "1969-12-31T23:59:59.999"),
        ("%s%6f", "-1500000", "1969-12-31T23:59:58.5"),
        ("%s.%f", "1709217012.345678", "2024-02-29T14:30:12.345678"),
        ("%+", "2024-02-29T14:30:12.5+01:00", "2024-02-29T13:30:12.5"),
        ("%d.%m.%Y um %H:%M Uhr", "29.02.2024 um 14:30 Uhr", "2024-02-29T14:30:00"),
    ] {
        assert_eq!(read(format, text), Some(utc(moment)), "{format} {text}");
    }
    assert_eq!(MomentFormat::new("%H%M").unwrap().time(b"1430"), Some(52_200_000_000_000));
    assert_eq!(MomentFormat::new("%Y-%m-%d %H:%M").unwrap().date(b"2024-02-29 23:59"), Some(19_782));
}

#[test]
fn years_of_two_digits_are_split_at_69() {
    for (text, year) in [("00", 2000), ("24", 2024), ("68", 2068), ("69", 1969), ("99", 1999)] {
        assert_eq!(read("%y-%m-%d", &format!("{text}-01-01")), Some(utc(&format!("{year}-01-01T00:00:00"))));
    }
}

#[test]
fn what_does_not_fit_is_not_guessed() {
    for (format, text) in [
        ("%Y-%m-%d", "24-02-29"),
        ("%d %b %Y", "29 Feb 24"),
        ("%d %b %Y", "29 Feb 02024"),
        ("%m/%d/%y", "2/29/2024"),
        ("%Y%m%d", "2024229"),
        ("%Y%m%d", "202402291"),
        ("%Y%m%d", "20240230"),
        ("%d%m%Y", "1112024"),
        ("%a %Y-%m-%d", "Fri 2024-02-29"),
        ("%Y-%m-%d %H:%M", "2024-02-29 24:00"),
        ("%Y-%m-%d %I:%M %p", "2024-02-29 14:30 PM"),
        ("%Y-%m-%d %I:%M %p", "2024-02-29 02:30"),
        ("%Y-%m-%d %H:%M:%S", "2024-02-29 14:30:60"),
        ("%Y-%m-%d", "2024-02-29 "),
        ("%Y-%m-%d", "-024-02-29"),
        ("%Y-%j", "2023-366"),
        ("%s", "1710000000123"),
        ("%s", "253402300800"),
        ("%s", "-62167219201"),
        ("%Y-%m-%dT%H:%M:%S%z", "9999-12-31T23:59:59-01:00"),
        ("%s%3f", "1710000000123456"),
        ("%Y-%m-%d %H:%M:%S%z", "2024-02-29 14:30:12 PST"),
    ] {
        assert_eq!(read(format, text), None, "{format} {text}");
    }
}

#[test]
fn formats_that_cannot_make_their_type_are_refused() {
    use ColumnType::{Date, Datetime, Time};
    for (format, makes, why) in [
        ("%Q", Date, "\"%Q\" is not a date format; write strftime's letters, such as \"%Y-%m-%d\""),
        ("yyyy", Date, "\"yyyy\" holds no date; write strftime's letters, such as \"%Y-%m-%d\""),
        (
            "%Y-%m",
            Date,
            "\"%Y-%m\" makes no date: it has no day; keep the column as string, and derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')",
        ),
        (
            "%Y",
            Datetime,
            "\"%Y\" makes no datetime: it has neither month nor day; keep the column as string, and derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')",
        ),
        (
            "%d.%m.",
            Date,
            "\"%d.%m.\" makes no date: it has no year; keep the column as string, and derive the date in clean.yaml, such as strptime(month || '-01', '%Y-%m-%d')",
        ),
        ("%H:%M", Datetime, "\"%H:%M\" makes no datetime: it has no date; declare the column as time"),
        ("%Y-%m-%d %H:%M", Time, "\"%Y-%m-%d %H:%M\" makes no time: it has a date; read the column as datetime"),
        ("%%", Time, "\"%%\" makes no time: it has no hour; add %H"),
        (
            "%Y-%m-%d %I:%M",
            Datetime,
            "\"%Y-%m-%d %I:%M\" has an hour of twelve without %p, which says which half of the day; write %H, or add %p",
        ),
        ("%Y-%m-%d %H:%M %p", Datetime, "\"%Y-%m-%d %H:%M %p\" has %p without %I; write %I for an hour of twelve"),
        ("%Y-%m-%d :%M", Datetime, "\"%Y-%m-%d :%M\" has minutes without an hour; add %H"),
        ("%Y-%m-%d %H::%S", Datetime, "\"%Y-%m-%d %H::%S\" has seconds without minutes; add %M"),
        ("%Y-%m-%d %H:%M.%f", Datetime, "\"%Y-%m-%d %H:%M.%f\" has a fraction without seconds; add %S"),
        ("%Y-%m-%d %z", Datetime, "\"%Y-%m-%d %z\" has an offset from UTC without a time of day; add %H"),
        ("%Y-%m-%d %y", Date, "\"%Y-%m-%d %y\" has the year twice; name it once"),
        (
            "%s %H",
            Datetime,
            "\"%s %H\" has %s, which counts seconds since 1970, and other parts of a timestamp; keep one of the two",
        ),
        (
            "%-d%-m%Y",
            Date,
            "\"%-d%-m%Y\" makes no date: what it writes cannot be read back; put something between its numbers, or write each with all its digits",
        ),
    ] {
        assert_eq!(refusal(format, makes), why);
    }
    assert!(
        refusal("%Y-%m-%d %H:%M:%S %Z", Datetime)
            .starts_with("\"%Y-%m-%d %H:%M:%S %Z\" has %Z, the name of a time zone")
    );
    assert!(refusal("%Y-%U-%a", Date).starts_with("\"%Y-%U-%a\" has %U, which is not supported"));
}

/// Parts of formats with what chrono writes for them: a reference of its own.
const DATES: [&str; 9] =
    ["%Y-%m-%d", "%d.%m.%Y", "%-d/%-m/%Y", "%Y%m%d", "%a %e %b %Y", "%d %B %Y", "%F", "%Y/%j", "%A, %d. %b %Y"];
const TIMES: [&str; 8] = ["", " %H", "T%H:%M", " %H%M%S", " %I:%M:%S %p", " %H:%M:%S%.f", " %T%.3f", " %R"];

proptest! {
    #[test]
    fn what_chrono_writes_is_read(date in 0..DATES.len(), time in 0..TIMES.len(), micros in -30_000_000_000_000_000i64..200_000_000_000_000_000, ahead in -14 * 60i32..=14 * 60) {
        let offset = if TIMES[time].is_empty() { "" } else { "%z" };
        let letters = format!("{}{}{}", DATES[date], TIMES[time], offset);
        let format = MomentFormat::new(&letters).unwrap();
        prop_assert_eq!(format.check(ColumnType::Datetime), Ok(()));
        let utc = DateTime::from_timestamp_micros(micros).unwrap();
        let there = utc.with_timezone(&chrono::FixedOffset::east_opt(ahead * 60).unwrap());
        let written = there.format(&letters).to_string();
        let read = format.datetime(written.as_bytes());
        // What the format cannot show is cut off by the clock of the place.
        let local = there.naive_local();
        let cut = match TIMES[time] {
            "" => local.date().and_hms_opt(0, 0, 0).unwrap(),
            " %H" => cut(local, 3_600_000_000),
            "T%H:%M" | " %R" => cut(local, 60_000_000),
            " %H:%M:%S%.f" => local,
            " %T%.3f" => cut(local, 1000),
            _ => cut(local, 1_000_000),
        };
        let expected = match TIMES[time] {
            "" => Moment::Local(cut.and_utc().timestamp_micros()),
            _ => Moment::Utc((cut - TimeDelta::minutes(i64::from(ahead))).and_utc().timestamp_micros()),
        };
        prop_assert_eq!(read, Some(expected), "{} {}", letters, written);
    }

    #[test]
    fn no_text_makes_it_panic(letters in "(%[A-Za-z%.:#3_0-]{0,3}|[ a-zé0-9:]){0,8}", text in "[0-9A-Za-z :.+éZ-]{0,24}") {
        if let Ok(format) = MomentFormat::new(&letters) {
            for makes in [ColumnType::Date, ColumnType::Datetime, ColumnType::Time] {
                let _ = format.check(makes);
            }
            let (_, _, _) = (format.date(text.as_bytes()), format.datetime(text.as_bytes()), format.time(text.as_bytes()));
        }
    }

    #[test]
    fn iso_days_are_those_of_the_calendar(days in -700_000i32..2_900_000) {
        let day = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(i64::from(days));
        prop_assert_eq!(crate::iso_date(day.to_string().as_bytes()), Some(days));
    }
}

fn cut(moment: NaiveDateTime, unit: i64) -> NaiveDateTime {
    let micros = moment.and_utc().timestamp_micros();
    DateTime::from_timestamp_micros(micros - micros.rem_euclid(unit)).unwrap().naive_utc()
}
