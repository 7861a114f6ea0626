//! CAR: the archive format of IPFS. Specification: ipld.io `car`.
