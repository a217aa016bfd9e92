//! The simulated world: agents, registrars and proxies on a network that loses, delays, repeats and
//! reorders, in virtual time. The same seed gives the same bytes; a failure prints its seed.

mod host;
mod layer_node;
mod network;
mod proxy;
mod registrar;
mod wire;
mod world;

mod calls;
mod chaos;
mod crowds;
mod proxies;
mod races;
mod reach;
mod refusals;
mod registrations;
mod rushes;
mod stops;
mod transactions;
