//! What the agent decides, without clock, disk or network.
