//! Files of this machine as a stream of entries.
