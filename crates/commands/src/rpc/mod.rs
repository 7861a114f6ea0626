//! The RPC: `/api/v0`.
