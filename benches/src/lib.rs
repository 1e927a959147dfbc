//! Databases full of history, for tests, screenshots and figures; and the figures themselves. No part of the product.

pub mod dice;
pub mod fill;
pub mod life;
pub mod progress;
pub mod town;
