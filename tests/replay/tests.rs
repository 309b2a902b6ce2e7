//! The replayer itself: what is lost is lost, and what was synced is not.
