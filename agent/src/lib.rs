//! VHR Agent.
