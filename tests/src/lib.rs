//! The real binary in a fake world.
