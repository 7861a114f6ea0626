//! The program as its users run it: processes, files and exit codes.

mod guide;
mod program;
mod start;
