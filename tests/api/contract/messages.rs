//! Every message that the contract prints is looked for by some test. Those of the
//! table are; this says the same of all.
