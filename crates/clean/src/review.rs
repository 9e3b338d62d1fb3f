//! What steps found that people should look at, as CSV files in the folder `review/` of the stage.

use spec::{Result, Tool};
use stage::Job;
use transform::Review;

use crate::wiring::Clean;

/// Writes the findings about a table and says what is left for people to decide.
pub fn write(job: &Job<Clean>, table: &str, reviews: &[Review]) -> Result<()> {
    let folder = Tool::Clean.folder(&job.pipeline).join("review");
    for (review, path) in reviews.iter().zip(Review::write_all(&job.root, &folder, table, reviews)?) {
        let message = format!(
            "clean {}: table '{table}': step {} '{}': {}; see {}",
            job.pipeline,
            review.step,
            review.name,
            review.found,
            path.display()
        );
        match review.is_open {
            true => tool::warn(message),
            false => tool::say(message),
        }
    }
    Ok(())
}
