//! Single stories of the engine, each a rule that once broke in somebody's Bitswap.
