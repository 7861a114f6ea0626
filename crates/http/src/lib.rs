//! The HTTP server kit shared by every surface.
