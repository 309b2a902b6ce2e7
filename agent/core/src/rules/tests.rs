//! The shipped rules: they read, each has a case that passes and one that fails, and mistakes in packs are all told.

use super::*;

mod cases;
mod good;
mod linear;
mod oracle;
mod packs;
