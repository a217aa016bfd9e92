//! The simulated world: agents, registrars and proxies on a network that loses, delays, repeats and
//! reorders, in virtual time. The same seed gives the same bytes; a failure prints its seed.

mod layer_node;
mod network;
mod world;

mod transactions;
