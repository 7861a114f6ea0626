//! UnixFS: chunkers, building, reading, HAMT directories, MFS, paths and tar.
