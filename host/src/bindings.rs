//! The host's side of the contract, generated from `wit/`, and nothing else.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "generated code; the items are documented in the WIT files"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    imports: {
        "bedcheck:plugin/net.[static]connection.connect": async | trappable,
        "bedcheck:plugin/net.[method]connection.start-tls": async | trappable,
        "bedcheck:plugin/net.[method]connection.read": async | trappable,
        "bedcheck:plugin/net.[method]connection.write": async | trappable,
        "bedcheck:plugin/net.[method]connection.send": async | trappable,
        "bedcheck:plugin/net.[method]connection.close": async | trappable,
        "bedcheck:plugin/net.[static]datagram-socket.connect": async | trappable,
        "bedcheck:plugin/net.[method]datagram-socket.send": async | trappable,
        "bedcheck:plugin/net.[method]datagram-socket.receive": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "bedcheck:plugin/net.connection": crate::connection::Connection,
        "bedcheck:plugin/net.datagram-socket": crate::connection::DatagramSocket,
        "bedcheck:plugin/secrets.secret": crate::secret::Secret,
    },
});
