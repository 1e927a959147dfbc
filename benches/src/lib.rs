//! Databases full of history, for tests, screenshots and figures; and the figures themselves. No part of the product.

pub mod bare;
#[path = "../../tests/it/cluster.rs"]
#[expect(dead_code, reason = "the tests use all of it, the benches a part")]
mod cluster;
pub mod cpu;
pub mod dice;
pub mod figure;
pub mod fill;
pub mod life;
pub mod progress;
pub mod running;
pub mod service;
pub mod storage;
pub mod town;
pub mod web;
