//! Which versions of models were put into production, and why.

use pages::{Column, Html, Page, State, Table as Rows, badge, note, section};
use score::{ModelStage, Registry};

use super::{SiteData, frame};
use crate::found::places;
use crate::place::Layer;

/// All decisions on models, by pipeline, newest first.
pub fn page(data: &SiteData<'_>) -> Page {
    let mut page = frame("Decisions", "Decisions", 0, data.now);
    let mut is_empty = true;
    for (place, folder) in places(&data.inventory.root) {
        if place.layer != Layer::Models {
            continue;
        }
        is_empty = false;
        let part = section(place.pipeline.as_str());
        let registry = Registry::at(data.inventory.root.join(folder));
        let entries = match registry.decisions() {
            Ok(entries) => entries,
            Err(error) => {
                page.push(part.add(note(format!("The log of decisions cannot be read: {}", error.message()))));
                continue;
            }
        };
        let mut versions =
            Rows::new(format!("Versions of {}", place.pipeline), [Column::text("Version"), Column::text("Stage")]);
        for version in registry.versions().unwrap_or_default().into_iter().rev() {
            let stage: Html = match ModelStage::of(version, &entries) {
                Some(ModelStage::Production) => badge(State::Good, "production").into(),
                Some(ModelStage::Refused) => badge(State::Bad, "refused").into(),
                Some(stage) => badge(State::Neutral, stage.name()).into(),
                None => badge(State::Neutral, "undecided").into(),
            };
            versions.row([Html::from(version.to_string()), stage]);
        }
        let columns = [
            Column::text("Time"),
            Column::text("Decision"),
            Column::text("Version"),
            Column::text("By"),
            Column::text("Reason"),
        ];
        let mut rows = Rows::new(format!("Decisions on {}", place.pipeline), columns).or_else("No decision yet.");
        for entry in entries.iter().rev() {
            rows.row([
                entry.time.clone(),
                entry.action.word().to_owned(),
                entry.version.to_string(),
                entry.who.clone(),
                entry.why.clone(),
            ]);
        }
        page.push(part.add(versions).add(rows));
    }
    if is_empty {
        page.push(note("No pipeline has a model."));
    }
    page
}
