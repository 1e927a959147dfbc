//! What the program really answered, as the examples of its description.
//!
//! `examples.json` is recorded from the running program by `tests/it/examples.rs`, which asks again whenever it is run: an answer that
//! has other fields than its example fails it. One line an answer, `<method> <path> <status>`; a route that is at the root and under
//! `/api/v1` has the same ones in both places.

use std::collections::HashMap;

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Operation;

const RECORDED: &str = include_str!("examples.json");

/// The examples, to be given to the operations that they are of.
pub struct Examples(HashMap<String, Value>);

impl Examples {
    pub fn recorded() -> Self {
        Self(serde_json::from_str(RECORDED).expect("what a test writes and reads is JSON"))
    }

    /// `path` is without `/api/v1`.
    pub fn give(&self, operation: &mut Operation, method: &str, path: &str) {
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else {
                continue;
            };
            if let Some(answer) = self.0.get(&format!("{method} {path} {status}"))
                && let Some(RefOr::T(content)) = response.content.values_mut().next()
            {
                content.example = Some(answer.clone());
            }
        }
    }
}
