//! The engine against a simulated Kinesis.

mod property;
mod reaggregate;
mod scenario;
mod world;
