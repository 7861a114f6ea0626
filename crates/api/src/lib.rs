//! The one typed API that every surface speaks.
