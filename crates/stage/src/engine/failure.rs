//! What can go wrong in Spark, in plain words: its own are pages long, and say little of the way out.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use spec::{Error, Result};

const INSTALL: &str = "install pyspark[connect] for that Python, or let PYSPARK_PYTHON name another";
const SHARED: &str = "executors need the same folders: shared storage";
const PLACED: &str =
    "put the program onto every executor, at the path that it has on this machine, and set MILLRACE_SPARK_SHIP=0";

/// The port of Spark Connect.
const PORT: u16 = 15002;

/// Finds at once that a server is missing: Spark's client tries for minutes.
pub fn must_listen(remote: &str) -> Result<()> {
    let Some((host, port)) = address(remote) else {
        return Err(
            Error::cannot_run("SPARK_REMOTE is not an address of Spark Connect").hint("write it as sc://host:15002")
        );
    };
    let place = place(Some(remote));
    let Ok(mut addresses) = (host, port).to_socket_addrs() else {
        return Err(Error::try_again(format!("{place} cannot be reached: the name of the host is not known"))
            .hint("check SPARK_REMOTE"));
    };
    match addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(10)).is_ok()) {
        true => Ok(()),
        false => Err(unreachable(&place)),
    }
}

/// Host and port of `sc://host:15002/;token=…`.
fn address(remote: &str) -> Option<(&str, u16)> {
    let place = remote.strip_prefix("sc://")?.split('/').next()?;
    let (host, port) = match place.strip_prefix('[') {
        Some(place) => place.split_once(']')?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let port = match port {
        "" => PORT,
        port => port.strip_prefix(':')?.parse().ok()?,
    };
    (!host.is_empty() && !host.contains(';')).then_some((host, port))
}

/// How messages call it, without tokens.
fn place(remote: Option<&str>) -> String {
    match remote.and_then(|remote| remote.strip_prefix("sc://")) {
        Some(rest) => format!("Spark at sc://{}", rest.split(['/', ';']).next().unwrap_or_default()),
        None => "Spark".to_owned(),
    }
}

fn unreachable(place: &str) -> Error {
    Error::try_again(format!("{place} cannot be reached"))
        .hint("is its Connect server running, and is SPARK_REMOTE its address?")
}

/// The error of an exception of the script, of which class and text are known.
pub fn error(class: &str, text: &str, remote: Option<&str>, log: &Path) -> Error {
    let place = place(remote);
    let see_log = format!("see {} for Spark's own messages", log.display());
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if let Some((code, said)) = of_process(text) {
        let message = format!("a process on an executor failed with every try: {said}");
        return match code {
            "2" => Error::cannot_run(message).hint(not_started(said)),
            _ => Error::try_again(message).hint(see_log),
        };
    }
    if class == "ModuleNotFoundError" {
        let module = text.split('\'').nth(1).unwrap_or(text);
        return Error::cannot_run(format!("Python has no module '{module}'")).hint(INSTALL);
    }
    if class.ends_with("ImportError") {
        return Error::cannot_run(format!("Python lacks a package: {}", summary(text))).hint(INSTALL);
    }
    if class == "TimeoutError" {
        return Error::try_again(format!("{place} does not answer as Spark Connect does"))
            .hint("a token in SPARK_REMOTE needs a server with TLS");
    }
    if has(&["UNAVAILABLE", "failed to connect", "DEADLINE_EXCEEDED", "RETRIES_EXCEEDED"]) {
        return unreachable(&place);
    }
    if has(&["UNAUTHENTICATED", "PERMISSION_DENIED"]) {
        return Error::cannot_run(format!("{place} refuses the connection"))
            .hint("check the token and the user in SPARK_REMOTE");
    }
    if has(&["JAVA_GATEWAY_EXITED", "JAVA_HOME"]) {
        return Error::cannot_run("Spark did not start").hint(format!(
            "it needs Java 17 or later and valid options in MILLRACE_SPARK_SUBMIT; see {}",
            log.display()
        ));
    }
    if has(&["PATH_NOT_FOUND", "FAILED_READ_FILE", "FileNotFoundException"]) {
        return Error::cannot_run(format!("{place} does not see the files of this project")).hint(SHARED);
    }
    if has(&["cast Dictionary("]) {
        return Error::cannot_run(format!("{place} reads no categories, as Sail 0.7 does not"))
            .hint("cast them to string in the stage before, or use Spark itself");
    }
    let summary = summary(text);
    let what = if summary.is_empty() { class } else { &summary };
    Error::try_again(format!("{place} failed: {what}")).hint(see_log)
}

/// What the script says of a process on an executor, which is somewhere in Spark's messages: an exit code and a text.
fn of_process(text: &str) -> Option<(&str, &str)> {
    let (_, marked) = text.split_once("<millrace ")?;
    let (marked, _) = marked.split_once("</millrace>")?;
    marked.split_once('>')
}

/// The way out where no process could be started.
fn not_started(said: &str) -> String {
    // Executors unpack what was sent there into a folder of that name.
    let was_sent = said.contains(".tgz/");
    if said.ends_with("No such file or directory") && was_sent {
        "its loader is missing: executors need a Linux with glibc".to_owned()
    } else if said.ends_with("Exec format error") {
        "executors need processors of the same kind as this machine".to_owned()
    } else if said.ends_with("Permission denied") && was_sent {
        format!("is the folder of the executors mounted with noexec? {PLACED}")
    } else {
        SHARED.to_owned()
    }
}

/// The way out where a process ended without an answer, by the last line of its messages.
pub fn without_answer(said: &str) -> String {
    match said.contains("GLIBC_") || said.contains("cannot open shared object file") {
        true => "the Linux of the executors is older than the one that this program was built on: use newer images, or build \
                 the program on theirs"
            .to_owned(),
        false => "is the program on the executors the driver's own?".to_owned(),
    }
}

/// The message of an error in a line, without classes, stack traces and SQLSTATE.
fn summary(text: &str) -> String {
    let noise = [
        "at ",
        "Traceback",
        "File \"",
        "...",
        "JVM stacktrace",
        "Caused by",
        "Driver stacktrace",
        "SQLSTATE",
        "An error occurred while",
    ];
    let lines = text.lines().map(|line| line.trim().trim_start_matches(": "));
    let mut told = lines.filter(|line| !line.is_empty()).find(|line| !noise.iter().any(|word| line.starts_with(word)));
    // "Job aborted due to …, most recent failure: Lost task 0.3 in stage 1.0 (TID 7) (host executor 1): what happened"
    if let Some((_, lost)) = told.and_then(|told| told.split_once("most recent failure: Lost task ")) {
        told = lost.split_once("): ").map(|(_, what)| what);
    }
    let mut told = told.unwrap_or_default();
    let is_class = |word: &str| {
        let is_name = word.chars().all(|letter| letter.is_alphanumeric() || "._$".contains(letter));
        is_name && (word.ends_with("Exception") || word.ends_with("Error"))
    };
    while let Some((_, rest)) = told.split_once(':').filter(|(word, _)| is_class(word)) {
        told = rest.trim_start();
    }
    told.split("SQLSTATE:").next().unwrap_or_default().trim_end().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(error: Error, code: u8, text: &str) {
        assert_eq!(error.to_string(), text);
        assert_eq!(spec::Exit::from(error.class()).code(), code, "{text}");
    }

    /// Class and text are those of Spark 4.2, its client, Sail 0.7 and Python 3.11, some of them cut.
    #[test]
    fn failures_are_told_in_plain_words() {
        let lost = |what: &str| {
            format!(
                "An error occurred while calling o79.collectToPython.\n: org.apache.spark.SparkException: Job aborted \
                 due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure: Lost task 0.3 in stage 1.0 (TID 7) \
                 (10.0.0.7 executor 1): {what}\n\tat org.apache.spark.api.python.BasePythonRunner.read(PythonRunner.scala:588)\n"
            )
        };
        let process = |code: u8, text: &str| {
            lost(&format!(
                "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n  \
             File \"carry.py\", line 70, in process_partition\nRuntimeError: <millrace {code}>{text}</millrace>\n"
            ))
        };
        let local = |class: &str, text: &str| error(class, text, None, Path::new("spark.log"));
        for (class, text, code, says_) in [
            (
                "PythonException",
                process(75, "signal 9: it did not say why"),
                75,
                "a process on an executor failed with every try: signal 9: it did not say why; see spark.log for Spark's own messages",
            ),
            (
                "PythonException",
                process(2, "/srv/shop/data/pad-07: No such file or directory"),
                2,
                "a process on an executor failed with every try: /srv/shop/data/pad-07: No such file or directory; executors need the \
                 same folders: shared storage",
            ),
            (
                "PythonException",
                process(2, "/tmp/spark-1/clean.tgz/clean: No such file or directory"),
                2,
                "a process on an executor failed with every try: /tmp/spark-1/clean.tgz/clean: No such file or directory; its loader is \
                 missing: executors need a Linux with glibc",
            ),
            (
                "PythonException",
                process(2, "/tmp/spark-1/clean.tgz/clean: Exec format error"),
                2,
                "a process on an executor failed with every try: /tmp/spark-1/clean.tgz/clean: Exec format error; executors need \
                 processors of the same kind as this machine",
            ),
            (
                "PythonException",
                process(2, "/tmp/spark-1/clean.tgz/clean: Permission denied"),
                2,
                "a process on an executor failed with every try: /tmp/spark-1/clean.tgz/clean: Permission denied; is the folder of the \
                 executors mounted with noexec? put the program onto every executor, at the path that it has on this machine, and set \
                 MILLRACE_SPARK_SHIP=0",
            ),
            (
                "ModuleNotFoundError",
                "No module named 'pyspark'".to_owned(),
                2,
                "Python has no module 'pyspark'; install pyspark[connect] for that Python, or let PYSPARK_PYTHON name another",
            ),
            (
                "PySparkImportError",
                "[PACKAGE_NOT_INSTALLED] grpcio >= 1.76.0 must be installed; however, it was not found. SQLSTATE: 08000".to_owned(),
                2,
                "Python lacks a package: [PACKAGE_NOT_INSTALLED] grpcio >= 1.76.0 must be installed; however, it was not found.; install \
                 pyspark[connect] for that Python, or let PYSPARK_PYTHON name another",
            ),
            (
                "PySparkRuntimeError",
                "[JAVA_GATEWAY_EXITED] Java gateway process exited before sending its port number.".to_owned(),
                2,
                "Spark did not start; it needs Java 17 or later and valid options in MILLRACE_SPARK_SUBMIT; see spark.log",
            ),
            (
                "AnalysisException",
                "[PATH_NOT_FOUND] Path does not exist: file:/srv/shop/data/raw/orders.parquet. SQLSTATE: 42K03".to_owned(),
                2,
                "Spark does not see the files of this project; executors need the same folders: shared storage",
            ),
            (
                "Py4JJavaError",
                lost("java.io.IOException: No space left on device"),
                75,
                "Spark failed: No space left on device; see spark.log for Spark's own messages",
            ),
            (
                "Py4JJavaError",
                lost("ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command exited with code 137"),
                75,
                "Spark failed: ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command exited with \
                 code 137; see spark.log for Spark's own messages",
            ),
            ("KeyError", String::new(), 75, "Spark failed: KeyError; see spark.log for Spark's own messages"),
        ] {
            says(local(class, &text), code, says_);
        }
        let remote = |class: &str, text: &str| {
            error(class, text, Some("sc://spark.example.com:15002/;token=secret"), Path::new("spark.log"))
        };
        for (class, text, code, says_) in [
            (
                "SparkConnectGrpcException",
                "<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n",
                75,
                "Spark at sc://spark.example.com:15002 cannot be reached; is its Connect server running, and is SPARK_REMOTE its address?",
            ),
            (
                "SparkConnectGrpcException",
                "status = StatusCode.UNAUTHENTICATED\n\tdetails = \"Invalid authentication token\"",
                2,
                "Spark at sc://spark.example.com:15002 refuses the connection; check the token and the user in SPARK_REMOTE",
            ),
            (
                "TimeoutError",
                "",
                75,
                "Spark at sc://spark.example.com:15002 does not answer as Spark Connect does; a token in SPARK_REMOTE needs a server with TLS",
            ),
            (
                "UnsupportedOperationException",
                "cast Dictionary(UInt32, Utf8View) to Spark data type",
                2,
                "Spark at sc://spark.example.com:15002 reads no categories, as Sail 0.7 does not; cast them to string in the stage before, \
                 or use Spark itself",
            ),
            (
                "SparkConnectGrpcException",
                "(org.apache.spark.SparkException) [INTERNAL_ERROR] something",
                75,
                "Spark at sc://spark.example.com:15002 failed: (org.apache.spark.SparkException) [INTERNAL_ERROR] something; see spark.log \
                 for Spark's own messages",
            ),
        ] {
            says(remote(class, text), code, says_);
        }
    }

    #[test]
    fn an_address_of_spark_connect_has_a_host_and_may_have_a_port() {
        for (remote, expected) in [
            ("sc://spark.example.com", Some(("spark.example.com", 15002))),
            ("sc://spark.example.com:443/;token=secret;use_ssl=true", Some(("spark.example.com", 443))),
            ("sc://[::1]:15003/", Some(("::1", 15003))),
            ("sc://[::1]", Some(("::1", 15002))),
            ("sc://", None),
            ("sc://:15002", None),
            ("sc://host;token=secret", None),
            ("sc://host:port", None),
            ("sc://::1", None),
            ("spark://host:7077", None),
            ("host:15002", None),
        ] {
            assert_eq!(address(remote), expected, "{remote}");
        }
    }

    #[test]
    fn a_server_is_missed_at_once() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = format!("sc://{}/;token=secret", free.local_addr().unwrap());
        must_listen(&remote).unwrap();
        let place = format!("sc://{}", free.local_addr().unwrap());
        drop(free);
        says(
            must_listen(&remote).unwrap_err(),
            75,
            &format!(
                "Spark at {place} cannot be reached; is its Connect server running, and is SPARK_REMOTE its address?"
            ),
        );
        says(
            must_listen("sc://host;token=secret").unwrap_err(),
            2,
            "SPARK_REMOTE is not an address of Spark Connect; write it as sc://host:15002",
        );
    }
}
