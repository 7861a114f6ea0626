//! The program as its users run it: processes, files and exit codes.

mod conventions;
mod guide;
mod keeping;
mod limit;
mod program;
mod start;
mod stores;
