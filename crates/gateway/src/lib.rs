//! The HTTP gateway: paths, directory pages, ranges and the trustless formats.
