//! The node: configuration, life cycle and the implementation of the API.
