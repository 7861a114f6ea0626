//! Conformance suites, an in-memory node and deterministic simulation, for tests only.
