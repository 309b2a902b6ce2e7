//! Loaded into a process with `LD_PRELOAD`, it writes down what the process does to the files below some folders: every
//! change with its data, every sync, and what is said on stderr, in one total order.
//!
//! `VHR_RECORD_ROOTS` names the folders, separated by `:`; `VHR_RECORD_LOG` the file that is appended to. The functions below
//! take the place of libc's; each does its work by system call, under one lock with the writing of the log, so that the
//! order in the log is the order in which things happened. What is not below the folders passes through unseen.
//! What it does not see: memory maps, and libraries that make system calls without libc. Who uses it replays the whole log
//! and compares, and so finds out.

#![cfg(target_os = "linux")]
#![allow(non_snake_case, reason = "the names are libc's")]

mod calls;
mod log;
