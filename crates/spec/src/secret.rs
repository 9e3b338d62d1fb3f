//! Which variables, and which parts of their values, are secrets.
//!
//! Two questions, two rules. Whether a value is part of a spec's hash is decided by [`is_secret`], which takes little for a secret: a
//! change of anything else must be noticed. What is redacted in messages is decided by [`add`], which takes more for one: a word too many
//! that reads `***` harms nobody.

use crate::Redactor;

/// Whether a name is that of a secret, in any case: `API_KEY`, `serviceKey`.
pub fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "WEBHOOK"];
    words.iter().any(|word| name.contains(word))
}

/// A variable is secret by its name, or because its value is an address with a password in it.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    let has_login = value.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/').next().and_then(|host| host.rsplit_once('@')).is_some_and(|(login, _)| login.contains(':'))
    });
    (sounds_secret(name) && !is_about(name)) || has_login
}

/// Whether a name is that of something about a secret, or of another kind of key or token: `KEY_COLUMN`, `MAX_TOKENS`. Its value decides what
/// is computed.
fn is_about(name: &str) -> bool {
    const LAST: [&str; 16] = [
        "COLUMN", "COLUMNS", "COUNT", "DAYS", "FIELD", "FIELDS", "FORMAT", "HOURS", "LENGTH", "LIMIT", "MINUTES",
        "NAME", "NAMES", "SECONDS", "SIZE", "TYPE",
    ];
    let upper = name.to_ascii_uppercase();
    let mut words = upper.split('_');
    let first = words.next().unwrap_or_default();
    matches!(first, "MAX" | "MIN" | "NUM") || words.next_back().is_some_and(|last| LAST.contains(&last))
}

/// Words that make a name that of a secret where they stand alone: `DB_PASS`, but not `COMPASS`.
const WORDS: [&str; 16] = [
    "APIKEY",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "DSN",
    "JWT",
    "OTP",
    "PASS",
    "PASSCODE",
    "PASSPHRASE",
    "PAT",
    "PIN",
    "PWD",
    "SAS",
    "SIG",
];

/// Whether a variable, or a parameter of an address, holds a secret to judge by its name: [`sounds_secret`], and what is only redacted.
pub fn carries_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // Shells keep the folder there.
    let is_folder = matches!(&*upper, "PWD" | "OLDPWD");
    let mut words = upper.split(|c: char| !c.is_ascii_alphanumeric());
    let has_word = sounds_secret(name) || upper.contains("SIGNATURE") || words.any(|word| WORDS.contains(&word));
    has_word && !is_folder && !is_about(name)
}

/// Values that say how something is done, whatever the name: `HTTP_AUTH=basic`.
const NO_SECRETS: [&str; 14] = [
    "true", "false", "none", "null", "auto", "basic", "bearer", "default", "disabled", "enabled", "optional",
    "required", "token", "digest",
];

/// Adds what must not be shown of a variable: its value, if its name is that of a secret; and the login and the keys of an address.
pub(crate) fn add(redactor: &mut Redactor, name: &str, value: &str) {
    let value = value.trim();
    if value.len() < 4 || NO_SECRETS.contains(&&*value.to_ascii_lowercase()) {
        return;
    }
    let is_whole = is_secret(name, value) || (carries_secret(name) && !value.contains("://"));
    let mut parts = of_address(value);
    if is_whole && !is_path(name, value) {
        redactor.add(value);
        parts.extend(of_parts(value));
    }
    parts.iter().filter(|part| part.len() >= 4).for_each(|part| redactor.add(part));
}

/// Whether a variable names the file that holds the secret, which errors have to name.
fn is_path(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let says_so = ["_FILE", "_PATH", "_DIR", "_SOCK"].iter().any(|end| name.ends_with(end));
    (says_so || name == "GOOGLE_APPLICATION_CREDENTIALS") && value.contains('/') && !value.contains(char::is_whitespace)
}

/// Parts of a secret that are secrets without the rest: the token of `Bearer …`, the password of `user:password`, the keys in a text of JSON.
fn of_parts(value: &str) -> Vec<String> {
    if value.starts_with('{') {
        let mut found = Vec::new();
        in_json(&serde_yaml::from_str(value).unwrap_or_default(), false, &mut found);
        return found;
    }
    let mut parts = Vec::new();
    if let Some((kind, rest)) = value.split_once(' ')
        && ["basic", "bearer", "token", "apikey", "digest"].contains(&&*kind.to_ascii_lowercase())
    {
        parts.push(rest.to_owned());
    }
    if let Some((_, password)) = value.split_once(':').filter(|_| !value.contains(['/', '\n'])) {
        // A number is too likely to be one of something else.
        parts.extend((password.len() >= 6).then(|| password.to_owned()));
    }
    parts
}

fn in_json(value: &serde_yaml::Value, is_secret: bool, found: &mut Vec<String>) {
    match value {
        serde_yaml::Value::Mapping(entries) => {
            for (name, value) in entries {
                in_json(value, is_secret || name.as_str().is_some_and(carries_secret), found);
            }
        }
        serde_yaml::Value::Sequence(items) => items.iter().for_each(|item| in_json(item, is_secret, found)),
        serde_yaml::Value::String(text) if is_secret => found.push(text.clone()),
        _ => {}
    }
}

/// What is secret in an address: password, keys in its query, and a user who is one, as `https://TOKEN@host`.
fn of_address(value: &str) -> Vec<String> {
    let Some((scheme, rest)) = value.split_once("://") else { return Vec::new() };
    let mut found = Vec::new();
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_web = scheme.starts_with("http");
    let authority = place.split('/').next().unwrap_or_default();
    // A password with a slash that should be `%2F`: the last @ ends it. In the path of a web page an @ is nothing special.
    let login = authority.rsplit_once('@').or_else(|| place.rsplit_once('@').filter(|_| !is_web));
    if let Some((login, _)) = login {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        found.push(password.to_owned());
        if is_web && (user.len() >= 16 || (password.is_empty() && user.len() >= 8)) {
            found.push(user.to_owned());
        }
    }
    let parameters = query.split(['&', ';', '#']).filter_map(|pair| pair.split_once('='));
    found.extend(parameters.filter(|(name, _)| carries_secret(name)).map(|(_, key)| key.to_owned()));
    let decoded: Vec<String> =
        found.iter().filter(|part| part.contains('%')).map(|part| crate::text::decoded(part)).collect();
    found.extend(decoded);
    found
}

#[cfg(test)]
mod tests {
    use crate::Environment;

    fn redacted(variables: &[(&str, &str)], text: &str) -> String {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::new(variables.collect()).redactor().redact(text)
    }

    #[test]
    fn names_say_what_is_secret() {
        for name in [
            "API_KEY",
            "serviceKey",
            "DB_PASS",
            "MYSQL_PWD",
            "SSH_PASSPHRASE",
            "GH_PAT",
            "HTTP_AUTH",
            "SESSION_COOKIE",
            "sig",
        ] {
            assert_eq!(redacted(&[(name, "s3cret-value")], "at s3cret-value"), "at ***", "{name}");
        }
        for name in [
            "COMPASS",
            "PWD",
            "OLDPWD",
            "AUTHOR",
            "SPIN",
            "PATH",
            "PASSENGERS",
            "SHOP",
            "KEY_COLUMN",
            "MAX_TOKENS",
            "AUTH_TYPE",
        ] {
            assert_eq!(redacted(&[(name, "value-of-it")], "at value-of-it"), "at value-of-it", "{name}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        let variables = [
            ("HTTP_AUTH", "basic"),
            ("USE_TOKEN", "true"),
            ("PIN", "123"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/shop/key.json"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("SSH_AUTH_SOCK", "/run/user/1/agent"),
        ];
        let text = "basic auth is true: cannot read /etc/shop/key.json, /run/secrets/db and /run/user/1/agent: 123";
        assert_eq!(redacted(&variables, text), text);
    }

    #[test]
    fn an_address_has_secrets_of_its_own() {
        for (value, text, wanted) in [
            ("postgres://u:pw12@h/db", "u said pw12", "u said ***"),
            ("postgres://u:p%40ss@h/db", "password p@ss or p%40ss", "password *** or ***"),
            ("mysql://u:pa/ss12@h/db", "no host 'u', port pa, nor pa/ss12", "no host 'u', port pa, nor ***"),
            ("https://ghp_0123456789@github.com/x", "user ghp_0123456789", "user ***"),
            ("https://0123456789abcdef:x-oauth-basic@h/x", "0123456789abcdef x-oauth-basic", "*** ***"),
            ("https://h/v1?city=Ulm&api_key=k3y%2Bk3y&sig=ab/cd=", "Ulm k3y+k3y ab/cd=", "Ulm *** ***"),
            ("postgres://u@h/db?password=hush12&sslmode=require", "hush12 require", "*** require"),
            ("https://h:8080/users/@me", "h:8080/users/", "h:8080/users/"),
            ("postgres://ann@h:5432/db", "ann@h:5432/db", "ann@h:5432/db"),
        ] {
            assert_eq!(redacted(&[("SOURCE", value)], text), wanted, "{value}");
        }
        assert_eq!(redacted(&[("SOURCE", "postgres://u:pw12@h/db")], "at postgres://u:pw12@h/db now"), "at *** now");
    }

    #[test]
    fn parts_of_a_secret_are_secrets() {
        for (name, value, text, wanted) in [
            ("AUTHORIZATION", "Bearer abc.def", "token abc.def", "token ***"),
            ("API_AUTH", "ann:p4ssw0rd", "ann p4ssw0rd", "ann ***"),
            (
                "GOOGLE_SERVICE_ACCOUNT_KEY",
                r#"{"type": "service_account", "client": {"private_key": "-----BEGIN\nabcdef\n-----END"}}"#,
                "service_account with\n-----BEGIN\nabcdef\n-----END",
                "service_account with\n***",
            ),
        ] {
            assert_eq!(redacted(&[(name, value)], text), wanted, "{name}");
        }
    }
}
