//! Settings and targets enter here: everything that is outside text becomes valid values of `model`, or located problems.
