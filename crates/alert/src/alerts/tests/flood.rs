use super::*;

fn slack_project(server: &HttpServer) -> Project {
    project(&format!("channels:\n  - slack: {{webhook: \"{}\"}}\nevery: 2h\n", server.url("/x")))
}

#[test]
fn a_cause_is_reported_once_in_a_while_and_the_next_one_says_so() {
    let server = HttpServer::answering([HttpAnswer::ok("ok")]);
    let project = slack_project(&server);
    let alerts = alerts(&project, &[]);
    let event = |rows: u32, run: &str| Event {
        message: format!("orders: {rows} of 100 rows have no 'customer_id'"),
        run_id: run.to_owned(),
        ..event()
    };
    assert_eq!(told(&alerts, &project, &event(3, "a"), 0), ["slack 127.0.0.1: sent"]);
    let held = "slack 127.0.0.1: not sent: an alert for the same cause was sent at 2026-11-21 01:42:13 UTC";
    assert_eq!(told(&alerts, &project, &event(4, "b"), 60), [held]);
    assert_eq!(told(&alerts, &project, &event(5, "c"), 119), [held]);
    let other = Event { message: "orders: no column 'id'".to_owned(), ..event(0, "d") };
    assert_eq!(told(&alerts, &project, &other, 119), ["slack 127.0.0.1: sent"]);
    let deliveries = alerts.send_at(&event(6, "e"), &project.at("data/runs/alerts"), at(120));
    assert_eq!(deliveries[0].outcome, Outcome::Sent { tries: 1, held_back: 2 });
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert!(!requests[0].body.contains("not sent"));
    assert!(requests[2].body.contains(
        "2 earlier alerts of the same cause were not sent: a cause is reported once in \
     2h"
    ));
}

#[test]
fn of_many_at_once_one_is_sent() {
    let server = HttpServer::answering([HttpAnswer::ok("ok")]);
    let project = slack_project(&server);
    // Each thread reads the file and locks the state by itself, as a process of its own would.
    let sent: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| alerts(&project, &[]).send(&event(), &project.at("data/runs/alerts"))))
            .collect();
        let deliveries = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        deliveries.filter(|delivery| matches!(delivery.outcome, Outcome::Sent { .. })).count()
    });
    assert_eq!((sent, server.requests().len()), (1, 1));
}

#[test]
fn without_a_place_for_the_record_it_is_reported() {
    let server = HttpServer::answering([HttpAnswer::ok("ok")]);
    let project = slack_project(&server);
    project.write("data", "a file where a folder should be");
    let told = told(&alerts(&project, &[]), &project, &event(), 0);
    assert_eq!(told.len(), 2);
    assert!(
        told[0].starts_with("record of alerts: not sent: ")
            && told[0].ends_with(
                "not a directory; sent without the \
         record"
            ),
        "{}",
        told[0]
    );
    assert_eq!(told[1], "slack 127.0.0.1: sent");
}
