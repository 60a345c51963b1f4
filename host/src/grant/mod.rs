//! What a check may reach: patterns of hosts and ports, asked before a name is resolved and again for every
//! address it leads to. Pure: nothing is resolved here. Everything is denied that is not granted.
//!
//! ```text
//! allow = ["*.example.org:443"] -> pattern -> Grants
//! host, port, address           -> judge   -> yes, or a Refusal that says what to add
//! ```

mod host;
mod judge;
mod network;
mod pattern;

pub use host::{Endpoint, Host};
pub use judge::{Grants, Refusal};
pub use network::Network;
pub use pattern::{Allowance, Grant, GrantError};
