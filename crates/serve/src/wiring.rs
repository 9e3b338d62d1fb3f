//! Wires the server to the command line, the signals, the alerts and the locks of the other tools.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use score::{Entry, Log, Registry, Version};
use serde_json::Value;
use serving::{AccessLog, App, Host, Options, PublicUrl, ServeSpec};
use spec::{Environment, Error, Exit, Name, Result, Root, Tool};
use stage::Mirror;
use tokio::signal::unix::{SignalKind, signal};
use tool::{About, Common, Program, Project, Source};
use tracking::Tracker;

use crate::follow::{Follower, Following, is_step};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The pipelines to serve; none means all that have a serve.yaml
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,
    /// Address and port to listen on; port 0 takes one that is free. Without tokens only this machine may be answered
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// Requests in progress at once; more are answered with 503
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = tool::whole_number::<usize>)]
    in_flight: usize,
    /// Connections that one address may have open; more are closed. By default a quarter of all 1,024, but no limit for this
    /// machine, nor with --public-url: all clients of a proxy come from its address
    #[arg(long, value_name = "COUNT", value_parser = tool::whole_number::<usize>)]
    connections_per_address: Option<usize>,
    /// Longest body of a request, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = tool::whole_number::<usize>)]
    max_body: usize,
    /// Seconds for which a client may be silent
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = tool::whole_number::<u64>)]
    idle: u64,
    /// The address at which people reach the server through a proxy, such as https://millrace.example.com
    #[arg(long, value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// PEM file with the certificate chain: the server speaks TLS
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Which requests get a line in the log: off, errors, all, or a share such as 0.01 (errors always)
    #[arg(long, value_name = "WHICH", default_value = "off")]
    access_log: AccessLog,
    /// Seconds between two looks at the project's store, if MILLRACE_STORE names one
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    store_every: u64,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "not an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

pub struct Serve;

impl Program for Serve {
    const TOOL: Tool = Tool::Serve;
    const ABOUT: About = About {
        short: "Answer over HTTP: results, predictions, the state of pipelines",
        long: "Serves every pipeline that has a resources/<PIPELINE>/serve.yaml, from its artifacts alone. Each request is \
               appended to a journal before its answer leaves; journals become Parquet under data/raw/<PIPELINE>_served/. A \
               promotion, a rollback or a new snapshot is noticed within a second. Prints its address. TERM \
               stops it once the requests in progress are answered.",
        examples: &[
            ("serve", "serve all pipelines on 127.0.0.1:8080"),
            ("serve housing --listen 127.0.0.1:0", "serve one, on a port that is free"),
            ("SERVE_TOKEN_VIEWER=… serve --listen 0.0.0.0:8080", "answer other machines that have the token"),
        ],
    };
    type Arguments = Arguments;

    fn schema() -> Value {
        schemars::schema_for!(ServeSpec).to_value()
    }

    fn subject(arguments: &Arguments) -> String {
        arguments.pipelines.join(" ")
    }

    fn run(arguments: Arguments, _: Common) -> Result<Exit> {
        let Project { root, env } = Project::open()?;
        let names = arguments.pipelines.iter().map(|name| Name::new(name.clone())).collect::<Result<Vec<Name>>>()?;
        let options = Options {
            in_flight: arguments.in_flight.max(1),
            per_address: arguments.connections_per_address.map(|most| most.max(1)),
            body: arguments.max_body.clamp(1, 4096) << 20,
            idle: Duration::from_secs(arguments.idle.max(1)),
            tls: arguments.certificate.zip(arguments.key),
            public: arguments.public_url,
            access_log: arguments.access_log,
            ..Options::on(arguments.listen)
        };
        let secure = options.tls.is_some();
        let host = Arc::new(ServeHost { root: root.clone(), env: env.clone() });
        let alert = {
            let host = host.clone();
            move |pipeline: &Name, error: &Error| host.alert(pipeline, error)
        };
        let follower = Follower::new(&root, &env, serving::named_or_all(&root, &names)?)?;
        let every = Duration::from_secs(arguments.store_every.max(1));
        let following = follower.map(|follower| Following::start(follower, every, alert.clone())).transpose()?;
        let app = Arc::new(App::open(root, &env, &names, options, host)?);
        let listener = serving::listen(arguments.listen)?;
        let address = listener.local_addr().map_err(|error| Error::cannot_run(format!("cannot listen: {error}")))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::cannot_run(format!("cannot start: {error}")))?;
        runtime.block_on(async {
            let failed = |error: std::io::Error| Error::cannot_run(format!("cannot watch for signals: {error}"));
            let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
            let scheme = if secure { "https" } else { "http" };
            tool::print(&format!("{scheme}://{address}\n"))?;
            let stop = async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            };
            serving::serve(app, listener, stop).await
        })?;
        if let Some(following) = following {
            following.end(&alert);
        }
        Ok(Exit::Done)
    }
}

/// What the server needs from outside.
struct ServeHost {
    root: Root,
    env: Environment,
}

impl ServeHost {
    /// A view of the store of its own: decisions do not wait for the thread that follows it.
    fn mirror(&self) -> Result<Mirror> {
        Mirror::new(&self.root, &self.env)
    }
}

impl Host for ServeHost {
    fn alert(&self, pipeline: &Name, error: &Error) {
        let run = uuid::Uuid::now_v7().to_string();
        let source = Source {
            tool: Tool::Serve,
            pipeline,
            run: &run,
            started: chrono::Utc::now(),
            snapshot: None,
            priority: None,
        };
        tool::alert(&self.root, &self.env, source, error.class().into(), error.message(), error.way_out());
    }

    fn fetch_decisions(&self, pipeline: &Name) -> Result<()> {
        self.mirror()?.take_journal_without(&Tool::Train.folder(pipeline), Log::FILE, &is_step)
    }

    fn fetch_version(&self, pipeline: &Name, version: Version) -> Result<()> {
        self.mirror()?.bring(&Tool::Train.folder(pipeline).join(version.to_string())).map(drop)
    }

    fn send_decisions(&self, pipeline: &Name, entry: &Entry) -> Result<()> {
        let may_go =
            |line: &[u8]| is_step(line) || serde_json::from_slice::<Entry>(line).is_ok_and(|other| other == *entry);
        let send = || self.mirror()?.settle_journal(&Tool::Train.folder(pipeline), Log::FILE, &may_go);
        // The thread that follows the store may have been faster, and then there is nothing to send any more.
        send().or_else(|_| send())
    }

    fn report_decisions(&self, pipeline: &Name) {
        let registry = Registry::at(self.root.join(Tool::Train.folder(pipeline)));
        match Tracker::of(&self.env, pipeline).send(&registry) {
            Ok(None) => {}
            Ok(Some(tracked)) => {
                tracked.warnings.iter().for_each(|warning| tool::warn(format!("serve {pipeline}: {warning}")));
                tool::say(format!("serve {pipeline}: {}", tracked.in_words()));
            }
            Err(error) => tool::warn(format!("serve {pipeline}: not tracked, the next decision sends it: {error}")),
        }
    }
}
